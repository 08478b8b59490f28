"""`jsonl:` one JSON object per line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from repscape.data.digests import files_revision
from repscape.data.load_data import data_scheme
from repscape.data.located import located_files
from repscape.data.source import DataSource
from repscape.data.table_samples import SampleColumns, Table, table_source
from repscape.errors import SampleError, UnreadableFileError


@data_scheme("jsonl", "jsonl:texts.jsonl", "one JSON object per line", also=SampleColumns)
def open_jsonl(location: str, *, split: str = "all", **choice: Any) -> DataSource:
    """Lines of JSON objects; a sample is read from its line when it is needed.

    `location` is a file, a folder, a glob or a range. Without a column of ids, samples are
    numbered 0, 1, 2, … over all files. Options: those of `SampleColumns`.
    """
    files = located_files("jsonl", location, [".jsonl", ".ndjson"])
    columns = SampleColumns(**choice)
    lines, names = _index(files)
    table = Table(
        name=f"jsonl:{Path(location).expanduser().name}",
        where=f"jsonl:{location}",
        names=names,
        column=lines.column,
        cells=lines.cells,
        length=len(lines.where),
        folder=next(iter(files.values())).parent,
    )
    return table_source(table, columns, files_revision(files, **columns.to_dict()), split)


@dataclass(frozen=True)
class _Lines:
    """Where the lines begin: file, offset, length."""

    where: list[tuple[Path, int, int]]

    def cells(self, row: int, names: Sequence[str]) -> Mapping[str, Any]:
        path, start, length = self.where[row]
        with path.open("rb") as file:
            file.seek(start)
            content = json.loads(file.read(length))
        missing = [name for name in names if name not in content]
        if missing:
            raise SampleError(f"its line has no {missing[0]!r}")
        return {name: content[name] for name in names}

    def column(self, name: str) -> list[Any]:
        """Read one cell of every line; nothing else is held in memory."""
        found = []
        for path, lines in itertools.groupby(self.where, key=lambda place: place[0]):
            with path.open("rb") as file:
                for _, start, length in lines:
                    file.seek(start)
                    found.append(json.loads(file.read(length)).get(name))
        return found


def _index(files: Mapping[str, Path]) -> tuple[_Lines, list[str]]:
    """Find the lines, and the names of their cells."""
    where: list[tuple[Path, int, int]] = []
    names: dict[str, None] = {}
    for path in files.values():
        start = 0
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    names.update(dict.fromkeys(_object(path, number, line)))
                    where.append((path, start, len(line)))
                start += len(line)
    if not where:
        raise UnreadableFileError(f"{next(iter(files.values()))}: there is no line in it")
    return _Lines(where), list(names)


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except json.JSONDecodeError as problem:
        said = f"{problem.msg} at its character {problem.pos + 1}"
        raise UnreadableFileError(f"{path}: line {number} is not JSON ({said})") from None
    except UnicodeDecodeError as problem:
        raise UnreadableFileError(f"{path}: line {number} is not UTF-8 ({problem})") from None
    if not isinstance(content, dict):
        raise UnreadableFileError(
            f'{path}: line {number} is a {type(content).__name__}, not an object {{"text": …}}'
        )
    return content
