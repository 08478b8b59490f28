"""Pieces that the interactive figures share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import escape
from plotly import graph_objects

from repscape.plots.palette import direction, wrapped

QUIET = "#8a929b"


def base_layout(height: int) -> dict[str, Any]:
    """Return the layout that every figure starts from; the page adds the colours."""
    return {
        "height": height,
        "template": None,
        "font": {"size": 12},
        "margin": {"l": 10, "r": 10, "t": 20, "b": 10},
        "hoverlabel": {"align": "left"},
        "showlegend": True,
    }


def plain(name: object) -> str:
    """Escape a name for plotly, whose labels understand some HTML."""
    return str(escape(str(name)))


def plain_all(names: Any) -> list[str]:
    """Escape each name."""
    return [plain(name) for name in names]


def counts(values: Any) -> list[str]:
    """Return numbers of samples as text."""
    return ["unknown" if pd.isna(value) else str(int(value)) for value in values]


def score_title(measure: str, kind: str) -> str:
    """Return the measure's full name and its direction in short lines."""
    return "<br>".join(map(plain, [*wrapped(measure, 34).split("\n"), direction(kind)]))


def colour_bar(measure: str, kind: str, length: float) -> dict[str, Any]:
    """Return a colour bar with the measure's full name, along this share of the height."""
    return {
        "title": {"text": score_title(measure, kind), "side": "right", "font": {"size": 11}},
        "len": length,
        "y": 0,
        "yanchor": "bottom",
        "thickness": 14,
        "outlinewidth": 0,
    }


def with_nulls(values: Any) -> list[list[float | None]]:
    """Return a matrix as nested lists in which NaN is null."""
    return [[None if np.isnan(value) else float(value) for value in line] for line in values]


def band(rows: pd.DataFrame, x: str, colour: str, group: str) -> Iterator[graph_objects.Scatter]:
    """Yield one shape for every run of rows that have a value: one standard error either way."""
    errors = rows["standard_error"].astype(float)
    low, high = rows["value"] - errors, rows["value"] + errors
    known = (low.notna() & high.notna()).to_numpy()
    starts = np.flatnonzero(known & ~np.r_[False, known[:-1]])
    stops = np.flatnonzero(known & ~np.r_[known[1:], False]) + 1
    places = rows[x].to_numpy(dtype=float)
    for start, stop in zip(starts, stops, strict=True):
        run = slice(int(start), int(stop))
        if stop - start > 1:
            yield graph_objects.Scatter(
                x=np.r_[places[run], places[run][::-1]],
                y=np.r_[low.to_numpy()[run], high.to_numpy()[run][::-1]],
                mode="lines",
                line={"width": 0},
                fill="toself",
                fillcolor=colour,
                opacity=0.2,
                hoverinfo="skip",
                showlegend=False,
                legendgroup=plain(group),
            )
