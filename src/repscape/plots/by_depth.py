"""Scores of models along depth, one panel per measure."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repscape.plots.palette import colours_of, in_order, wrapped
from repscape.plots.style import SMALL_SIZE, new_figure, stack_legends, styled

_COLUMNS = 4
_WIDTH, _HEIGHT = 1.95, 1.65
_NAME_SIGNS = 30


def by_depth_figure(table: pd.DataFrame) -> Figure:
    """Draw the mean over pairs of models, with the range of the pairs, for each data set.

    Distances are drawn downwards, so that up is more alike in every panel. Dotted lines are the
    means under random pairing of the samples, where the table has them. Layers stand at their
    mean depth in the networks, or, where one is not known, at their place among those compared.

    Parameters
    ----------
    table
        Of `repscape.analysis.by_depth.scores_by_depth`.
    """
    measures = in_order(table["measure"])
    at, axis = ("place", "layer, of those compared")
    if table["depth"].notna().all():
        at, axis = ("depth", "relative depth in the network")
    colours = colours_of(table["data"])
    columns = min(_COLUMNS, len(measures))
    rows = math.ceil(len(measures) / columns)
    handles: list[Artist] = [Line2D([], [], color=c, label=name) for name, c in colours.items()]
    if table["null_mean"].notna().any():
        handles.append(Line2D([], [], color="black", linestyle=":", label="random pairing"))
    with styled():
        margin = 0.6 + 0.062 * max(map(len, [*colours, "random pairing"]))
        figure = new_figure(_WIDTH * columns + margin, _HEIGHT * rows + 0.35)
        grid = figure.add_gridspec(rows, columns + 1, width_ratios=[_WIDTH] * columns + [margin])
        for place, measure in enumerate(measures):
            axes = figure.add_subplot(grid[place // columns, place % columns])
            part = table[table["measure"] == measure]
            for data, colour in colours.items():
                line = part[part["data"].astype(str) == data].sort_values("place")
                axes.fill_between(line[at], line["low"], line["high"], color=colour, alpha=0.13)
                axes.plot(line[at], line["mean"], color=colour, marker="o", markersize=2.5)
                axes.plot(line[at], line["null_mean"].astype(float), ":", color=colour)
            if at == "place":
                axes.set_xticks(sorted(part[at].unique()))
            else:
                axes.set_xlim(-0.04, 1.04)
                axes.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0", "", "0.5", "", "1"])
            axes.set_title(wrapped(measure, _NAME_SIGNS), fontsize=5.5)
            if (part["kind"] == "distance").all():
                axes.invert_yaxis()
            if place + columns >= len(measures):
                axes.set_xlabel(axis, fontsize=SMALL_SIZE)
        stack_legends(figure.add_subplot(grid[:, -1]), [("data", handles)])
    return figure
