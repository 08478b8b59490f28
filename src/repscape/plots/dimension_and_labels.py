"""Dimension and label overlap of every layer, on one axis of depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repscape.errors import InvalidParameterError
from repscape.plots.palette import in_order, wrapped
from repscape.plots.strokes import model_names, strokes_of
from repscape.plots.style import QUIET_COLOUR, SMALL_SIZE, new_figure, stack_legends, styled

_WIDTH, _HEIGHT = 3.6, 1.9
_NAME_SIGNS = 52
_DEPTH = "relative depth l / l_last"
_RING = {"marker": "o", "markersize": 7, "fillstyle": "none"}


def dimension_and_labels(
    geometry: pd.DataFrame, marks: pd.DataFrame, dimension: str, overlap: str
) -> Figure:
    """Draw the dimension above the label overlap, every model a line, at the same depths.

    The study of Valeriani et al. (2023) drew its two panels at l / number of points, with
    different numbers of points, so that they were shifted against each other; here both are at
    l / l_last. Circles mark the minimum of the dimension after its peak, in both panels, stars
    the highest label overlap, bands one standard error on either side, the grey line chance.

    Parameters
    ----------
    geometry
        A geometry table with depths, of one data set.
    marks
        Its marks (`Profile.marks`).
    dimension, overlap
        The printable names of the two descriptors.
    """
    rows = geometry[geometry["control"].isna() & geometry["chosen"]]
    parts = [rows[rows["descriptor"] == name] for name in (dimension, overlap)]
    if any(part.empty for part in parts):
        raise InvalidParameterError(f"the table lacks {dimension} or {overlap}")
    strokes = strokes_of(pd.concat(parts))
    with styled():
        names = [stroke.model for stroke in strokes.lines]
        margin = 0.55 + 0.062 * max(max(map(len, names)), len("minimum after the peak"))
        figure = new_figure(_WIDTH + margin, 2 * _HEIGHT + 0.5)
        grid = figure.add_gridspec(2, 2, width_ratios=[_WIDTH, margin])
        top = figure.add_subplot(grid[0, 0])
        bottom = figure.add_subplot(grid[1, 0], sharex=top)
        colours = {stroke.model: stroke.colour for stroke in strokes.lines}
        for axes, part in zip((top, bottom), parts, strict=True):
            _draw_lines(axes, part, colours)
            axes.set_ylabel(str(part["quantity"].iloc[0]))
        minima = marks[(marks["descriptor"] == dimension) & (marks["mark"] == "minimum")]
        for model, colour in colours.items():
            _draw_minimum(top, bottom, minima, parts[1], model, colour)
            _draw_best(bottom, parts[1], model, colour)
        _draw_chance(bottom, parts[1])
        top.tick_params(labelbottom=False)
        title = wrapped(dimension, _NAME_SIGNS) + _scale_of(parts[0])
        top.set_title(title, fontsize=SMALL_SIZE)
        bottom.set_title(wrapped(overlap, _NAME_SIGNS), fontsize=SMALL_SIZE)
        bottom.set_xlabel(_DEPTH)
        bottom.set_xlim(-0.02, 1.02)
        stack_legends(figure.add_subplot(grid[:, 1]), [("", _lines(colours)), ("", _signs())])
    return figure


def through_training(
    geometry: pd.DataFrame, descriptors: Sequence[str], by: str = "step"
) -> Figure:
    """Draw the profiles of checkpoints, a column per model, coloured from early to late.

    Bands are one standard error on either side, the grey line is chance.

    Parameters
    ----------
    geometry
        A geometry table with depths, of one data set; the tag `by` counts the steps, and the
        other tags say which checkpoints belong to one training.
    descriptors
        Printable names, one row of panels each.
    by
        The name of the tag.
    """
    rows = geometry[geometry["control"].isna() & geometry["chosen"]]
    if by not in rows.columns or rows[by].isna().all():
        raise InvalidParameterError(f"the table has no tag {by!r} that counts training steps")
    rows = rows.dropna(subset=[by]).assign(**{by: pd.to_numeric(rows[by])})
    trainings = _trainings(rows, by)
    steps = sorted(rows[by].unique())
    shades = colormaps["viridis"](np.linspace(0.0, 0.9, len(steps)))
    colours = dict(zip(steps, shades, strict=True))
    with styled():
        margin, columns = 0.95, len(trainings)
        width = 2.2 * columns + margin
        figure = new_figure(width, 1.75 * len(descriptors) + 0.5)
        grid = figure.add_gridspec(
            len(descriptors), columns + 1, width_ratios=[2.2] * columns + [margin]
        )
        for row, descriptor in enumerate(descriptors):
            panels = [figure.add_subplot(grid[row, column]) for column in range(columns)]
            for panel, (title, part) in zip(panels, trainings.items(), strict=True):
                here = part[part["descriptor"] == descriptor]
                _draw_steps(panel, here, by, colours)
                panel.sharey(panels[0])
                panel.set_title(title if row == 0 else "", fontsize=SMALL_SIZE)
                panel.tick_params(labelbottom=row == len(descriptors) - 1)
            _label_rows(panels, rows[rows["descriptor"] == descriptor], descriptor)
            if row == len(descriptors) - 1:
                for panel in panels:
                    panel.set_xlabel(_DEPTH, fontsize=SMALL_SIZE)
        handles: list[Artist] = [
            Line2D([], [], color=colour, label=f"{step:g}") for step, colour in colours.items()
        ]
        chance = [_chance_line()] if rows["chance"].notna().any() else []
        stack_legends(figure.add_subplot(grid[:, -1]), [(by, handles), ("", chance)])
    return figure


def _trainings(rows: pd.DataFrame, by: str) -> dict[str, pd.DataFrame]:
    """The checkpoints of each training with at least two, by what its models share."""
    pairs = zip(rows["model"].astype(str), rows[by], strict=True)
    names = rows.assign(training=[_without_step(model, step) for model, step in pairs])
    found = {
        str(name): part
        for name, part in names.groupby("training", sort=False)
        if part[by].nunique() > 1
    }
    if not found:
        raise InvalidParameterError(f"no two checkpoints belong to one training (tag {by!r})")
    return found


def _without_step(model: str, step: float) -> str:
    """`imagegpt-small@40` without its step."""
    return model.removesuffix(f"{step:g}").rstrip("@-/ :")


def _draw_lines(axes: Axes, part: pd.DataFrame, colours: Mapping[str, str]) -> None:
    names = model_names(part)
    for model, colour in colours.items():
        _draw_line(axes, part[names == model], colour)
    axes.margins(y=0.14)


def _draw_line(axes: Axes, rows: pd.DataFrame, colour: Any) -> None:
    """One profile, and one standard error on either side of it."""
    line = rows.sort_values("depth", kind="stable")
    errors = line["standard_error"].astype(float).fillna(0.0)
    axes.fill_between(
        line["depth"].astype(float),
        line["value"] - errors,
        line["value"] + errors,
        color=colour,
        alpha=0.18,
        linewidth=0,
    )
    axes.plot(line["depth"], line["value"], color=colour, marker="o", markersize=2.2)


def _draw_minimum(
    top: Axes, bottom: Axes, minima: pd.DataFrame, overlaps: pd.DataFrame, model: str, colour: str
) -> None:
    for _, mark in minima[minima["model"].astype(str) == model].iterrows():
        ring: dict[str, Any] = {
            "color": colour,
            "marker": "o",
            "markersize": 7,
            "fillstyle": "none",
        }
        top.plot([mark["depth"]], [mark["value"]], linestyle="", **ring)
        here = overlaps[
            (model_names(overlaps) == model) & (overlaps["layer"].astype(str) == str(mark["layer"]))
        ]
        bottom.plot(here["depth"], here["value"], linestyle="", **ring)
        for axes in (top, bottom):
            axes.axvline(mark["depth"], color=colour, linewidth=0.6, alpha=0.45, zorder=0)


def _draw_best(axes: Axes, overlaps: pd.DataFrame, model: str, colour: str) -> None:
    line = overlaps[model_names(overlaps) == model].dropna(subset=["value"])
    if len(line):
        best = line.iloc[int(line["value"].to_numpy(dtype=float).argmax())]
        axes.plot([best["depth"]], [best["value"]], "*", color=colour, markersize=8)


def _draw_chance(axes: Axes, overlaps: pd.DataFrame) -> None:
    chance = overlaps["chance"].dropna()
    if len(chance):
        axes.axhline(float(chance.median()), color=QUIET_COLOUR, linewidth=0.8, zorder=0)


def _draw_steps(axes: Axes, part: pd.DataFrame, by: str, colours: Mapping[Any, Any]) -> None:
    for step, colour in colours.items():
        _draw_line(axes, part[part[by] == step], colour)
    _draw_chance(axes, part)


def _label_rows(panels: Sequence[Axes], rows: pd.DataFrame, descriptor: str) -> None:
    quantity, name = (in_order(rows["quantity"]) or [""])[0], descriptor.partition("[")[0]
    same = name.replace("_", " ") == quantity
    panels[0].set_ylabel(quantity if same else f"{quantity}\n{name}")
    for panel in panels[1:]:
        panel.tick_params(labelleft=False)


def _lines(colours: Mapping[str, str]) -> list[Artist]:
    return [Line2D([], [], color=colour, label=model) for model, colour in colours.items()]


def _signs() -> list[Artist]:
    quiet: dict[str, Any] = {"color": QUIET_COLOUR, "linestyle": ""}
    return [
        Line2D([], [], marker="o", fillstyle="none", label="minimum after the peak", **quiet),
        Line2D([], [], marker="*", markersize=8, label="highest overlap", **quiet),
        _chance_line(),
    ]


def _chance_line() -> Line2D:
    return Line2D([], [], color=QUIET_COLOUR, linewidth=0.8, label="chance")


def _scale_of(rows: pd.DataFrame) -> str:
    """The scale that stands for the layers, or those of the models, on a line of its own."""
    scales = [f"{scale:g}" for scale in sorted(rows["scale"].dropna().unique())]
    if not scales:
        return ""
    each = " (one for each model)" if len(scales) > 1 else ""
    return f"\nscale: {rows['scale_kind'].iloc[0]} {', '.join(scales)}{each}"
