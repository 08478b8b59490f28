"""Which line stands for which model, in the printed and the interactive profiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from repscape.plots.palette import GROUP_COLOURS, chosen_factors, colours_of, in_order
from repscape.tables import GEOMETRY_COLUMNS

Dash: TypeAlias = Literal["-", "--", ":", "-."]
DASHES: tuple[Dash, ...] = ("-", "--", ":", "-.")


@dataclass(frozen=True)
class Stroke:
    """The line of a model: its colour and its dash (matplotlib's signs)."""

    model: str
    colour: str
    dash: Dash


@dataclass(frozen=True)
class Strokes:
    """The lines of all models, and what their colours and dashes stand for.

    Attributes
    ----------
    lines
        One per model, in order of appearance.
    colours, dashes
        Value to colour, value to dash; without a dash factor all dashes are solid.
    colour_factor, dash_factor
        The tags that they stand for; None where each model has a colour of its own.
    """

    lines: tuple[Stroke, ...]
    colours: dict[str, str]
    dashes: dict[str, Dash]
    colour_factor: str | None = None
    dash_factor: str | None = None


def model_names(rows: pd.DataFrame) -> pd.Series[str]:
    """The model of each row of a geometry table, `model` where it is unknown."""
    return rows["model"].fillna("model").astype(str)


def strokes_of(rows: pd.DataFrame) -> Strokes:
    """Give each model of a geometry table a line.

    Up to as many models as there are colours each has its own; beyond, the colour stands for
    one tag and the dash for another, as in the map of the models.
    """
    models = in_order(model_names(rows))
    tags = rows.assign(model=model_names(rows)).groupby("model", sort=False).first()
    names = [str(name) for name in tags.columns if name not in GEOMETRY_COLUMNS]
    colour, dash = chosen_factors(name for name in names if tags[name].notna().all())
    if len(models) <= len(GROUP_COLOURS) or colour is None:
        own = colours_of(models)
        return Strokes(tuple(Stroke(m, own[m], "-") for m in models), own, {})
    colours = colours_of(tags[colour])
    values = in_order(tags[dash]) if dash else []
    dashes = {value: DASHES[index % len(DASHES)] for index, value in enumerate(values)}
    lines = tuple(
        Stroke(
            m, colours[str(tags.loc[m, colour])], dashes[str(tags.loc[m, dash])] if dash else "-"
        )
        for m in models
    )
    return Strokes(lines, colours, dashes, colour, dash)
