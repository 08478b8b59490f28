"""What changes the score: every pair of models, grouped by the factors in which the two differ."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from repscape.analysis.tidy import only_measure_of
from repscape.plots.arrangement import spread, strip_groups
from repscape.plots.palette import GROUP_COLOURS, direction, wrapped
from repscape.plots.style import QUIET_COLOUR, SMALL_SIZE, TEXT_COLOUR, new_figure, styled


def pair_strip(pairs: pd.DataFrame) -> Figure:
    """Draw one point per pair of models, in one line per set of factors in which they differ.

    Lines are ordered by how many factors differ. A dark bar marks the mean of each line.

    Parameters
    ----------
    pairs
        One row per pair under one measure (`repscape.analysis.groups.pair_differences`).
    """
    measure, kind = only_measure_of(pairs)
    groups = strip_groups(pairs)
    with styled():
        figure = new_figure(5.6, 0.3 * len(groups) + 1.0)
        axes = figure.add_subplot()
        for place, (_, scores) in enumerate(groups):
            _draw_line(axes, place, scores["value"].to_numpy(dtype=float))
        labels = [f"{name}  ({len(scores)})" for name, scores in groups]
        axes.set_yticks(range(len(groups)), labels)
        axes.set_ylim(len(groups) - 0.5, -0.5)
        axes.set_ylabel("the two models differ in", labelpad=6)
        axes.set_xlabel(f"{wrapped(measure, 48)}, {direction(kind)}")
        axes.grid(axis="x", color="#e4e4e4", linewidth=0.6)
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        missing = int(pairs["value"].isna().sum())
        if missing:
            axes.set_title(
                f"{missing} pairs have no score", fontsize=SMALL_SIZE, color=QUIET_COLOUR
            )
    return figure


def _draw_line(axes: Axes, place: int, values: NDArray[np.float64]) -> None:
    axes.plot(
        values,
        place + spread(len(values)),
        "o",
        color=GROUP_COLOURS[0],
        alpha=0.65,
        markersize=4,
        markeredgewidth=0,
    )
    axes.plot(
        [values.mean()] * 2,
        [place - 0.34, place + 0.34],
        color=TEXT_COLOUR,
        linewidth=1.8,
        solid_capstyle="butt",
    )
