"""Content revisions: digests of files, and of the options that decide what is read."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from repscape.errors import UnreadableFileError
from repscape.tasks import digest_json


def files_revision(files: Mapping[str, Path] | Sequence[Path], **what: Any) -> Callable[[], str]:
    """Return a function that digests files, by their names and bytes, and the options `what`.

    Files are given by the names under which they count, so that a folder may be moved.
    """
    named = files if isinstance(files, Mapping) else {path.name: path for path in files}

    def digest() -> str:
        names = sorted(named)
        with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
            digests = list(pool.map(lambda name: digest_file(named[name]), names))
        return digest_json([list(zip(names, digests, strict=True)), _said(what)])

    return digest


def value_revision(parts: Iterable[bytes | str], **what: Any) -> str:
    """Return a digest of values in memory, in their order, and of the options `what`."""
    digest = hashlib.sha256()
    for part in parts:
        raw = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(f"{len(raw)}\x1f".encode())
        digest.update(raw)
    return digest_json([digest.hexdigest(), _said(what)])


def digest_file(path: Path) -> str:
    """Return the SHA-256 of a file."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as problem:
        raise UnreadableFileError(f"{path}: cannot be read ({problem.strerror})") from None


def _said(what: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in what.items() if value is not None}
