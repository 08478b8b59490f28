"""The model × model (or representation × representation) heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from numpy.typing import NDArray
from scipy.cluster.hierarchy import dendrogram

from repscape.analysis.clustering import Clustering
from repscape.analysis.matrices import ScoreMatrix, any_undecided, at_chance, square_matrix
from repscape.analysis.tidy import model_tags
from repscape.plots.palette import (
    GREY_STEPS,
    GROUP_COLOURS,
    chosen_factors,
    colours_of,
)
from repscape.plots.style import (
    QUIET_COLOUR,
    SMALL_SIZE,
    chance_patch,
    hatch_cells,
    label_scores,
    mark_cells,
    missing_patch,
    new_figure,
    score_map,
    stack_legends,
    styled,
    text_colour_on,
    tick_step,
)

_MOST_NUMBERS = 16
_MOST_LABELS = 60
_KEY_WIDTH = 1.05
_STRIPS = (GROUP_COLOURS, GREY_STEPS)


def heatmap(
    scores: pd.DataFrame,
    clustering: Clustering | None = None,
    *,
    by: Literal["model", "rep"] = "model",
    symmetric: bool = True,
) -> Figure:
    """Draw the scores of one measure as a matrix; brighter cells are more alike.

    The colours span the scores of distinct rows and columns; the diagonal, a thing with itself,
    is left blank. Cells without a score are grey and hatched; cells whose score cannot be told
    from chance (``distinguishable``, see `repscape.analysis.chance.judge`) have a marked corner.
    `repscape.analysis.chance.calibrated` gives the same table on the calibrated scale.

    Parameters
    ----------
    scores
        One row per pair (`repscape.analysis.model_scores.model_scores`) of one measure.
    clustering
        The order of rows and columns, and the tree above them
        (`repscape.analysis.clustering.cluster`). None keeps the table's order.
    by
        Whether rows and columns are models or representations.
    symmetric
        Whether a pair given in one direction stands for both.
    """
    matrix = square_matrix(scores, by=by, symmetric=symmetric)
    if clustering is not None:
        matrix = matrix.select(list(clustering.order))
    tags = model_tags(scores) if by == "model" else pd.DataFrame()
    with styled():
        return _drawn(matrix, clustering, tags)


def _drawn(matrix: ScoreMatrix, clustering: Clustering | None, tags: pd.DataFrame) -> Figure:
    count = len(matrix.labels)
    side = float(np.clip(0.34 * count, 2.4, 9.0))
    factors = [name for name in chosen_factors(map(str, tags.columns)) if name is not None]
    has_tree = clustering is not None and len(clustering.linkage) > 0
    heights = [0.55] * has_tree + [0.13] * len(factors) + [side]
    figure = new_figure(side + 2.55, sum(heights) + 1.55)
    grid = figure.add_gridspec(
        len(heights), 2, height_ratios=heights, width_ratios=[side, _KEY_WIDTH]
    )
    main = figure.add_subplot(grid[-1, 0])
    above = [figure.add_subplot(grid[row, 0], sharex=main) for row in range(len(heights) - 1)]
    image = _draw_cells(main, matrix)
    if clustering is not None and has_tree:
        _draw_tree(above[0], clustering)
    groups: list[tuple[str, Sequence[Artist]]] = [
        (
            name,
            _draw_strip(
                above[int(has_tree) + index],
                tags[name].reindex(matrix.labels),
                colours_of(tags[name], _STRIPS[index]),
            ),
        )
        for index, name in enumerate(factors)
    ]
    marks: list[Artist] = [missing_patch()] if _missing(matrix).any() else []
    if _at_chance(matrix).any():
        marks.append(chance_patch(any_undecided(matrix.beside)))
    if marks:
        groups.append(("", marks))
    _draw_key(figure.add_subplot(grid[-1, 1]), image, matrix, groups, side)
    return figure


def _off_diagonal(matrix: ScoreMatrix) -> NDArray[np.float64]:
    values = matrix.values.to_numpy(dtype=float, copy=True)
    np.fill_diagonal(values, np.nan)
    return values


def _missing(matrix: ScoreMatrix) -> NDArray[np.bool_]:
    missing = np.isnan(_off_diagonal(matrix))
    np.fill_diagonal(missing, False)
    return missing


def _at_chance(matrix: ScoreMatrix) -> NDArray[np.bool_]:
    struck = at_chance(matrix.beside, matrix.values.shape)
    np.fill_diagonal(struck, False)
    return struck


def _draw_cells(axes: Axes, matrix: ScoreMatrix) -> AxesImage:
    values, count = _off_diagonal(matrix), len(matrix.labels)
    image = axes.imshow(
        np.ma.masked_invalid(values),
        cmap=score_map(matrix.kind),
        aspect="auto",
        interpolation="nearest",
    )
    hatch_cells(axes, _missing(matrix))
    mark_cells(axes, _at_chance(matrix))
    step = tick_step(count, _MOST_LABELS)
    places = range(0, count, step)
    labels = [matrix.labels[place] for place in places]
    size = float(np.clip(210 / max(count / step, 1), 4.5, 7.0))
    axes.set_xticks(places, labels, rotation=90, fontsize=size)
    axes.set_yticks(places, labels, fontsize=size)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if count <= _MOST_NUMBERS:
        _draw_numbers(axes, image, values)
    return image


def _draw_numbers(axes: Axes, image: AxesImage, values: NDArray[np.float64]) -> None:
    for (row, column), value in np.ndenumerate(values):
        if not np.isnan(value):
            colour = text_colour_on(image.to_rgba(np.array([value]))[0])
            axes.text(
                column,
                row,
                _number(value),
                ha="center",
                va="center",
                fontsize=5.5,
                color=colour,
                # Inside a cell it can move nothing, and measuring hundreds of them takes long.
                in_layout=False,
            )


def _number(value: float) -> str:
    """A score with two digits after the point; what rounds to zero has no sign."""
    return f"{value:z.2f}".replace("-", "−")


def _draw_tree(axes: Axes, clustering: Clustering) -> None:
    tree = dendrogram(clustering.linkage, no_plot=True)
    for xs, ys in zip(tree["icoord"], tree["dcoord"], strict=True):
        # SciPy puts leaf i at 5 + 10 i.
        axes.plot(
            [(x - 5) / 10 for x in xs],
            ys,
            color=QUIET_COLOUR,
            linewidth=0.8,
            solid_joinstyle="miter",
        )
    axes.set_ylim(bottom=0)
    axes.set_axis_off()


def _draw_strip(axes: Axes, values: pd.Series[Any], colours: dict[str, str]) -> list[Patch]:
    for place, value in enumerate(values):
        if not pd.isna(value):
            axes.axvspan(place - 0.46, place + 0.46, color=colours[str(value)], linewidth=0)
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], [str(values.name)], fontsize=SMALL_SIZE)
    axes.tick_params(length=0, labelbottom=False)
    axes.spines[:].set_visible(False)
    return [Patch(facecolor=colour, label=name) for name, colour in colours.items()]


def _draw_key(
    axes: Axes,
    image: AxesImage,
    matrix: ScoreMatrix,
    groups: Sequence[tuple[str, Sequence[Artist]]],
    side: float,
) -> None:
    """Draw beside the heat map what its colours mean: groups above, scores below."""
    stack_legends(axes, groups)
    bar_axes = axes.inset_axes((0.0, 0.0, 0.12, 0.5))
    figure = axes.get_figure(root=True)
    assert figure is not None
    bar = figure.colorbar(image, cax=bar_axes)
    label_scores(bar, matrix.measure, matrix.kind, side / 2)
