"""The interactive plane of information imbalances (plotly, SVG only)."""

from __future__ import annotations

import pandas as pd
from plotly import graph_objects

from repscape.errors import InvalidParameterError
from repscape.plots.palette import GROUP_COLOURS
from repscape.report.plotly_parts import QUIET, base_layout, plain

_TICKS = [m * 10.0**e for e in range(-6, 1) for m in (1, 3)]
_WITHIN, _BETWEEN = "layers of one model", "layers of two models"


def interactive_imbalance_plane(scores: pd.DataFrame) -> graph_objects.Figure:
    """Return the plane of `repscape.plots.profiles.imbalance_plane_figure`, one point per pair.

    Both axes are logarithmic. On the diagonal two representations know equally much of each
    other; above it a predicts b better than b predicts a.
    """
    pairs = both_ways(scores)
    if pairs.empty:
        raise InvalidParameterError(
            "the plane of imbalances needs both directions of a pair: compute "
            "information_imbalance for (a, b) and (b, a)"
        )
    largest = max(1.0, float(pairs[["forward", "back"]].to_numpy().max()))
    low, high = float(pairs[["forward", "back"]].to_numpy().min()) / 1.3, largest * 1.3
    figure = graph_objects.Figure(layout=base_layout(560))
    figure.add_trace(
        graph_objects.Scatter(
            x=[low, high],
            y=[low, high],
            mode="lines",
            line={"color": QUIET, "width": 1},
            hoverinfo="skip",
            showlegend=False,
        )
    )
    same = pairs["model_a"].fillna("") == pairs["model_b"].fillna("")
    for (name, part), colour in zip(
        ((_WITHIN, pairs[same]), (_BETWEEN, pairs[~same])), GROUP_COLOURS, strict=False
    ):
        if len(part):
            figure.add_trace(_points(part, name, colour))
    axis = {"type": "log", "zeroline": False, "automargin": True, "tickvals": _TICKS}
    figure.update_layout(
        xaxis={**axis, "title": {"text": "Δ(a → b)"}},
        yaxis={**axis, "title": {"text": "Δ(b → a)"}, "scaleanchor": "x"},
        legend={"x": 1.02, "y": 1, "xanchor": "left", "yanchor": "top"},
        showlegend=not (same.all()),
    )
    return figure


def both_ways(scores: pd.DataFrame) -> pd.DataFrame:
    """Pairs scored in both directions: rep_a, rep_b, model_a, model_b, forward, back, n."""
    names = ["rep_a", "rep_b", "model_a", "model_b", "n"]
    forward = scores[[*names, "value"]].rename(columns={"value": "forward"})
    back = scores[["rep_a", "rep_b", "value"]].rename(
        columns={"rep_a": "rep_b", "rep_b": "rep_a", "value": "back"}
    )
    pairs = forward.merge(back, on=["rep_a", "rep_b"]).dropna(subset=["forward", "back"])
    order = {name: place for place, name in enumerate(dict.fromkeys(scores["rep_a"]))}
    first = pairs["rep_a"].map(order) < pairs["rep_b"].map(order)
    return pairs[first].reset_index(drop=True)


def _points(pairs: pd.DataFrame, name: str, colour: str) -> graph_objects.Scatter:
    return graph_objects.Scatter(
        x=pairs["forward"],
        y=pairs["back"],
        name=name,
        mode="markers",
        marker={"color": colour, "size": 8, "opacity": 0.8, "line": {"width": 0}},
        customdata=[
            [plain(a), plain(b), str(n)]
            for a, b, n in pairs[["rep_a", "rep_b", "n"]].itertuples(index=False, name=None)
        ],
        hovertemplate="a: %{customdata[0]}<br>b: %{customdata[1]}<br>"
        "Δ(a → b) = %{x:.4f}<br>Δ(b → a) = %{y:.4f}<br>n = %{customdata[2]}<extra></extra>",
    )
