"""Interactive map of the models and strips of their pairs (plotly, SVG only)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from plotly import graph_objects

from repscape.analysis.tidy import only_measure_of
from repscape.plots.arrangement import siblings, spread, strip_groups, tags_of
from repscape.plots.palette import (
    GROUP_COLOURS,
    NUISANCE_FACTOR,
    chosen_factors,
    colours_of,
    direction,
    in_order,
)
from repscape.report.plotly_parts import QUIET, base_layout, counts, plain, plain_all, score_title

_SYMBOLS = ("circle", "triangle-up", "square", "diamond", "triangle-down", "cross", "x", "star")


def interactive_map(coordinates: pd.DataFrame) -> graph_objects.Figure:
    """Return the map of `repscape.plots.model_map.model_map`; hovering shows the model."""
    measure, kind = only_measure_of(coordinates)
    figure = graph_objects.Figure(layout=base_layout(520))
    for group in siblings(coordinates):
        figure.add_trace(
            graph_objects.Scatter(
                x=group["x"],
                y=group["y"],
                mode="lines",
                line={"color": QUIET, "width": 1},
                hoverinfo="skip",
                showlegend=False,
            )
        )
    for trace in _map_points(coordinates):
        figure.add_trace(trace)
    for name, axis in (("x", figure.layout.xaxis), ("y", figure.layout.yaxis)):
        share = float(coordinates[f"share_{name}"].iloc[0])
        axis.update(
            title={"text": f"dimension {1 + (name == 'y')} ({100 * share:.0f}% of the variation)"},
            zeroline=False,
            automargin=True,
        )
    figure.layout.yaxis.update(scaleanchor="x", scaleratio=1)
    title = f"{plain(measure)}, {direction(kind)}"
    figure.update_layout(
        title={"text": title, "font": {"size": 12}, "x": 0, "xanchor": "left"},
        margin={"t": 50},
        legend={"x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top"},
    )
    return figure


def interactive_pair_strip(pairs: pd.DataFrame) -> graph_objects.Figure:
    """Return the strips of `repscape.plots.pair_strip.pair_strip`; hovering shows the pair."""
    measure, kind = only_measure_of(pairs)
    groups = strip_groups(pairs)
    figure = graph_objects.Figure(layout=base_layout(46 * len(groups) + 110))
    for place, (_, scores) in enumerate(groups):
        mean = float(scores["value"].mean())
        figure.add_trace(
            graph_objects.Scatter(
                x=scores["value"],
                y=place + spread(len(scores)),
                mode="markers",
                marker={"color": GROUP_COLOURS[0], "opacity": 0.85, "size": 8},
                customdata=np.column_stack(
                    [
                        plain_all(scores["model_a"]),
                        plain_all(scores["model_b"]),
                        counts(scores["n"]),
                    ]
                ),
                hovertemplate="%{customdata[0]}<br>%{customdata[1]}<br>"
                + f"{plain(measure)} = %{{x:.4f}}<br>n = %{{customdata[2]}}<extra></extra>",
                showlegend=False,
            )
        )
        figure.add_trace(
            graph_objects.Scatter(
                x=[mean, mean],
                y=[place - 0.34, place + 0.34],
                mode="lines",
                line={"color": QUIET, "width": 4},
                hovertemplate=f"mean of {len(scores)} pairs = {mean:.4f}<extra></extra>",
                showlegend=False,
            )
        )
    figure.update_layout(
        xaxis={
            "title": {"text": score_title(measure, kind)},
            "zeroline": False,
            "automargin": True,
        },
        yaxis={
            "tickvals": list(range(len(groups))),
            "ticktext": [f"{plain(name)} ({len(scores)})" for name, scores in groups],
            "range": [len(groups) - 0.5, -0.5],
            "showgrid": False,
            "zeroline": False,
            "automargin": True,
        },
    )
    return figure


def _map_points(coordinates: pd.DataFrame) -> list[graph_objects.Scatter]:
    colour, mark = chosen_factors(tags_of(coordinates))
    colours = colours_of(coordinates[colour]) if colour else {}
    marks = in_order(coordinates[mark]) if mark else []
    symbols = {name: _SYMBOLS[index % len(_SYMBOLS)] for index, name in enumerate(marks)}
    placed = coordinates.dropna(subset=["x", "y"])
    keys = [name for name in (colour, mark) if name is not None]
    groups = placed.groupby(keys, sort=False, dropna=False) if keys else [((), placed)]
    traces = []
    for _, group in groups:
        first = group.iloc[0]
        names = [str(first[key]) for key in keys]
        note = NUISANCE_FACTOR if NUISANCE_FACTOR in group.columns else "model"
        traces.append(
            graph_objects.Scatter(
                x=group["x"],
                y=group["y"],
                mode="markers+text",
                text=plain_all(group[note]),
                textposition="top right",
                textfont={"size": 9, "color": QUIET},
                marker={
                    "color": colours.get(str(first[colour]), QUIET) if colour else QUIET,
                    "symbol": symbols.get(str(first[mark]), "circle") if mark else "circle",
                    "size": 13,
                    "line": {"width": 1, "color": "white"},
                },
                customdata=plain_all(group["model"]),
                hovertemplate="%{customdata}<br>(%{x:.3f}, %{y:.3f})<extra></extra>",
                name=plain(", ".join(names)) or "models",
            )
        )
    return traces
