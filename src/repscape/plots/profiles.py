"""Figures of geometry: profiles along depth, curves over scales, the plane of imbalances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean
from repscape.plots.palette import wrapped
from repscape.plots.strokes import Dash, Strokes, model_names, strokes_of
from repscape.plots.style import QUIET_COLOUR, new_figure, stack_legends, styled

Key: TypeAlias = "list[tuple[str, list[Artist]]]"

_CONTROL_LINES: dict[str, Dash] = {"shuffled": ":", "gaussian": "--", "untrained": "-."}
_WIDTH = 5.2
_PLOT_WIDTH = 3.9
_HEIGHT = 3.0
_NAME_SIGNS = 44


def profile_figure(
    table: pd.DataFrame, descriptor: str | None = None, marks: pd.DataFrame | None = None
) -> Figure:
    """Draw a descriptor against relative depth: a line with its band for every model.

    The band is one standard error on either side; dashed lines are the controls, the grey line
    is what chance would give, and layers without a value leave a gap.

    Parameters
    ----------
    table
        A geometry table with depths (`repscape.profile`).
    descriptor
        Which one, by its printable name; may be left out where there is one.
    marks
        Peak, minimum and bump to mark (`Profile.marks`).
    """
    return profile_panels(table, [_chosen(table, descriptor)], marks)


def profile_panels(
    table: pd.DataFrame,
    descriptors: Sequence[str] | None = None,
    marks: pd.DataFrame | None = None,
) -> Figure:
    """Draw `profile_figure` for several descriptors below each other, over one axis of depth.

    Parameters
    ----------
    table, marks
        As in `profile_figure`.
    descriptors
        Printable names, from top to bottom; all of the table if None.
    """
    names = list(dict.fromkeys(table["descriptor"])) if descriptors is None else descriptors
    panels = [_profile_rows(table, name) for name in names]
    strokes = strokes_of(pd.concat(panels))
    key = _key(strokes, pd.concat(panels))
    if any(rows["chance"].notna().any() for rows in panels):
        key.append(("", [Line2D([], [], color=QUIET_COLOUR, linewidth=0.8, label="chance")]))
    with styled():
        margin = _key_width(key)
        figure = new_figure(_PLOT_WIDTH + margin, _HEIGHT * (0.25 + 0.75 * len(panels)))
        grid = figure.add_gridspec(len(panels), 2, width_ratios=[_PLOT_WIDTH, margin])
        first: Axes | None = None
        for place, (name, rows) in enumerate(zip(names, panels, strict=True)):
            axes = figure.add_subplot(grid[place, 0], sharex=first)
            first = first or axes
            _draw_panel(axes, name, rows, strokes, marks)
            if place + 1 < len(panels):
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("relative depth l / l_last")
        stack_legends(figure.add_subplot(grid[:, 1]), key)
    return figure


def scale_figure(table: pd.DataFrame, descriptor: str | None = None) -> Figure:
    """Draw a descriptor's curves against the scale, one line for each layer, coloured by depth.

    The vertical line is the scale that stands for the curves.
    """
    name = _chosen(table, descriptor)
    rows = table[(table["descriptor"] == name) & table["control"].isna() & table["value"].notna()]
    if rows["scale"].isna().all() or rows.groupby("rep", sort=False).size().max() < 2:
        raise InvalidParameterError(f"{name} has one value for each layer, no curve over scales")
    layers = list(dict.fromkeys(rows["rep"]))
    models = list(dict.fromkeys(rows["model"].dropna()))
    only = f"{models[0]}:" if len(models) == 1 else ""
    written = {layer: str(layer).removeprefix(only) for layer in layers}
    colours = colormaps["viridis"](np.linspace(0, 0.92, len(layers)))
    with styled():
        margin = 0.55 + 0.062 * max(map(len, written.values()))
        figure = new_figure(_WIDTH - 1.3 + margin, _HEIGHT)
        grid = figure.add_gridspec(1, 2, width_ratios=[_WIDTH - 1.3, margin])
        axes = figure.add_subplot(grid[0, 0])
        handles = []
        for layer, colour in zip(layers, colours, strict=True):
            part = rows[rows["rep"] == layer].sort_values("scale")
            _band(axes, part["scale"], part, colour)
            axes.plot(part["scale"], part["value"], color=colour, marker="o", markersize=2.5)
            handles.append(Line2D([], [], color=colour, label=written[layer]))
        for scale in rows.loc[rows["chosen"], "scale"].unique():
            axes.axvline(scale, color=QUIET_COLOUR, linewidth=0.8, zorder=0)
        axes.set_xscale("log", base=2)
        _plain_ticks(axes.xaxis)
        axes.set_xlabel(f"scale: {rows['scale_kind'].iloc[0]}")
        axes.set_ylabel(str(rows["quantity"].iloc[0]))
        axes.set_title(wrapped(name, _NAME_SIGNS), fontsize=7)
        stack_legends(figure.add_subplot(grid[0, 1]), [("layer", _thinned(handles))])
    return figure


def imbalance_plane_figure(scores: pd.DataFrame) -> Figure:
    """Draw every pair of representations by Δ(a→b) and Δ(b→a), both on logarithmic axes.

    Bottom left: each predicts the other. Top right: neither does. Bottom right: b predicts a
    and not the reverse, so b knows more. Pairs with one direction only are left out.
    """
    forward = scores.set_index(["rep_a", "rep_b"])["value"]
    pairs = [(a, b) for a, b in forward.index if (b, a) in forward.index and a < b]
    if not pairs:
        raise InvalidParameterError(
            "the plane of imbalances needs both directions of a pair: compute "
            "information_imbalance for (a, b) and (b, a)"
        )
    with styled():
        figure = new_figure(3.4, 3.4)
        axes = figure.add_subplot()
        xs = [float(forward[a, b]) for a, b in pairs]
        ys = [float(forward[b, a]) for a, b in pairs]
        axes.plot([0, 1], [0, 1], transform=axes.transAxes, color=QUIET_COLOUR, linewidth=0.6)
        axes.scatter(xs, ys, s=14, color="#0072B2", linewidths=0)
        if len(pairs) <= 12:
            for (a, b), x, y in zip(pairs, xs, ys, strict=True):
                axes.annotate(
                    f"{a}, {b}", (x, y), fontsize=5.5, xytext=(3, 3), textcoords="offset points"
                )
        low, high = min(xs + ys) / 1.3, max([*xs, *ys, 1.0]) * 1.3
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), aspect="equal")
        _plain_ticks(axes.xaxis)
        _plain_ticks(axes.yaxis)
        axes.set_xlabel("Δ(a → b)")
        axes.set_ylabel("Δ(b → a)")
        axes.set_title(wrapped(str(scores["measure"].iloc[0]), 30), fontsize=7)
    return figure


def _profile_rows(table: pd.DataFrame, name: str) -> pd.DataFrame:
    rows = table[(table["descriptor"] == name) & (table["chosen"] | table["value"].isna())]
    rows = rows.sort_values("depth", kind="stable")
    if rows["depth"].isna().all():
        raise InvalidParameterError(f"{name} has no depths: it is no profile along layers")
    return rows


def _draw_panel(
    axes: Axes, name: str, rows: pd.DataFrame, strokes: Strokes, marks: pd.DataFrame | None
) -> None:
    _draw_lines(axes, rows, strokes)
    if marks is not None:
        _draw_marks(axes, marks[marks["descriptor"] == name])
    chance = rows["chance"].dropna()
    if len(chance):
        axes.axhline(float(chance.median()), color=QUIET_COLOUR, linewidth=0.8, zorder=0)
    axes.margins(y=0.12)
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylabel(str(rows["quantity"].iloc[0]))
    axes.set_title(wrapped(_with_scale(name, rows), _NAME_SIGNS), fontsize=7)


def _plain_ticks(axis: Axis) -> None:
    """Numbers as they are on a logarithmic axis: mathematics in text is off in this style."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_lines(axes: Axes, rows: pd.DataFrame, strokes: Strokes) -> None:
    models = model_names(rows)
    for stroke in strokes.lines:
        trained = rows[(models == stroke.model) & rows["control"].isna()]
        _band(axes, trained["depth"], trained, stroke.colour)
        axes.plot(
            trained["depth"], trained["value"], stroke.dash, color=stroke.colour, marker="o", ms=2.5
        )
        for control, dash in _CONTROL_LINES.items():
            part = rows[(models == stroke.model) & (rows["control"] == control)]
            axes.plot(part["depth"], part["value"], dash, color=stroke.colour, linewidth=0.8)


