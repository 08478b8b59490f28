"""Measures without one single number: foreseen where the samples are counted, and found after."""

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
    """A line for each measure and descriptor that gave no number at all on some data set."""
    lines: list[str] = []
    for table, column in _TABLES.items():
        if table not in tables:
            continue
        for (name, data), rows in tables[table].groupby([column, "data"], sort=False):
            if rows["value"].isna().all():
                lines.append(_line(str(name), str(data), str(rows["reason"].iloc[0])))
    return lines


def _line(name: str, data: str, reason: str) -> str:
    return f"{name} has no value at all on {data}: {reason}"
