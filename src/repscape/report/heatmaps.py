"""Interactive heat maps of models and of layers (plotly, SVG only)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from plotly import graph_objects
from plotly.subplots import make_subplots
from scipy.cluster.hierarchy import dendrogram

from repscape.analysis.clustering import Clustering
from repscape.analysis.layer_matrices import LayerMatrix, layer_matrix
from repscape.analysis.matrices import ScoreMatrix, any_undecided, at_chance, square_matrix
from repscape.analysis.tidy import model_tags, only_slice
from repscape.plots.arrangement import panel_title
from repscape.plots.palette import (
    GREY_STEPS,
    GROUP_COLOURS,
    MISSING_COLOUR,
    chosen_factors,
    colours_of,
    score_colours,
)
from repscape.report.chance_marks import chance_marks, chance_notes
from repscape.report.plotly_parts import (
    QUIET,
    base_layout,
    colour_bar,
    counts,
    plain,
    plain_all,
    with_nulls,
)

_SMALL = 10.5
_MOST_NUMBERS = 16


def interactive_heatmap(
    scores: pd.DataFrame,
    clustering: Clustering | None = None,
    *,
    by: Literal["model", "rep"] = "model",
    symmetric: bool = True,
) -> graph_objects.Figure:
    """Return the heat map of `repscape.plots.heatmap.heatmap`; hovering shows the pair."""
    matrix = square_matrix(scores, by=by, symmetric=symmetric)
    if clustering is not None:
        matrix = matrix.select(list(clustering.order))
    tags = model_tags(scores) if by == "model" else pd.DataFrame()
    side = int(np.clip(40 * len(matrix.labels), 260, 900))
    figure = graph_objects.Figure(layout=base_layout(side + 190))
    for trace in _matrix_traces(matrix):
        figure.add_trace(trace)
    factors = [name for name in chosen_factors(map(str, tags.columns)) if name is not None]
    strips = 0.035 * len(factors)
    top = 0.87 if clustering is not None and len(clustering.linkage) else 1.0
    for index, name in enumerate(factors):
        _add_strip(figure, tags[name], matrix.labels, index)
    if clustering is not None and len(clustering.linkage):
        _add_tree(figure, clustering)
    ticks = {"tickvals": list(range(len(matrix.labels))), "ticktext": plain_all(matrix.labels)}
    bare = {"showgrid": False, "zeroline": False, "showline": False, "ticks": ""}
    span = [-0.5, len(matrix.labels) - 0.5]
    figure.update_layout(
        xaxis={**ticks, **bare, "tickangle": -90, "range": span, "automargin": True},
        yaxis={**ticks, **bare, "range": span[::-1], "automargin": True}
        | {"domain": [0, top - strips - 0.01 * bool(factors)]},
        yaxis2={**bare, "domain": [top - strips, top], "range": [len(factors) - 0.5, -0.5]}
        | {"tickvals": list(range(len(factors))), "ticktext": plain_all(factors)},
        yaxis3={**bare, "domain": [min(top + 0.01, 0.999), 1], "showticklabels": False}
        | {"rangemode": "tozero"},
        legend={"x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top", "tracegroupgap": 14},
    )
    return figure


def interactive_layer_heatmaps(
    table: pd.DataFrame, pairs: pd.DataFrame, *, symmetric: bool = True
) -> graph_objects.Figure:
    """Return the grids of `repscape.plots.layer_grids.layer_heatmaps`, three in a row."""
    piece = only_slice(table)
    rows = pairs[["model_a", "model_b", "differs_in"]].to_numpy(dtype=str)
    grids = [layer_matrix(piece.table, a, b, symmetric) for a, b, _ in rows]
    places = _grid_places([panel_title(differs_in) for _, _, differs_in in rows])
    lines = 1 + max(place[0] for place in places)
    columns = 1 + max(place[1] for place in places)
    figure = make_subplots(
        lines,
        columns,
        horizontal_spacing=min(0.5, 0.36 / columns),
        vertical_spacing=min(0.5, 0.4 / lines),
    )
    bar = colour_bar(piece.measure, piece.kind, 0.9 if lines == 1 else 1.2 / lines)
    figure.update_layout(
        base_layout(300 * lines + 40),
        margin={"t": 34},
        coloraxis={
            "colorscale": score_colours(piece.kind),
            "colorbar": bar | {"y": 1, "yanchor": "top"},
        },
    )
    for (line, column, title), grid in zip(places, grids, strict=True):
        for trace in _layer_traces(grid, piece.measure):
            figure.add_trace(trace, line + 1, column + 1)
        _label_panel(figure, line, column, columns, grid, title)
    return figure


def _matrix_traces(matrix: ScoreMatrix) -> list[Any]:
    values = matrix.values.to_numpy(dtype=float, copy=True)
    np.fill_diagonal(values, np.nan)
    missing = np.isnan(values)
    np.fill_diagonal(missing, False)
    places = list(range(len(values)))
    names = np.array(plain_all(matrix.labels), dtype=object)
    samples = [counts(line) for line in matrix.samples.to_numpy(dtype=object)]
    marked = at_chance(matrix.beside, values.shape)
    np.fill_diagonal(marked, False)
    notes = chance_notes(matrix.beside, values.shape)
    about = [
        [[names[row], names[column], samples[row][column], notes[row][column]] for column in places]
        for row in places
    ]
    traces = [
        graph_objects.Heatmap(
            x=places,
            y=places,
            z=with_nulls(values),
            colorscale=score_colours(matrix.kind),
            colorbar=colour_bar(matrix.measure, matrix.kind, 0.42 if marked.any() else 0.5),
            customdata=about,
            hoverongaps=False,
            texttemplate="%{z:.2f}" if len(places) <= _MOST_NUMBERS else None,
            textfont={"size": 10},
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>"
            + f"{plain(matrix.measure)} = %{{z:.4f}}<br>n = %{{customdata[2]}}"
            + "%{customdata[3]}<extra></extra>",
        )
    ]
    if marked.any():
        undecided = any_undecided(matrix.beside)
        traces.append(chance_marks(marked, upwards=False, undecided=undecided))
    if missing.any():
        reasons = [plain_all(line) for line in matrix.reasons.to_numpy(dtype=object)]
        pairs = [
            [f"{names[row]}<br>{names[column]}<br>{reasons[row][column]}" for column in places]
            for row in places
        ]
        traces.append(_missing_trace(places, places, missing, pairs, matrix.measure))
    return traces


def _missing_trace(
    x: list[Any], y: list[Any], missing: Any, text: list[list[str]], measure: str
) -> graph_objects.Heatmap:
    return graph_objects.Heatmap(
        x=x,
        y=y,
        z=with_nulls(np.where(missing, 0.0, np.nan)),
        text=text,
        colorscale=[[0, MISSING_COLOUR], [1, MISSING_COLOUR]],
        showscale=False,
        name="no score",
        showlegend=True,
        hoverongaps=False,
        hovertemplate=f"no score of {plain(measure)}<br>%{{text}}<extra></extra>",
    )


def _add_strip(
    figure: graph_objects.Figure, values: pd.Series[Any], labels: list[str], index: int
) -> None:
    colours = colours_of(values, (GROUP_COLOURS, GREY_STEPS)[index])
    ordered = values.reindex(labels)
    for name, colour in colours.items():
        places = [place for place, value in enumerate(ordered) if str(value) == name]
        figure.add_trace(
            graph_objects.Bar(
                x=places,
                y=[0.8] * len(places),
                base=index - 0.4,
                width=0.92,
                yaxis="y2",
                marker={"color": colour, "line": {"width": 0}},
                name=plain(name),
                legendgroup=str(index),
                legendgrouptitle={"text": plain(values.name)},
                hovertemplate=f"{plain(values.name)}: {plain(name)}<extra></extra>",
            )
        )
    figure.update_layout(barmode="overlay", legend={"itemclick": False, "itemdoubleclick": False})


def _add_tree(figure: graph_objects.Figure, clustering: Clustering) -> None:
    tree = dendrogram(clustering.linkage, no_plot=True)
    xs: list[float | None] = []
    ys: list[float | None] = []
    for x, y in zip(tree["icoord"], tree["dcoord"], strict=True):
        # SciPy puts leaf i at 5 + 10 i; a null ends a line.
        xs += [*((value - 5) / 10 for value in x), None]
        ys += [*map(float, y), None]
    figure.add_trace(
        graph_objects.Scatter(
            x=xs,
            y=ys,
            yaxis="y3",
            mode="lines",
            line={"color": QUIET, "width": 1.2, "shape": "linear"},
            hovertemplate="joined at dissimilarity %{y:.3f}<extra></extra>",
            showlegend=False,
        )
    )


def _grid_places(titles: list[str]) -> list[tuple[int, int, str]]:
    """Return line, column and heading (of the first of a line, else empty) of each panel."""
    places = [(0, 0, titles[0])]
    for before, title in pairwise(titles):
        line, column, _ = places[-1]
        if title != before:
            places.append((line + 1, 0, title))
        elif column == 2:
            places.append((line + 1, 0, ""))
        else:
            places.append((line, column + 1, ""))
    return places


def _layer_traces(grid: LayerMatrix, measure: str) -> list[Any]:
    values = grid.values.to_numpy(dtype=float)
    x, y = list(range(values.shape[1])), list(range(values.shape[0]))
    rows = [f"{plain(grid.model_a)}, {plain(name)}" for name in grid.values.index]
    columns = [f"{plain(grid.model_b)}, {plain(name)}" for name in grid.values.columns]
    samples = [counts(line) for line in grid.samples.to_numpy(dtype=object)]
    notes = chance_notes(grid.beside, values.shape)
    about = [[[rows[i], columns[j], samples[i][j], notes[i][j]] for j in x] for i in y]
    traces = [
        graph_objects.Heatmap(
            x=x,
            y=y,
            z=with_nulls(values),
            coloraxis="coloraxis",
            customdata=about,
            hoverongaps=False,
            hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>"
            + f"{plain(measure)} = %{{z:.4f}}<br>n = %{{customdata[2]}}"
            + "%{customdata[3]}<extra></extra>",
        )
    ]
    marked = at_chance(grid.beside, values.shape)
    if marked.any():
        traces.append(chance_marks(marked, upwards=True).update(showlegend=False))
    missing = np.isnan(values)
    if missing.any():
        reasons = grid.reasons.to_numpy(dtype=object)
        text = [[f"{rows[i]}<br>{columns[j]}<br>{plain(reasons[i, j])}" for j in x] for i in y]
        traces.append(_missing_trace(x, y, missing, text, measure).update(showlegend=False))
    return traces


def _label_panel(
    figure: graph_objects.Figure,
    line: int,
    column: int,
    columns: int,
    grid: LayerMatrix,
    title: str,
) -> None:
    sides = (
        (figure.update_xaxes, grid.values.columns, grid.model_b),
        (figure.update_yaxes, grid.values.index, grid.model_a),
    )
    for update, layers, model in sides:
        step = max(1, -(-len(layers) // 12))
        update(
            tickvals=list(range(0, len(layers), step)),
            ticktext=plain_all(layers[::step]),
            tickfont={"size": 9},
            title={"text": plain(model), "font": {"size": _SMALL}, "standoff": 4},
            showgrid=False,
            zeroline=False,
            ticks="",
            automargin=True,
            row=line + 1,
            col=column + 1,
        )
    figure.update_xaxes(tickangle=-90, row=line + 1, col=column + 1)
    if title:
        number = line * columns + column + 1
        axis = "" if number == 1 else str(number)
        figure.add_annotation(
            text=f"<b>{plain(title)}</b>",
            xref=f"x{axis} domain",
            yref=f"y{axis} domain",
            x=0,
            y=1,
            xanchor="left",
            yanchor="bottom",
            showarrow=False,
            font={"size": 13},
        )
