"""Curves with intervals and what chance would give: scores along depth, and by sample size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator, StrMethodFormatter

from repscape.analysis.tidy import only_measure_of
from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean
from repscape.plots.palette import GROUP_COLOURS, direction, wrapped
from repscape.plots.style import QUIET_COLOUR, new_figure, stack_legends, styled

_WIDTH, _HEIGHT, _KEY_WIDTH = 3.9, 2.9, 2.0
_SHORT_KEY = 1.3  # a key that names no pairs
_NULL_ALPHA = 0.18


def layer_curve_figure(curves: pd.DataFrame) -> Figure:
    """Draw the score of layers at equal relative depth, one line for each pair of models.

    Bars are the intervals over samples; dotted lines are what chance gives. Without intervals or
    a null they are left out.

    Parameters
    ----------
    curves
        `repscape.analysis.layer_curves.layer_curves`.
    """
    measure, kind = only_measure_of(curves)
    pairs = curve_names(curves)
    with styled():
        figure = new_figure(_WIDTH + _KEY_WIDTH, _HEIGHT)
        axes, key = _panels(figure)
        handles: list[Artist] = []
        for (name, rows), colour in zip(pairs.items(), colours(len(pairs)), strict=True):
            _line(axes, rows["depth"], rows, colour)
            axes.plot(rows["depth"], rows["null_mean"], ":", color=colour, linewidth=1.0)
            handles.append(Line2D([], [], color=colour, marker="o", ms=2.5, label=name))
        axes.set_xlim(-0.03, 1.03)
        axes.set_xlabel("relative depth of both layers, of those compared")
        axes.set_ylabel(f"{wrapped(measure, 40)}\n{direction(kind)}", fontsize=7)
        stack_legends(key, [("pair of models", handles), ("", _meaning(curves))])
    return figure


def score_by_n_figure(table: pd.DataFrame) -> Figure:
    """Draw the score at growing numbers of samples, beside its null, and its effect.

    Above: the score with its interval and, dotted, what chance gives, with a band of two standard
    deviations. Below: the effect, which says what is left of a score that changes with n.

    Parameters
    ----------
    table
        `repscape.dependence_on_n` of one measure; of several pairs, with a column ``pair`` that
        names them.
    """
    check_by_n(table)
    measure, kind = str(table["measure"].iloc[0]), str(table["kind"].iloc[0])
    pairs = pairs_by_n(table)
    with styled():
        key_width = _KEY_WIDTH if len(pairs) > 1 else _SHORT_KEY
        figure = new_figure(_WIDTH + key_width, 1.6 * _HEIGHT)
        grid = figure.add_gridspec(2, 2, width_ratios=[_WIDTH, key_width], height_ratios=[3, 2])
        above = figure.add_subplot(grid[0, 0])
        below = figure.add_subplot(grid[1, 0], sharex=above)
        handles: list[Artist] = []
        for (name, rows), colour in zip(pairs.items(), colours(len(pairs)), strict=True):
            _line(above, rows["n"], rows, colour)
            above.plot(rows["n"], rows["null_mean"], ":", color=colour, linewidth=1.0)
            _fill(above, rows["n"], *chance_band(rows), colour)
            below.plot(rows["n"], rows["effect"].astype(float), "-o", color=colour, ms=2.5)
            lines = name.replace(" with ", " with\n").replace(" (", "\n(")
            handles.append(Line2D([], [], color=colour, marker="o", ms=2.5, label=lines))
        below.axhline(0.0, color=QUIET_COLOUR, linewidth=0.8, zorder=0)
        above.set_xscale("log", base=2)
        above.xaxis.set_major_locator(FixedLocator(sorted(set(table["n"]))))
        above.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        above.xaxis.set_minor_locator(NullLocator())
        above.tick_params(labelbottom=False)
        above.set_ylabel(f"{wrapped(measure, 40)}\n{direction(kind)}", fontsize=7)
        below.set_ylabel("effect\n0 chance, 1 perfect", fontsize=7)
        below.set_xlabel("number of samples n")
        key = figure.add_subplot(grid[:, 1])
        stack_legends(key, [("", handles if len(pairs) > 1 else []), ("", _meaning(table))])
    return figure


def curve_names(curves: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """The curve of each pair of models, by what the reader calls it."""
    found: dict[str, pd.DataFrame] = {}
    for (a, b, differs), rows in curves.groupby(["model_a", "model_b", "differs_in"], sort=False):
        found[f"{a} with\n{b}" + f"\n(differ in {differs})" * (differs != "any pair")] = rows
    return found


def pairs_by_n(table: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    """The rows of each pair, by its name, in order of n."""
    ordered = table.sort_values("n", kind="stable")
    if "pair" not in table.columns:
        return {"score": ordered}
    return {str(name): rows for name, rows in ordered.groupby("pair", sort=False)}


def check_by_n(table: pd.DataFrame) -> None:
    """Refuse a table that is not of one measure by n."""
    for name in ("measure", "kind", "n", "value", "null_mean", "effect"):
        if name not in table.columns:
            raise UnknownNameError(
                f"the table has no column {name!r}, which dependence_on_n gives; "
                + did_you_mean(name, map(str, table.columns))
            )
    measures = list(dict.fromkeys(table["measure"]))
    if len(measures) != 1:
        raise InvalidParameterError(
            f"the figure is of one measure, and the table holds {len(measures)}: choose the rows "
            f"of one of {', '.join(map(str, measures)) or 'none'}"
        )


def chance_band(rows: pd.DataFrame) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Two standard deviations on either side of what chance gives."""
    mean, sd = rows["null_mean"].astype(float), rows["null_sd"].astype(float)
    return mean - 2 * sd, mean + 2 * sd


def colours(count: int) -> list[str]:
    """A colour for each curve; beyond the last they repeat."""
    return [GROUP_COLOURS[index % len(GROUP_COLOURS)] for index in range(count)]


def _panels(figure: Figure) -> tuple[Axes, Axes]:
    grid = figure.add_gridspec(1, 2, width_ratios=[_WIDTH, _KEY_WIDTH])
    return figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[0, 1])


def _line(axes: Axes, x: pd.Series[Any], rows: pd.DataFrame, colour: str) -> None:
    low, high = (rows[name].astype(float) for name in ("interval_low", "interval_high"))
    if low.notna().any():
        axes.errorbar(
            x,
            rows["value"],
            yerr=np.array([rows["value"] - low, high - rows["value"]]),
            color=colour,
            linewidth=0,
            elinewidth=1.0,
            capsize=2.0,
        )
    axes.plot(x, rows["value"], "-o", color=colour, ms=2.5, linewidth=1.4)


def _fill(
    axes: Axes, x: pd.Series[Any], low: pd.Series[Any], high: pd.Series[Any], colour: str
) -> None:
    axes.fill_between(x.astype(float), low, high, color=colour, alpha=_NULL_ALPHA, linewidth=0)


def _meaning(rows: pd.DataFrame) -> list[Artist]:
    """What bars, dots and bands are, of those that are there."""
    entries: list[Artist] = []
    if rows["interval_low"].notna().any():
        entries.append(Line2D([], [], color=QUIET_COLOUR, marker="|", ls="", label="95% interval"))
    if rows["null_mean"].notna().any():
        entries.append(Line2D([], [], color=QUIET_COLOUR, ls=":", label="chance"))
    if "subsets" in rows.columns:
        patch = Patch(facecolor=QUIET_COLOUR, alpha=_NULL_ALPHA, label="± 2 sd of chance")
        entries.append(patch)
    return entries
