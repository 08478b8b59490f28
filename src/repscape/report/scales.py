"""Interactive curves of a descriptor against its scale (plotly, SVG only)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_hex
from plotly import graph_objects
from plotly.subplots import make_subplots

from repscape.errors import InvalidParameterError
from repscape.plots.strokes import model_names
from repscape.report.page import FigureChoice, ReportFigure, Section
from repscape.report.plotly_parts import QUIET, band, base_layout, plain
from repscape.report.words import short_names

_COLUMNS = 3
_APART = 1.25


def interactive_scales(table: pd.DataFrame, descriptor: str) -> graph_objects.Figure:
    """Return curves against the scale: one panel per model, one line per layer.

    Lines run from dark (first layer) to bright (last). The vertical line is the scale that stands
    for the curves. Controls are left out.
    """
    rows = table[
        (table["descriptor"] == descriptor) & table["control"].isna() & table["value"].notna()
    ]
    if not has_scales(rows):
        raise InvalidParameterError(
            f"{descriptor} has one value for each layer, no curve over scales"
        )
    models = list(dict.fromkeys(model_names(rows)))
    columns = min(_COLUMNS, len(models))
    lines = -(-len(models) // columns)
    figure = make_subplots(
        lines,
        columns,
        shared_yaxes=True,
        shared_xaxes=True,
        subplot_titles=[plain(model) for model in models] if len(models) > 1 else None,
        horizontal_spacing=0.03,
    )
    figure.update_layout(base_layout(300 * lines + 130), margin={"t": 34})
    same = rows.groupby(model_names(rows), sort=False)["rep"].nunique().nunique() == 1
    listed = 0 if same else len(set(rows["rep"]))  # else a place in the legend has many names
    for number, model in enumerate(models):
        part = rows[model_names(rows) == model]
        place = (number // columns + 1, number % columns + 1)
        listed = max(listed, _add_panel(figure, part, place, listed))
        if number + columns >= len(models):  # the lowest of its column
            figure.update_xaxes(showticklabels=True, row=place[0], col=place[1])
    scales = _apart(sorted(rows["scale"].dropna().unique()))
    ticks = {"tickvals": scales, "ticktext": [f"{scale:g}" for scale in scales]}
    figure.update_xaxes(type="log", zeroline=False, automargin=True, **ticks)
    figure.update_yaxes(zeroline=False, automargin=True)
    figure.update_xaxes(title={"text": f"scale: {plain(rows['scale_kind'].iloc[0])}"}, row=lines)
    figure.update_yaxes(title={"text": plain(rows["quantity"].iloc[0])}, col=1)
    return figure


def has_scales(rows: pd.DataFrame) -> bool:
    """Whether the rows of a descriptor are curves over neighbour ranks or numbers of samples."""
    several = rows.groupby(["rep", rows["control"].fillna("")], sort=False)["scale"].nunique()
    kinds = set(rows["scale_kind"].dropna())
    return len(several) > 0 and int(several.max()) > 1 and kinds <= {"neighbour rank", "samples"}


def scale_section(table: pd.DataFrame) -> Section | None:
    """The section of a report with every descriptor that has curves; None if none has."""
    figures = []
    for descriptor, name in short_names(list(dict.fromkeys(table["descriptor"]))).items():
        rows = table[(table["descriptor"] == descriptor) & table["value"].notna()]
        if not has_scales(rows):
            continue
        chosen = rows[rows["chosen"] & rows["control"].isna()]
        why = str(chosen["choice"].dropna().iloc[0]).partition(";")[0]
        scale = f"{rows['scale_kind'].iloc[0]} {chosen['scale'].iloc[0]:g}"
        figures.append(
            ReportFigure(
                interactive_scales(table, descriptor),
                caption=(
                    f"`{descriptor}` at every scale, a line for each layer, the first dark and the "
                    f"last bright. The vertical line is the scale of the profile, {scale}: {why}."
                ),
                alternative=(
                    f"Curves of {rows['quantity'].iloc[0]} against {rows['scale_kind'].iloc[0]}, "
                    "one for each layer."
                ),
                name=name,
            )
        )
    if not figures:
        return None
    prose = [
        "A dimension is a number at a scale. Small scales see noise, large ones curvature and "
        "boundaries: an estimate is to be trusted where its curve is flat."
    ]
    return Section("Dimension against scale", prose, [FigureChoice(figures, "descriptor")])


def _apart(scales: Sequence[float]) -> list[float]:
    """Return the scales whose labels do not run into each other on a logarithmic axis."""
    kept: list[float] = []
    for scale in scales:
        if not kept or scale >= _APART * kept[-1]:
            kept.append(float(scale))
    return kept


def _add_panel(
    figure: graph_objects.Figure, rows: pd.DataFrame, place: tuple[int, int], listed: int
) -> int:
    """Draw the layers of one model; those beyond `listed` are new to the legend. Return how many.

    Layers of one number share a colour and a place in the legend.
    """
    layers = list(dict.fromkeys(rows["rep"]))
    colours = [to_hex(c) for c in colormaps["viridis"](np.linspace(0, 0.92, len(layers)))]
    for number, (layer, colour) in enumerate(zip(layers, colours, strict=True)):
        part = rows[rows["rep"] == layer].sort_values("scale")
        for trace in band(part, "scale", colour, str(number)):
            figure.add_trace(trace, *place)
        curve = _curve(part, colour).update(legendgroup=str(number), showlegend=number >= listed)
        figure.add_trace(curve, *place)
    for scale in rows.loc[rows["chosen"], "scale"].unique():
        figure.add_vline(x=scale, line={"color": QUIET, "width": 1}, row=place[0], col=place[1])
    return len(layers)


def _curve(rows: pd.DataFrame, colour: str) -> graph_objects.Scatter:
    first = rows.iloc[0]
    layer = plain(first["layer"] if isinstance(first["layer"], str) else first["rep"])
    errors = [
        "" if np.isnan(error) else f" ± {error:.2g}"
        for error in rows["standard_error"].astype(float)
    ]
    return graph_objects.Scatter(
        x=rows["scale"],
        y=rows["value"],
        name=layer,
        mode="lines+markers",
        line={"color": colour, "width": 2},
        customdata=errors,
        hovertemplate=f"{plain(first['rep'])}, scale %{{x}}<br>"
        "%{y:.4g}%{customdata}<extra></extra>",
    )
