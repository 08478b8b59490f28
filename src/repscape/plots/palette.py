"""Colours, marks and wording that the printed and the interactive figures share.

Scores are drawn in viridis, which is perceptually uniform and safe for colour-blind readers, and
always brighter where two networks are more alike: reversed for distances. Groups are drawn in
the colours of Okabe & Ito (2008), which colour-blind readers can tell apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import pandas as pd

GROUP_COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#F0E442",
    "#595959",
)
GREY_STEPS = ("#4a4a4a", "#b9b9b9", "#7b7b7b", "#dedede", "#595959", "#9a9a9a")
MISSING_COLOUR = "#d9d9d9"
MISSING_LINE = "#8c8c8c"
CHANCE_COLOUR = "#E8590C"
CHANCE_LABEL = "not distinguishable\nfrom chance"
UNDECIDED_LABEL = "not distinguishable\nfrom chance, or too few\nrandom pairings to tell"

COLOUR_FACTOR = "architecture"
MARK_FACTOR = "objective"
NUISANCE_FACTOR = "seed"


def direction(kind: str) -> str:
    """Return in words which way a measure points."""
    return "higher = more alike" if kind == "similarity" else "lower = more alike"


def wrapped(name: str, width: int) -> str:
    """Break a long printable name into lines of at most ``width`` signs, after ``|``, ``[``, ``,``.

    A part that is longer by itself stays whole.
    """
    lines = [""]
    for part in re.split(r"(?<=[|,\[])", name):
        if lines[-1] and len(lines[-1]) + len(part) > width:
            lines.append("")
        lines[-1] += part
    return "\n".join(lines)


def score_colours(kind: str) -> str:
    """Return the name of the colour map in which brighter means more alike."""
    return "viridis" if kind == "similarity" else "viridis_r"


def in_order(values: Iterable[Any]) -> list[str]:
    """Return the distinct non-null values as text, in order of appearance."""
    return list(dict.fromkeys(str(value) for value in values if not pd.isna(value)))


def colours_of(values: Iterable[Any], colours: tuple[str, ...] = GROUP_COLOURS) -> dict[str, str]:
    """Give each distinct value a colour; beyond the last colour they repeat."""
    return {name: colours[i % len(colours)] for i, name in enumerate(in_order(values))}


def chosen_factors(columns: Iterable[str]) -> tuple[str | None, str | None]:
    """Return the tags shown by colour and by mark.

    Architecture and objective where they are known, otherwise the first tags that are left; the
    seed is never one of them.
    """
    others = [name for name in columns if name != NUISANCE_FACTOR]
    colour = COLOUR_FACTOR if COLOUR_FACTOR in others else None
    mark = MARK_FACTOR if MARK_FACTOR in others else None
    free = [name for name in others if name not in (colour, mark)]
    if colour is None and free:
        colour = free.pop(0)
    if mark is None and free:
        mark = free.pop(0)
    return colour, mark
