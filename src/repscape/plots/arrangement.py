"""How tables are laid out in figures: what the printed and the interactive ones share."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repscape.analysis.examples import ANY_PAIR
from repscape.analysis.groups import SAME
from repscape.plots.palette import NUISANCE_FACTOR

WITHIN_MODEL = "one model"
"""Stands for the factors of a pair that is a model and itself."""

_OWN_COLUMNS = (
    "data",
    "split",
    "measure",
    "kind",
    "model",
    "x",
    "y",
    "share_x",
    "share_y",
    "reason",
)


def tags_of(coordinates: pd.DataFrame) -> list[str]:
    """Return the columns of a table of coordinates that are tags of the models."""
    return [str(name) for name in coordinates.columns if name not in _OWN_COLUMNS]


def siblings(coordinates: pd.DataFrame) -> list[pd.DataFrame]:
    """Return the sets of models that share all tags but the seed."""
    tags = [name for name in tags_of(coordinates) if name != NUISANCE_FACTOR]
    if not tags or NUISANCE_FACTOR not in coordinates.columns:
        return []
    placed = coordinates.dropna(subset=["x", "y"])
    return [group for _, group in placed.groupby(tags, sort=False) if len(group) > 1]


def strip_groups(pairs: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the scored pairs by the factors in which they differ, fewest factors first."""
    scored = pairs.dropna(subset=["value"]).sort_values("differences", kind="stable")
    return [
        (str(name) if name != SAME else f"{SAME} that is known", group)
        for name, group in scored.groupby("differs_in", sort=False)
    ]


def spread(count: int) -> NDArray[np.float64]:
    """Return small vertical offsets that keep points apart: the same for the same count."""
    golden = (5**0.5 - 1) / 2
    turns = np.arange(count, dtype=np.float64) * golden
    return np.asarray(0.44 * (turns % 1 - 0.5), dtype=np.float64)


def panel_title(differs_in: str) -> str:
    """Return the heading of the pairs that differ in these factors."""
    if differs_in == WITHIN_MODEL:
        return "layers of one model"
    return "pairs of models" if differs_in == ANY_PAIR else f"differ in {differs_in} only"
