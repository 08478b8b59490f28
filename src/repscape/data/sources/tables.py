"""`csv:` and `parquet:` tables, one sample per row."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from repscape.data.digests import files_revision
from repscape.data.load_data import data_scheme
from repscape.data.located import located_files
from repscape.data.source import DataSource
from repscape.data.table_samples import SampleColumns, Table, table_source
from repscape.errors import UnreadableFileError

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa


@data_scheme("csv", "csv:texts.csv", "a table with a header line", also=SampleColumns)
def open_csv(location: str, *, split: str = "all", **choice: Any) -> DataSource:
    """Rows of a CSV file with a header line, held in memory.

    Cells are text as they are written ("NA" and "007" too); a metadata or label column becomes
    numeric if all of its cells are numbers. Without a column of ids, samples are numbered
    0, 1, 2, … Options: those of `SampleColumns`.
    """
    files = located_files("csv", location, [".csv"])
    columns = SampleColumns(**choice)
    frame = _read_csv(files, f"csv:{location}")

    def cells(row: int, names: Sequence[str]) -> Mapping[str, Any]:
        return {name: frame[name].iloc[row] for name in names}

    table = _table(
        "csv",
        location,
        [str(name) for name in frame.columns],
        lambda name: _numbers(np.asarray(frame[name]).tolist()),
        cells,
        len(frame),
        files,
    )
    return table_source(table, columns, files_revision(files, **columns.to_dict()), split)


@data_scheme("parquet", "parquet:texts.parquet", "a parquet table", also=SampleColumns)
def open_parquet(location: str, *, split: str = "all", **choice: Any) -> DataSource:
    """Rows of one or several parquet files, held in the form of Arrow.

    `location` is a file, a folder, a glob or a range. Without a column of ids, samples are
    numbered 0, 1, 2, … over all files. Options: those of `SampleColumns`.
    """
    files = located_files("parquet", location, [".parquet"])
    columns = SampleColumns(**choice)
    content = _read_parquet(files)

    def cells(row: int, names: Sequence[str]) -> Mapping[str, Any]:
        return {name: content[name][row].as_py() for name in names}

    def column(name: str) -> Sequence[Any]:
        return list(content[name].to_pylist())

    table = _table("parquet", location, content.column_names, column, cells, len(content), files)
    return table_source(table, columns, files_revision(files, **columns.to_dict()), split)


def _table(
    scheme: str,
    location: str,
    names: Sequence[str],
    column: Any,
    cells: Any,
    length: int,
    files: Mapping[str, Path],
) -> Table:
    where = f"{scheme}:{location}"
    if not length:
        raise UnreadableFileError(f"{where}: it has no rows")
    name = f"{scheme}:{Path(location).expanduser().name}"
    folder = next(iter(files.values())).parent
    return Table(name, where, list(names), column, cells, length, folder)


def _read_csv(files: Mapping[str, Path], where: str) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for path in files.values():
        try:
            frames.append(pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False))
        except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError, csv.Error) as found:
            raise UnreadableFileError(f"{path}: not a CSV table ({_line(found)})") from None
    _refuse_other_separators(where, [str(name) for name in frames[0].columns])
    if any(list(frame.columns) != list(frames[0].columns) for frame in frames):
        raise UnreadableFileError(f"{where}: its files have different columns")
    return pd.concat(frames, ignore_index=True)


def _refuse_other_separators(where: str, names: list[str]) -> None:
    """A table of which the whole header is one cell would be read as one column of text."""
    found = [mark for mark in ";\t|" if mark in names[0]]
    if len(names) == 1 and found:
        raise UnreadableFileError(
            f"{where}: its only column is {names[0]!r}; it looks separated by {found[0]!r}: "
            "separate it by commas"
        )


def _line(problem: Exception) -> str:
    return " ".join(str(problem).split())


def _numbers(cells: list[str]) -> Sequence[Any]:
    """The cells as numbers, if they all are and would be written the same ("007" would not)."""
    try:
        whole = [int(cell) for cell in cells]
    except ValueError:
        whole = []
    if [str(number) for number in whole] == cells:
        return whole
    try:
        return np.asarray(cells).astype(np.float64).tolist() if not whole else cells
    except ValueError:
        return cells


def _read_parquet(files: Mapping[str, Path]) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    tables = []
    for path in files.values():
        try:
            tables.append(parquet.read_table(path, memory_map=True))
        except (pa.ArrowException, OSError) as problem:
            raise UnreadableFileError(
                f"{path}: truncated or not a parquet file ({problem})"
            ) from None
    try:
        return pa.concat_tables(tables)
    except pa.ArrowInvalid as problem:
        names = ", ".join(files)
        raise UnreadableFileError(f"{names}: their columns differ ({problem})") from None
