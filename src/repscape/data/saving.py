"""Representations as `.npz` files, which `load` and NumPy read."""

from __future__ import annotations

import json
import os
import re
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from repscape.errors import InvalidParameterError
from repscape.representation import Representation

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
SUFFIX = ".npz"
_NAMES = ("model", "data", "tags")  # as they are called, not what they hold


def save_npz(representation: Representation, path: Path) -> None:
    """Write `values`, `sample_ids`, `labels`, the metadata columns and the origin, as JSON.

    The file is written whole or not at all; an existing one is replaced.
    """
    arrays = {"values": np.asarray(representation.values), "sample_ids": representation.sample_ids}
    if representation.labels is not None:
        arrays["labels"] = representation.labels
    arrays |= {f"column/{name}": column for name, column in representation.columns.items()}
    arrays["origin"] = np.asarray(json.dumps(_known_of(representation)))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        with temporary.open("xb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def refuse_others(targets: Mapping[Path, Representation]) -> None:
    """Refuse to write where a file of something else stands: other data, model, pooling, …

    Raises
    ------
    InvalidParameterError
        Naming the file and what it holds. Nothing has been written then.
    """
    for path, representation in targets.items():
        if not path.exists():
            continue
        held, own = _origin_of(path), _known_of(representation)
        if held is None:
            raise InvalidParameterError(
                f"{path} exists and does not say where it comes from: give another folder, or "
                "move the file away"
            )
        differing = [
            name
            for name in sorted(held.keys() | own.keys())
            if name not in _NAMES and held.get(name) != own.get(name)
        ]
        if differing:
            there, here = (
                f"{one.get('model')} on {one.get('data')} "
                f"({', '.join(f'{name}={one.get(name)}' for name in differing)})"
                for one in (held, own)
            )
            raise InvalidParameterError(
                f"{path} holds {there}, and this is {here}: give another folder, or move the "
                "file away"
            )


def _known_of(representation: Representation) -> dict[str, Any]:
    """The origin, and in what the values are kept."""
    kept = str(representation.values.dtype).removeprefix("torch.")
    return {**representation.origin.to_dict(), "values": kept}


def _origin_of(path: Path) -> dict[str, Any] | None:
    """The origin that `save_npz` wrote into a file, or None if it did not write it."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            origin = json.loads(str(arrays["origin"]))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None
    return origin if isinstance(origin, dict) else None


def file_name(layer: str) -> str:
    """A name for the file of a layer that every file system and shell takes."""
    return _UNSAFE.sub("_", layer).strip("_") + SUFFIX
