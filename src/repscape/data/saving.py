"""Representations as `.npz` files, which `load` and NumPy read."""

from __future__ import annotations

import os
import re
import secrets
from pathlib import Path

import numpy as np

from repscape.representation import Representation

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
SUFFIX = ".npz"


def save_npz(representation: Representation, path: Path) -> None:
    """Write `values`, `sample_ids`, `labels` and the metadata columns, whole or not at all.

    An existing file is replaced.
    """
    arrays = {"values": np.asarray(representation.values), "sample_ids": representation.sample_ids}
    if representation.labels is not None:
        arrays["labels"] = representation.labels
    arrays |= {f"column/{name}": column for name, column in representation.columns.items()}
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def file_name(layer: str) -> str:
    """A name for the file of a layer that every file system and shell takes."""
    return _UNSAFE.sub("_", layer).strip("_") + SUFFIX
