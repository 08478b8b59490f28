"""Digests of saved weights: the content revision of a model that is no commit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

_DIGEST_CHARACTERS = 40
_READ_BYTES = 2**22
WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
SHAPES = ("config.json", "*.index.json")


def digest_of_folder(folder: Path) -> str:
    """Return a digest of the weights and the configuration in a folder, whatever its name."""
    found = {path for pattern in (*WEIGHTS, *SHAPES) for path in folder.glob(pattern)}
    return digest_of_files(sorted(found))


def digest_of_files(paths: Iterable[Path]) -> str:
    """Return a digest of the names and bytes of files."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"\x1e{path.name}\x1f{path.stat().st_size}\x1f".encode())
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def digest_of_text(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]
