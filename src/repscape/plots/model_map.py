"""The two-dimensional map of the models."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from repscape.analysis.tidy import only_measure_of
from repscape.plots.arrangement import siblings, tags_of
from repscape.plots.palette import (
    NUISANCE_FACTOR,
    chosen_factors,
    colours_of,
    direction,
    in_order,
    wrapped,
)
from repscape.plots.style import QUIET_COLOUR, SMALL_SIZE, new_figure, stack_legends, styled

_SIBLING_COLOUR = "#b5b5b5"
MARKS = ("o", "^", "s", "D", "v", "P", "X", "*")


def model_map(coordinates: pd.DataFrame) -> Figure:
    """Draw the models as points: the nearer, the more alike.

    Architecture is shown by colour and objective by the shape of the mark (or the first tags that
    there are). Models that differ only in their seed are joined by a thin line, and small figures
    give the seeds. Models without coordinates are left out and counted below the map.

    Parameters
    ----------
    coordinates
        One row per model under one measure (`repscape.analysis.embedding.model_coordinates`).
    """
    measure, kind = only_measure_of(coordinates)
    with styled():
        return _drawn(coordinates, measure, kind)


def _drawn(coordinates: pd.DataFrame, measure: str, kind: str) -> Figure:
    figure = new_figure(5.9, 4.2)
    axes, key = figure.subplots(1, 2, width_ratios=[4.2, 1.3])
    colour, mark = chosen_factors(tags_of(coordinates))
    for group in siblings(coordinates):
        axes.plot(group["x"], group["y"], color=_SIBLING_COLOUR, linewidth=0.9, zorder=1)
    _draw_points(axes, coordinates, colour, mark)
    axes.set_aspect("equal", adjustable="datalim")
    axes.margins(0.12)
    for name, label in (("x", axes.set_xlabel), ("y", axes.set_ylabel)):
        share = float(coordinates[f"share_{name}"].iloc[0])
        number = {"x": 1, "y": 2}[name]
        label(f"dimension {number} ({100 * share:.0f}% of the variation)")
    axes.set_title(
        f"{wrapped(measure, 64)}, {direction(kind)}", fontsize=SMALL_SIZE, color=QUIET_COLOUR
    )
    stack_legends(key, _key(coordinates, colour, mark))
    left_out = int(coordinates["x"].isna().sum())
    if left_out:
        figure.supxlabel(
            f"{left_out} models without all scores are not shown",
            fontsize=SMALL_SIZE,
            color=QUIET_COLOUR,
        )
    return figure


def _draw_points(
    axes: Axes, coordinates: pd.DataFrame, colour: str | None, mark: str | None
) -> None:
    colours = colours_of(coordinates[colour]) if colour else {}
    marks = _marks_of(coordinates, mark)
    for _, row in coordinates.dropna(subset=["x", "y"]).iterrows():
        axes.plot(
            row["x"],
            row["y"],
            marker=marks.get(str(row[mark]), MARKS[0]) if mark else MARKS[0],
            color=colours.get(str(row[colour]), QUIET_COLOUR) if colour else QUIET_COLOUR,
            markersize=7.5,
            markeredgecolor="white",
            markeredgewidth=0.7,
            linestyle="none",
            zorder=2,
        )
        note = row[NUISANCE_FACTOR] if NUISANCE_FACTOR in row.index else None
        note = row["model"] if colour is None and mark is None else note
        if not pd.isna(note):
            axes.annotate(
                str(note),
                (row["x"], row["y"]),
                xytext=(5, 3.5),
                textcoords="offset points",
                fontsize=5.5,
                color=QUIET_COLOUR,
            )


def _marks_of(coordinates: pd.DataFrame, mark: str | None) -> dict[str, str]:
    names = in_order(coordinates[mark]) if mark else []
    return {name: MARKS[index % len(MARKS)] for index, name in enumerate(names)}


def _key(
    coordinates: pd.DataFrame, colour: str | None, mark: str | None
) -> list[tuple[str, list[Artist]]]:
    def entry(label: str, marker: str, fill: str) -> Artist:
        return Line2D([], [], linestyle="none", marker=marker, color=fill, label=label)

    groups: list[tuple[str, list[Artist]]] = []
    if colour:
        found = colours_of(coordinates[colour])
        groups.append((colour, [entry(name, "o", fill) for name, fill in found.items()]))
    if mark:
        marks = _marks_of(coordinates, mark)
        entries = [entry(name, marker, QUIET_COLOUR) for name, marker in marks.items()]
        groups.append((mark, entries))
    if siblings(coordinates):
        line = Line2D([], [], color=_SIBLING_COLOUR, linewidth=1.2, label="differ in seed only")
        groups.append((f"{NUISANCE_FACTOR} (small number)", [line]))
    return groups
