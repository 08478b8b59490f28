"""What the reader calls the data sets of a table: short names that tell them apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import pandas as pd

from repscape.analysis.tidy import text_or_none

Source = tuple[str | None, str | None]


def plain_source(data: object, split: object) -> str:
    """Return ``digits (held_out)``: a data set and its split, without the split's parameters."""
    name = re.sub(r"\[[^]]*\]", "", text_or_none(split) or "")
    return f"{text_or_none(data) or ''} ({name})".strip() if name else text_or_none(data) or ""


def short_sources(sources: Iterable[tuple[object, object]]) -> dict[Source, str]:
    """Return the shortest names that tell data sets and splits apart.

    They are the data set alone, or with its split, or with all parameters of the split.

    Parameters
    ----------
    sources
        Data set and split; either may be missing. Repetitions count once.
    """
    known = list(
        dict.fromkeys((text_or_none(data), text_or_none(split)) for data, split in sources)
    )
    names = {pair: pair[0] or "" for pair in known}
    if len(set(names.values())) < len(known):
        names = {pair: plain_source(*pair) for pair in known}
    if len(set(names.values())) < len(known):
        names = {(data, split): f"{data or ''} ({split})".strip() for data, split in known}
    return names


def row_sources(table: pd.DataFrame) -> list[Source]:
    """Return data set and split of every row of a table, which may lack these columns."""
    if "data" not in table.columns:
        return [(None, None)] * len(table)
    pairs = table[["data", "split"]].to_numpy(dtype=object)
    return [(text_or_none(data), text_or_none(split)) for data, split in pairs]


def by_measure(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """Return some columns of a result table as a report shows them.

    The measure is set as code, and where the rows are of several data sets the first column says
    of which.

    Parameters
    ----------
    table
        One row per data set, split and measure, and whatever else.
    columns
        The columns that are shown, and their headings; ``measure`` is one of them.
    """
    shown = table[list(columns)].assign(measure=[f"`{name}`" for name in table["measure"]])
    shown = shown.rename(columns=dict(columns))
    names = short_sources(row_sources(table))
    if len(names) > 1:
        shown.insert(0, "data", [names[source] for source in row_sources(table)])
    return shown
