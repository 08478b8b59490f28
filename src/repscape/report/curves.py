"""Interactive curves with intervals and what chance would give (plotly, SVG only)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from plotly import graph_objects
from plotly.subplots import make_subplots

from repscape.analysis.tidy import only_measure_of
from repscape.plots.curves import check_by_n, colours, curve_names, pairs_by_n
from repscape.report.page import FigureChoice, ReportFigure, Section
from repscape.report.plotly_parts import QUIET, base_layout, plain, score_title
from repscape.report.words import number


def interactive_layer_curves(curves: pd.DataFrame) -> graph_objects.Figure:
    """Return the figure of `repscape.plots.curves.layer_curve_figure`."""
    measure, kind = only_measure_of(curves)
    figure = graph_objects.Figure(layout=base_layout(430))
    pairs = curve_names(curves)
    for (name, rows), colour in zip(pairs.items(), colours(len(pairs)), strict=True):
        layers = [f"{a} with {b}" for a, b in zip(rows["layer_a"], rows["layer_b"], strict=True)]
        figure.add_trace(_line(rows, "depth", name, colour, layers))
        figure.add_trace(_chance(rows, "depth", colour))
    figure.update_layout(
        xaxis=_axis("relative depth of both layers, of those compared"),
        yaxis=_axis(score_title(measure, kind)),
    )
    return figure


def interactive_score_by_n(table: pd.DataFrame) -> graph_objects.Figure:
    """Return the figure of `repscape.plots.curves.score_by_n_figure`."""
    check_by_n(table)
    measure, kind = str(table["measure"].iloc[0]), str(table["kind"].iloc[0])
    figure = make_subplots(2, 1, shared_xaxes=True, row_heights=[0.6, 0.4], vertical_spacing=0.06)
    figure.update_layout(base_layout(620))
    pairs = pairs_by_n(table)
    for (name, rows), colour in zip(pairs.items(), colours(len(pairs)), strict=True):
        sizes = [f"n = {n:,}" for n in rows["n"]]
        figure.add_trace(_line(rows, "n", name, colour, sizes), 1, 1)
        figure.add_trace(_chance(rows, "n", colour), 1, 1)
        effect = rows.assign(value=rows["effect"], interval_low=np.nan, interval_high=np.nan)
        figure.add_trace(_line(effect, "n", name, colour, sizes).update(showlegend=False), 2, 1)
    figure.add_hline(y=0, line={"color": QUIET, "width": 1}, row=2, col=1)
    ticks = sorted({int(n) for n in table["n"]})
    figure.update_xaxes(type="log", tickvals=ticks, ticktext=[f"{n:,}" for n in ticks])
    figure.update_xaxes(**_axis("number of samples n"), row=2, col=1)
    figure.update_yaxes(**_axis(score_title(measure, kind)), row=1, col=1)
    figure.update_yaxes(**_axis("effect<br>0 chance, 1 perfect"), row=2, col=1)
    return figure


def layer_curves_section(curves: pd.DataFrame) -> Section:
    """The section of a report that shows scores along depth with their intervals.

    Parameters
    ----------
    curves
        `repscape.analysis.layer_curves.layer_curves`, of one or several measures.
    """
    figures = []
    for measure, rows in curves.groupby("measure", sort=False):
        count = rows[["model_a", "model_b"]].drop_duplicates().shape[0]
        figures.append(
            ReportFigure(
                interactive_layer_curves(rows),
                f"Score of layers at equal relative depth (0 the first compared, 1 the last) under "
                f"`{measure}`, for pairs of networks; {_explained(rows)}.",
                f"Lines of the score of layers at equal depth of {count} pairs of networks",
                str(measure),
            )
        )
    prose = (
        "An interval says how much a score would move with other samples of the same sort; it is "
        "not about other networks."
    )
    return Section("Along depth", [prose], [FigureChoice(figures)])


def score_by_n_section(table: pd.DataFrame) -> Section:
    """The section of a report that says whether scores depend on the number of samples.

    Parameters
    ----------
    table
        `repscape.dependence_on_n`, of one or several measures and pairs (column ``pair``).
    """
    figures, prose = [], []
    for measure, rows in table.groupby("measure", sort=False):
        prose.append(_change(str(measure), rows))
        figures.append(
            ReportFigure(
                interactive_score_by_n(rows),
                f"Score of random subsets of n samples under `{measure}`, above, and its effect, "
                f"below; {_explained(rows)}.",
                f"Lines of the score against the number of samples under {measure}",
                str(measure),
            )
        )
    return Section(
        "Does the score depend on the number of samples?", prose, [FigureChoice(figures)]
    )


def _change(measure: str, rows: pd.DataFrame) -> str:
    """What happens from the fewest samples to the most, on average over the pairs."""
    sizes = sorted(rows["n"].unique())
    ends = [rows[rows["n"] == n] for n in (sizes[0], sizes[-1])]
    scores, chances, effects = (
        [float(end[name].astype(float).mean()) for end in ends]
        for name in ("value", "null_mean", "effect")
    )
    effect = ""
    if not np.isnan(effects).any():
        effect = f", and the effect from {number(effects[0])} to {number(effects[1])}"
    return (
        f"Under `{measure}` the score goes from {number(scores[0])} at n = {sizes[0]:,} to "
        f"{number(scores[1])} at n = {sizes[-1]:,}, what chance gives from {number(chances[0])} to "
        f"{number(chances[1])}{effect}."
    )


def _explained(rows: pd.DataFrame) -> str:
    parts = []
    if rows["interval_low"].notna().any():
        parts.append("bars are 95% intervals over samples")
    if rows["null_mean"].notna().any():
        parts.append("dotted lines what chance gives")
    return " and ".join(parts) or "hovering shows the numbers"


def _line(
    rows: pd.DataFrame, x: str, name: str, colour: str, about: list[str]
) -> graph_objects.Scatter:
    low, high = (rows[column].astype(float) for column in ("interval_low", "interval_high"))
    bars: dict[str, Any] = {}
    if low.notna().any():
        bars["error_y"] = {
            "array": (high - rows["value"]).to_list(),
            "arrayminus": (rows["value"] - low).to_list(),
            "symmetric": False,
            "thickness": 1.2,
            "width": 3,
        }
    return graph_objects.Scatter(
        x=rows[x],
        y=rows["value"].astype(float),
        mode="lines+markers",
        name=plain(name).replace("\n", "<br>"),
        line={"color": colour, "width": 2},
        customdata=about,
        hovertemplate="%{customdata}<br>%{y:.4f}<extra></extra>",
        **bars,
    )


def _chance(rows: pd.DataFrame, x: str, colour: str) -> graph_objects.Scatter:
    return graph_objects.Scatter(
        x=rows[x],
        y=rows["null_mean"].astype(float),
        mode="lines",
        line={"color": colour, "width": 1.4, "dash": "dot"},
        hovertemplate="chance %{y:.4f}<extra></extra>",
        showlegend=False,
    )


def _axis(title: str) -> dict[str, Any]:
    return {"title": {"text": title}, "zeroline": False, "automargin": True}
