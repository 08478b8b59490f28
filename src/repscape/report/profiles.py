"""Interactive profiles along depth (plotly, SVG only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotly import graph_objects

from repscape.plots.strokes import Stroke, model_names, strokes_of
from repscape.report.page import FigureChoice, ReportFigure, Section
from repscape.report.plotly_parts import QUIET, base_layout, plain, plain_all
from repscape.report.words import number

_DASHES = {"-": "solid", "--": "dash", ":": "dot", "-.": "dashdot"}


def interactive_profile(table: pd.DataFrame, descriptor: str) -> graph_objects.Figure:
    """Return the profile of `repscape.plots.profiles.profile_figure`; hovering shows the layer.

    Controls are left out; the grey line is what chance would give.
    """
    chosen = table["chosen"] & table["control"].isna()
    rows = table[(table["descriptor"] == descriptor) & chosen].sort_values("depth", kind="stable")
    figure = graph_objects.Figure(layout=base_layout(430))
    for stroke in strokes_of(rows).lines:
        figure.add_trace(_line(rows[model_names(rows) == stroke.model], stroke))
    chance = rows["chance"].dropna()
    if len(chance):
        figure.add_hline(y=float(chance.median()), line={"color": QUIET, "width": 1})
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


def profile_section(table: pd.DataFrame, prose: Sequence[str] = ()) -> Section:
    """The section of a report that shows every descriptor of a geometry table along depth."""
    figures = []
    for descriptor in dict.fromkeys(table["descriptor"]):
        rows = table[(table["descriptor"] == descriptor) & table["chosen"]]
        quantity = str(rows["quantity"].iloc[0])
        low, high = float(rows["value"].min()), float(rows["value"].max())
        figures.append(
            ReportFigure(
                interactive_profile(table, descriptor),
                caption=f"`{descriptor}`: {quantity} of each hidden layer. {_scale_words(rows)}",
                alternative=(
                    f"Lines of {quantity} against relative depth, one per network, between "
                    f"{number(low)} and {number(high)}."
                ),
                name=quantity,
            )
        )
    return Section("The shape of the layers", prose, [FigureChoice(figures, "descriptor")])


def _line(rows: pd.DataFrame, stroke: Stroke) -> graph_objects.Scatter:
    errors = rows["standard_error"].astype(float)
    return graph_objects.Scatter(
        x=rows["depth"],
        y=rows["value"],
        name=plain(stroke.model),
        mode="lines+markers",
        line={"color": stroke.colour, "dash": _DASHES[stroke.dash], "width": 2},
        customdata=np.column_stack(
            [plain_all(rows["layer"]), [f"{error:.2g}" for error in errors], rows["n"].astype(str)]
        ),
        hovertemplate=f"{plain(stroke.model)}, %{{customdata[0]}}<br>"
        "%{y:.4g} ± %{customdata[1]}<br>n = %{customdata[2]}<extra></extra>",
    )


def _scale_words(rows: pd.DataFrame) -> str:
    scales = rows["scale"].dropna().unique()
    if len(scales) != 1:
        return ""
    kind = rows["scale_kind"].iloc[0]
    chance = "; the grey line is chance" if rows["chance"].notna().any() else ""
    return f"Scale: {kind} {scales[0]:g}, one for all layers{chance}."
