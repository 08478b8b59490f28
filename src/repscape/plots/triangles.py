"""One row of heat maps, one for each measure, of the pairs of models below the diagonal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from numpy.typing import NDArray

from repscape.analysis.matrices import ScoreMatrix, square_matrix
from repscape.errors import InvalidParameterError
from repscape.plots.style import (
    QUIET_COLOUR,
    SMALL_SIZE,
    hatch_cells,
    missing_patch,
    new_figure,
    score_map,
    styled,
)

_PANEL = 1.75
_TITLE_SIGNS = 28


@dataclass(frozen=True)
class Panel:
    """What one heat map shows: a measure, and what stands over it."""

    measure: str
    title: str


def triangles(
    scores: pd.DataFrame,
    panels: Sequence[Panel],
    order: Sequence[str],
    *,
    names: Sequence[str] | None = None,
    note: str | None = None,
) -> Figure:
    """Draw models × models below the diagonal, one panel with its own colour bar per measure.

    The layout is that of Klabunde et al. (2023): raw scores, names of rows on the first panel
    only, brighter is more alike. Pairs without a score are grey and hatched, never 0.

    Parameters
    ----------
    scores
        One score per pair of models on one data set; measures that no panel shows are left out.
    panels
        The measures, from left to right. One that the table lacks is drawn without any score.
    order
        The models, from top to bottom and from left to right.
    names
        What to write instead, in the same order.
    note
        A line below the panels: a warning that a reader must not miss.
    """
    if len(order) < 2:
        raise InvalidParameterError(f"there are {len(order)} models: a heat map needs two")
    written = list(order if names is None else names)
    matrices = [_matrix(scores, panel, order) for panel in panels]
    with styled():
        side = _PANEL * max(1.0, len(order) / 13)
        lines = 0 if note is None else note.count("\n") + 1
        labels = 0.1 + max(_inches(name, _label_size(len(order))) for name in written)
        height = 0.79 * side + labels + 0.28 + 0.14 * lines
        figure = new_figure(side * len(panels) + labels + 0.1, height)
        axes = figure.subplots(1, len(panels), squeeze=False)[0]
        for place, panel, matrix in zip(axes, panels, matrices, strict=True):
            _draw(place, panel, matrix, written, with_rows=place is axes[0])
        if any(_missing(matrix).any() for matrix in matrices):
            figure.legend(handles=[missing_patch()], loc="outside lower right", borderpad=0)
        if note is not None:
            figure.supxlabel(note, fontsize=SMALL_SIZE, color=QUIET_COLOUR, x=0.01, ha="left")
    return figure


def _matrix(scores: pd.DataFrame, panel: Panel, order: Sequence[str]) -> ScoreMatrix:
    """The scores of one measure in this order; NaN where there is none."""
    rows = scores[scores["measure"] == panel.measure]
    empty = pd.DataFrame(np.nan, list(order), list(order))
    if rows.empty:
        nothing = empty.astype(object)
        return ScoreMatrix(empty, nothing, empty.astype("Int64"), panel.measure, "similarity")
    found = square_matrix(rows)
    return ScoreMatrix(
        found.values.reindex(index=list(order), columns=list(order)),
        found.reasons.reindex(index=list(order), columns=list(order)),
        found.samples.reindex(index=list(order), columns=list(order)),
        found.measure,
        found.kind,
    )


def _below(matrix: ScoreMatrix) -> NDArray[np.float64]:
    """The strict lower triangle without its empty first row and last column."""
    values = matrix.values.to_numpy(dtype=float, copy=True)
    values[np.triu_indices(len(values))] = np.nan
    return values[1:, :-1]


def _missing(matrix: ScoreMatrix) -> NDArray[np.bool_]:
    missing = np.isnan(_below(matrix))
    missing[np.triu_indices(len(missing), 1)] = False
    return missing


def _inches(text: str, size: float) -> float:
    """How long a text of this size is."""
    return float(TextPath((0, 0), text, size=size).get_extents().width) / 72


def _label_size(models: int) -> float:
    return float(np.clip(78 / (models - 1), 3.5, SMALL_SIZE))


def _draw(
    axes: Axes, panel: Panel, matrix: ScoreMatrix, names: Sequence[str], with_rows: bool
) -> None:
    image = axes.imshow(
        np.ma.masked_invalid(_below(matrix)), cmap=score_map(matrix.kind), interpolation="nearest"
    )
    hatch_cells(axes, _missing(matrix))
    count = len(names) - 1
    size = _label_size(len(names))
    axes.set_xticks(range(count), names[:-1], rotation=90, fontsize=size)
    axes.set_yticks(range(count), names[1:] if with_rows else [""] * count, fontsize=size)
    axes.tick_params(length=0, pad=1.5)
    axes.spines[:].set_visible(False)
    axes.set_title(fill(panel.title, _TITLE_SIGNS), fontsize=SMALL_SIZE)
    if np.isfinite(_below(matrix)).any():
        figure = axes.get_figure(root=True)
        assert figure is not None
        bar = figure.colorbar(image, ax=axes, fraction=0.05, pad=0.03, shrink=0.8)
        bar.outline.set_visible(False)
        bar.ax.tick_params(labelsize=4.5, length=1.5, pad=1.5)
        if matrix.kind == "distance":
            # Brighter is more alike in every panel, so the small distances stand on top.
            bar.ax.invert_yaxis()
