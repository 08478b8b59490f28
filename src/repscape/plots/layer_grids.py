"""Layer × layer heat maps of chosen pairs of models."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from repscape.analysis.layer_matrices import LayerMatrix, layer_matrix
from repscape.analysis.matrices import any_undecided, at_chance
from repscape.analysis.tidy import only_slice
from repscape.plots.arrangement import panel_title
from repscape.plots.style import (
    SMALL_SIZE,
    chance_patch,
    hatch_cells,
    label_scores,
    mark_cells,
    missing_patch,
    new_figure,
    score_map,
    styled,
    tick_step,
)

_PAIR_COLUMNS = ["model_a", "model_b", "differs_in"]
_COLUMNS = 3
_PANEL = 2.0
_MOST_LABELS = 12
_TICK_SIZE = 5.5


def layer_heatmaps(table: pd.DataFrame, pairs: pd.DataFrame, *, symmetric: bool = True) -> Figure:
    """Draw the layers of one model against those of another, one panel per pair of models.

    The first layer stands at the bottom left. All panels share one colour scale, on which
    brighter means more alike. Cells without a score are grey and hatched (those of a layer with
    itself are left white); cells whose score cannot be told from chance (``distinguishable``)
    have a marked corner.

    Parameters
    ----------
    table
        The rows of one measure, one per pair of layers.
    pairs
        Columns ``model_a`` (vertical), ``model_b`` (horizontal) and ``differs_in``, under which
        panels are grouped into rows (`repscape.analysis.examples.example_pairs`).
    symmetric
        Whether a pair of layers given in one direction stands for both.
    """
    piece = only_slice(table)
    grids = [
        (panel_title(differs_in), layer_matrix(piece.table, model_a, model_b, symmetric))
        for model_a, model_b, differs_in in pairs[_PAIR_COLUMNS].to_numpy(dtype=str)
    ]
    with styled():
        return _drawn(grids, piece.measure, piece.kind)


def _drawn(grids: Sequence[tuple[str, LayerMatrix]], measure: str, kind: str) -> Figure:
    rows = [
        (title, [grid for _, grid in members])
        for title, members in groupby(grids, key=lambda entry: entry[0])
    ]
    rows = [
        (title if start == 0 else "", members[start : start + _COLUMNS])
        for title, members in rows
        for start in range(0, len(members), _COLUMNS)
    ]
    columns = max(len(members) for _, members in rows)
    figure = new_figure(_PANEL * columns + 0.9, (_PANEL + 0.2) * len(rows) + 0.1)
    axes = figure.subplots(len(rows), columns, squeeze=False)
    scale, colours = _shared_scale([grid for _, grid in grids]), score_map(kind)
    for line, (title, members) in zip(axes, rows, strict=True):
        line[0].set_title(title, fontweight="bold", pad=5)
        for place, grid in zip(line, members, strict=False):
            _draw_panel(place, grid, scale, colours)
        for place in line[len(members) :]:
            place.set_axis_off()
    shrink = min(1.0, 1.3 / len(rows))
    bar = figure.colorbar(
        ScalarMappable(scale, colours), ax=axes, aspect=22, pad=0.02, shrink=shrink, anchor=(0, 1)
    )
    label_scores(bar, measure, kind, shrink * (_PANEL - 0.5) * len(rows), SMALL_SIZE)
    bar.ax.tick_params(labelsize=_TICK_SIZE)
    marks: list[Artist] = []
    if any(_missing(grid).any() for _, grid in grids):
        marks.append(missing_patch())
    if any(at_chance(grid.beside, grid.values.shape).any() for _, grid in grids):
        marks.append(chance_patch(any(any_undecided(grid.beside) for _, grid in grids)))
    if marks:
        figure.legend(handles=marks, loc="outside lower right", ncols=2)
    return figure


def _shared_scale(grids: Sequence[LayerMatrix]) -> Normalize:
    values = np.concatenate([grid.values.to_numpy(dtype=float).ravel() for grid in grids])
    values = values[~np.isnan(values)]
    return Normalize(values.min(), values.max()) if len(values) else Normalize(0, 1)


def _missing(grid: LayerMatrix) -> NDArray[np.bool_]:
    """Cells without a score, but for those of a layer with itself."""
    missing = grid.values.isna().to_numpy(copy=True)
    if grid.model_a == grid.model_b:
        np.fill_diagonal(missing, False)
    return missing


def _draw_panel(axes: Axes, grid: LayerMatrix, scale: Normalize, colours: Colormap) -> None:
    values = grid.values.to_numpy(dtype=float)
    axes.imshow(
        np.ma.masked_invalid(values),
        cmap=colours,
        norm=scale,
        origin="lower",
        aspect="auto",
        interpolation="nearest",
    )
    hatch_cells(axes, _missing(grid))
    mark_cells(axes, at_chance(grid.beside, values.shape))
    for axis, labels in ((axes.yaxis, grid.values.index), (axes.xaxis, grid.values.columns)):
        step = tick_step(len(labels), _MOST_LABELS)
        axis.set_ticks(range(0, len(labels), step), [str(label) for label in labels[::step]])
    axes.tick_params(length=0, labelsize=_TICK_SIZE, pad=1.5)
    axes.tick_params(axis="x", rotation=90)
    if grid.model_a != grid.model_b:
        axes.set_ylabel(grid.model_a, fontsize=SMALL_SIZE, labelpad=2)
    axes.set_xlabel(grid.model_b, fontsize=SMALL_SIZE, labelpad=2)
    axes.spines[:].set_visible(False)