def _key(strokes: Strokes, rows: pd.DataFrame) -> Key:
    def entry(label: str, colour: str, dash: Dash) -> Artist:
        return Line2D([], [], linestyle=dash, color=colour, label=label)

    colours = [entry(name, colour, "-") for name, colour in strokes.colours.items()]
    dashes = [entry(name, QUIET_COLOUR, dash) for name, dash in strokes.dashes.items()]
    present = [name for name in _CONTROL_LINES if (rows["control"] == name).any()]
    controls = [entry(name, QUIET_COLOUR, _CONTROL_LINES[name]) for name in present]
    groups: Key = [
        (strokes.colour_factor or "", colours),
        (strokes.dash_factor or "", dashes),
        ("control", controls),
    ]
    return [(title, entries) for title, entries in groups if entries]


def _key_width(key: Key) -> float:
    """Inches for the longest label."""
    labels = [str(entry.get_label()) for _, entries in key for entry in entries]
    return 0.5 + 0.06 * max(map(len, labels))


def _band(axes: Axes, x: pd.Series[Any], part: pd.DataFrame, colour: Any) -> None:
    errors = part["standard_error"].astype(float).fillna(0.0)
    low, high = part["value"] - errors, part["value"] + errors
    axes.fill_between(x.astype(float), low, high, color=colour, alpha=0.2, linewidth=0)


def _draw_marks(axes: Axes, marks: pd.DataFrame) -> None:
    # Where several models have a mark at one depth, it is named once.
    for _, mark in marks.drop_duplicates(["mark", "depth"]).iterrows():
        axes.annotate(
            str(mark["mark"]),
            (mark["depth"], mark["value"]),
            xytext=(0, -10 if mark["mark"] == "minimum" else 6),
            textcoords="offset points",
            ha="center",
            fontsize=6,
        )


def _chosen(table: pd.DataFrame, descriptor: str | None) -> str:
    present = list(dict.fromkeys(table["descriptor"]))
    if descriptor is None:
        if len(present) != 1:
            raise InvalidParameterError(
                f"the table holds {len(present)} descriptors: choose one of {', '.join(present)}"
            )
        return str(present[0])
    if descriptor not in present:
        raise UnknownNameError(
            f"the table has no {descriptor!r}: {did_you_mean(descriptor, present)}"
        )
    return descriptor


def _with_scale(name: str, rows: pd.DataFrame) -> str:
    scales = rows.loc[rows["chosen"], "scale"].dropna().unique()
    if len(scales) != 1:
        return name
    return f"{name}, {rows['scale_kind'].iloc[0]} {scales[0]:g}"


def _thinned(handles: list[Line2D]) -> list[Line2D]:
    step = max(1, -(-len(handles) // 14))
    return handles[::step]
