"""What has no number: foreseen where the samples are counted, and found in the tables after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from repscape.errors import TooFewSamplesError
from repscape.measures.base import get_measure
from repscape.pairwise import check_n

if TYPE_CHECKING:
    import pandas as pd

_TABLES = {"scores": "measure", "overlaps": "measure", "geometry": "descriptor"}
"""Tables of numbers, and the column that says what was measured."""


def foreseen(measures: Sequence[str], data: str, n: int) -> list[str]:
    """A line for each measure that will give no number for so many samples."""
    lines = []
    for name in measures:
        try:
            check_n(get_measure(name), n)
        except TooFewSamplesError as problem:
            lines.append(_line(name, data, str(problem)))
    return lines


def found(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What gave no number on some data set.

    A line for each measure and descriptor that gave none at all, and one for each table and data
    set in which others lack some.
    """
    lines: list[str] = []
    for table, column in _TABLES.items():
        if table not in tables:
            continue
        given = tables[table]
        data = given["data"].astype(str)
        lacking = given["value"].isna()
        whole = lacking.groupby([given[column], data]).transform("all")
        for (name, where), rows in given[whole].groupby([column, data[whole]], sort=False):
            lines.append(_line(str(name), str(where), str(rows["reason"].iloc[0])))
        for where, rows in given[lacking & ~whole].groupby(data, sort=False):
            several = f"; all are in tables/{table}" if len(rows) > 1 else ""
            lines.append(
                f"{len(rows)} of {int((data == where).sum())} rows of {table} on {where} have no "
                f"value: {rows['reason'].iloc[0]}{several}"
            )
    return lines


def _line(name: str, data: str, reason: str) -> str:
    return f"{name} has no value at all on {data}: {reason}"
