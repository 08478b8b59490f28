"""What chance has to do with a cell of an interactive heat map: marks and lines to hover over."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from plotly import graph_objects

from repscape.plots.palette import CHANCE_COLOUR, CHANCE_LABEL, UNDECIDED_LABEL

_SIZE = 0.36


def chance_marks(
    marked: NDArray[np.bool_], *, upwards: bool, undecided: bool = False
) -> graph_objects.Scatter:
    """A corner of every marked cell; `upwards` where the first row is at the bottom.

    With `undecided`, the key says that permutations may be too few to tell.
    """
    bottom, side = (-0.5, _SIZE) if upwards else (0.5, -_SIZE)
    xs: list[float | None] = []
    ys: list[float | None] = []
    for row, column in np.argwhere(marked).tolist():
        left, low = column - 0.5, row + bottom
        xs += [left, left, left + _SIZE, left, None]
        ys += [low, low + side, low, low, None]
    return graph_objects.Scatter(
        x=xs,
        y=ys,
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=CHANCE_COLOUR,
        hoverinfo="skip",
        name=(UNDECIDED_LABEL if undecided else CHANCE_LABEL).replace("\n", "<br>"),
        legendrank=2000,
    )


def chance_notes(beside: Mapping[str, pd.DataFrame], shape: tuple[int, int]) -> list[list[str]]:
    """Lines to show under each score: the raw one, chance, effect and p; empty where unknown."""
    texts = np.full(shape, "", dtype=object)
    for name, template in _LINES.items():
        if name in beside:
            values = beside[name].to_numpy(dtype=float)
            known = ~np.isnan(values)
            texts[known] += [template.format(value) for value in values[known]]
    notes: list[list[str]] = texts.tolist()
    return notes


_LINES = {
    "raw": "<br>score {:z.4f}",
    "null_mean": "<br>chance {:z.4f}",
    "effect": "<br>effect {:z.3f}",
    "p_value": "<br>p = {:.3g}",
    "p_adjusted": " ({:.3g} adjusted)",
}
