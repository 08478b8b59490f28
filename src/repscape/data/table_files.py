"""Readers of table files: `.csv` and `.parquet`; one row per sample, features in columns."""

from __future__ import annotations

import csv
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from repscape.data.contents import ID_NAMES, LABEL_NAMES, Contents, first_known, refuse_choice
from repscape.errors import InvalidRepresentationError, UnreadableFileError

if TYPE_CHECKING:
    import pandas as pd

_UNNAMED_INDEX = "Unnamed: 0"  # what pandas calls a first column whose header is empty


def read_csv(path: Path, choice: str | None) -> Contents:
    """Read a CSV file; the header line is optional if every cell is a number."""
    import pandas as pd

    refuse_choice(path, choice, "a .csv file holds one table")
    try:
        header = _csv_header(path)
        as_written: dict[Any, Any] = dict.fromkeys((*ID_NAMES, _UNNAMED_INDEX), str)
        if header is None:
            return _contents(path, pd.read_csv(path, header=None))
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            frame = pd.read_csv(path, dtype=as_written, index_col=False)
    except pd.errors.ParserWarning:  # pandas would drop the cells that no column names
        raise UnreadableFileError(
            f"{path}: the header names {len(header or ())} columns, but the rows have more cells"
        ) from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError, csv.Error) as problem:
        raise UnreadableFileError(f"{path}: not a CSV table ({problem})") from None
    if header[0] == "" and first_known(header, ID_NAMES) is None:
        frame = frame.rename(columns={_UNNAMED_INDEX: ID_NAMES[0]})
    return _contents(path, frame)


def read_parquet(path: Path, choice: str | None) -> Contents:
    """Read a parquet file; a named index is taken for the sample ids."""
    import pandas as pd

    refuse_choice(path, choice, "a .parquet file holds one table")
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (ValueError, OSError) as problem:  # pyarrow's errors derive from these
        raise UnreadableFileError(f"{path}: truncated or not a parquet file ({problem})") from None
    if not isinstance(frame.index, pd.RangeIndex) and first_known(frame.columns, ID_NAMES) is None:
        frame = frame.assign(**{ID_NAMES[0]: frame.index.to_numpy()})
    return _contents(path, frame)


def _csv_header(path: Path) -> list[str] | None:
    """The cells of the header line, or None where the first line is already a sample."""
    with path.open(newline="", encoding="utf-8") as file:
        cells = [cell.strip() for cell in next(csv.reader(file), [])]
    counted = cells == [str(column) for column in range(len(cells))]
    return None if cells and all(map(_is_number, cells)) and not counted else cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _contents(path: Path, frame: pd.DataFrame) -> Contents:
    from pandas.api.types import is_numeric_dtype

    ids, labels = first_known(frame.columns, ID_NAMES), first_known(frame.columns, LABEL_NAMES)
    rest = [name for name in frame.columns if name not in (ids, labels)]
    features = [name for name in rest if is_numeric_dtype(frame[name])]
    if not features:
        raise InvalidRepresentationError(
            f"{path}: no column of numbers among {[str(name) for name in frame.columns[:20]]}"
        )
    texts = [name for name in rest if name not in features]
    for name in texts:
        _refuse_partly_numeric(path, frame[name])
    return Contents(
        frame[features].to_numpy(),
        sample_ids=None if ids is None else _ids(frame[ids]),
        labels=None if labels is None else frame[labels].to_numpy(),
        columns={str(name): frame[name].to_numpy() for name in texts},
    )


def _refuse_partly_numeric(path: Path, column: pd.Series[Any]) -> None:
    """A feature with one stray word must not silently become a column of text."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").notna().to_numpy()
    words = np.flatnonzero(~numbers & column.notna().to_numpy())
    if numbers.any() and words.size:
        row = int(words[0])
        raise InvalidRepresentationError(
            f"{path}: column {column.name!r} holds numbers, but {column.iloc[row]!r} at row {row}: "
            "mend the cell, or remove the column"
        )


def _ids(column: pd.Series[Any]) -> npt.NDArray[Any]:
    values = column.to_numpy()
    if values.dtype.kind in "iu":
        return values
    texts = [str(value) for value in values.tolist()]
    if all(text.isascii() and text.isdigit() and str(int(text)) == text for text in texts):
        return np.asarray(texts, dtype=np.int64)
    return np.asarray(texts, dtype=np.str_)
