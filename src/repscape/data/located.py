"""Files by a path, a folder or a glob, in the order of the numbers in their names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from repscape.errors import UnreadableFileError

_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def located_files(scheme: str, location: str, suffixes: Sequence[str]) -> dict[str, Path]:
    """Return the files that a location means, by name, sorted as people count (2 before 10).

    Parameters
    ----------
    scheme : str
        For messages.
    location : str
        A file; a folder, whose files with one of the suffixes are meant; a glob
        (`part-*.jsonl`); or a range (`part-{000..012}.tar`).

    Raises
    ------
    UnreadableFileError
        If there is no such file.
    """
    path = Path(location).expanduser()
    if path.is_file():
        return {path.name: path}
    if path.is_dir():
        found = [file for file in path.iterdir() if file.name.endswith(tuple(suffixes))]
        where = f"no file {' or '.join('*' + suffix for suffix in suffixes)} in the folder"
    elif _RANGE.search(path.name):
        found = _expanded(path)
        where = "no such file"
    else:
        found = [file for file in path.parent.glob(path.name) if file.is_file()]
        where = "no such file"
    missing = [file for file in found if not file.is_file()]
    if missing or not found:
        said = str(missing[0]) if missing else f"{scheme}:{location}"
        raise UnreadableFileError(f"{said}: {where} (looked in {path.parent.absolute()})")
    return {file.name: file for file in sorted(found, key=lambda file: natural(file.name))}


def natural(name: str) -> list[tuple[int, int, str]]:
    """A sort key by which `2.tar` stands before `10.tar`."""
    parts = re.split(r"(\d+)", name)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts if part]


def _expanded(path: Path) -> list[Path]:
    match = _RANGE.search(path.name)
    if match is None:
        return [path]
    width, first, last = len(match[1]), int(match[1]), int(match[2])
    names = [
        path.name[: match.start()] + f"{k:0{width}d}" + path.name[match.end() :]
        for k in range(first, last + 1)
    ]
    return [file for name in names for file in _expanded(path.with_name(name))]
