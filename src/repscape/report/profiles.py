"""Interactive profiles along depth (plotly, SVG only)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from plotly import graph_objects

from repscape.plots.strokes import Dash, Stroke, model_names, strokes_of
from repscape.report.page import FigureChoice, ReportFigure, Section
from repscape.report.plotly_parts import QUIET, band, base_layout, plain, plain_all
from repscape.report.words import number, short_names

_DASHES: dict[Dash, str] = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}
_CONTROL_LINES = {"shuffled": "dot", "gaussian": "dash", "untrained": "dashdot"}
_MOST_BANDS = 6


def interactive_profile(
    table: pd.DataFrame, descriptor: str, marks: pd.DataFrame | None = None
) -> graph_objects.Figure:
    """Return the profile of `repscape.plots.profiles.profile_figure`; hovering shows the layer.

    Thin broken lines are the controls, the grey line is what chance would give, and `marks`
    (`Profile.marks`) are named beside their points. Of more than six models the bands are left
    to the hovering.
    """
    rows = table[(table["descriptor"] == descriptor) & table["chosen"]]
    rows = rows.sort_values("depth", kind="stable")
    figure = graph_objects.Figure(layout=base_layout(430))
    lines = strokes_of(rows).lines
    for stroke in lines:
        own = rows[model_names(rows) == stroke.model]
        trained = own[own["control"].isna()]
        if len(lines) <= _MOST_BANDS:
            for trace in band(trained, "depth", stroke.colour, stroke.model):
                figure.add_trace(trace)
        figure.add_trace(_line(trained, stroke))
        for trace in _control_lines(own, stroke):
            figure.add_trace(trace)
    chance = rows["chance"].dropna()
    if len(chance):
        figure.add_hline(y=float(chance.median()), line={"color": QUIET, "width": 1})
    if marks is not None:
        _add_marks(figure, marks[marks["descriptor"] == descriptor])
    figure.update_layout(
        xaxis={
            "title": {"text": "relative depth l / l_last"},
            "zeroline": False,
            "automargin": True,
        },
        yaxis={
            "title": {"text": plain(rows["quantity"].iloc[0])},
            "zeroline": False,
            "automargin": True,
        },
        legend={"x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top"},
    )
    return figure


def profile_section(
    table: pd.DataFrame, prose: Sequence[str] = (), marks: pd.DataFrame | None = None
) -> Section:
    """The section of a report that shows every descriptor of a geometry table along depth."""
    figures = []
    chosen = table[table["chosen"]]
    for descriptor, name in short_names(list(dict.fromkeys(chosen["descriptor"]))).items():
        rows = chosen[chosen["descriptor"] == descriptor]
        quantity = str(rows["quantity"].iloc[0])
        low, high = float(rows["value"].min()), float(rows["value"].max())
        figures.append(
            ReportFigure(
                interactive_profile(table, descriptor, marks),
                caption=f"`{descriptor}`: {quantity} of each hidden layer. {_reading(rows)}",
                alternative=(
                    f"Lines of {quantity} against relative depth, one per network, between "
                    f"{number(low)} and {number(high)}."
                ),
                name=name,
            )
        )
    return Section("The shape of the layers", prose, [FigureChoice(figures, "descriptor")])


def _line(rows: pd.DataFrame, stroke: Stroke) -> graph_objects.Scatter:
    errors = [
        "" if np.isnan(error) else f" ± {error:.2g}"
        for error in rows["standard_error"].astype(float)
    ]
    return graph_objects.Scatter(
        x=rows["depth"],
        y=rows["value"],
        name=plain(stroke.model),
        legendgroup=plain(stroke.model),
        mode="lines+markers",
        line={"color": stroke.colour, "dash": _DASHES[stroke.dash], "width": 2},
        customdata=np.column_stack([plain_all(rows["layer"]), errors, rows["n"].astype(str)]),
        hovertemplate=f"{plain(stroke.model)}, %{{customdata[0]}}<br>"
        "%{y:.4g}%{customdata[1]}<br>n = %{customdata[2]}<extra></extra>",
    )


def _control_lines(rows: pd.DataFrame, stroke: Stroke) -> Iterator[graph_objects.Scatter]:
    for control, dash in _CONTROL_LINES.items():
        part = rows[rows["control"] == control]
        if len(part):
            name = plain(f"{stroke.model}, {control}")
            yield graph_objects.Scatter(
                x=part["depth"],
                y=part["value"],
                name=name,
                mode="lines",
                line={"color": stroke.colour, "dash": dash, "width": 1},
                hovertemplate=f"{name}<br>%{{y:.4g}}<extra></extra>",
            )


def _add_marks(figure: graph_objects.Figure, marks: pd.DataFrame) -> None:
    # Where several models have a mark at one depth, it is named once.
    once = marks.drop_duplicates(["mark", "depth"])[["mark", "depth", "value"]]
    for mark, depth, value in once.itertuples(index=False, name=None):
        below = mark == "minimum"
        figure.add_annotation(
            x=depth,
            y=value,
            text=plain(mark),
            showarrow=False,
            yshift=-14 if below else 14,
            font={"size": 11},
        )


def _reading(rows: pd.DataFrame) -> str:
    """How to read the figure: scale, band, controls, chance."""
    words = []
    scales = rows["scale"].dropna().unique()
    if len(scales) == 1:
        words.append(f"Scale: {rows['scale_kind'].iloc[0]} {scales[0]:g}, one for all layers")
    if rows["standard_error"].notna().any():
        words.append("the band is one standard error on either side")
    if rows["control"].notna().any():
        words.append("thin broken lines are the controls")
    if rows["chance"].notna().any():
        words.append("the grey line is chance")
    text = "; ".join(words)
    return f"{text[:1].upper()}{text[1:]}." if text else ""
