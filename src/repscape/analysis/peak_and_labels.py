"""Are labels best told apart at the minimum of the dimension after its peak?

Valeriani et al. (2023) find, in image and protein transformers, that the intrinsic dimension of
the layers rises to a peak, falls to a minimum, and that the overlap of neighbourhoods with the
labels is highest there. Here that is tested, model by model.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from repscape.analysis.tidy import text_or_none
from repscape.errors import UnknownNameError, did_you_mean

DIMENSION, LABELS = "dimension", "label overlap"

COLUMNS = {
    "data": "data set",
    "pooling": "over positions; null where there is one",
    "model": "the model",
    "dimension": "printable name of the descriptor of the dimension",
    "overlap": "printable name of the descriptor of the labels",
    "layers": "number of layers with a label overlap",
    "peak_layer": "layer of the first peak of the dimension",
    "peak_depth": "its relative depth l / l_last",
    "minimum_layer": "layer of the minimum after the peak",
    "minimum_depth": "its relative depth",
    "best_layer": "layer of the highest label overlap",
    "best_depth": "its relative depth",
    "best_overlap": "the highest label overlap",
    "overlap_at_minimum": "the label overlap at the minimum of the dimension",
    "chance": "the label overlap of a representation that ignores the labels",
    "reached": "(overlap at the minimum - chance) / (highest overlap - chance)",
    "layers_apart": "layers between the minimum and the highest label overlap",
    "p_value": "share of layers whose label overlap is at least that at the minimum",
    "holds": "whether the two are at most one layer apart; null where there is no minimum",
    "reason": "why the claim could not be tested",
}
"""The columns of the table of `peak_and_labels`."""

NEAR = 1
_CONTEXT = ("data", "split", "pooling", "model")


def peak_and_labels(geometry: pd.DataFrame, marks: pd.DataFrame) -> pd.DataFrame:
    """Test for every model whether label overlap is highest at the minimum after the peak.

    The p-value is that of a layer drawn at random: with few layers it cannot be small, and it
    says nothing of other models.

    Parameters
    ----------
    geometry
        A geometry table with depths, at least one dimension and one label overlap per model.
    marks
        Peak, minimum and bump of its profiles (`Profile.marks`).

    Returns
    -------
    DataFrame
        One row per model, dimension and label overlap; the columns are described in `COLUMNS`.
        A model whose claim cannot be tested (no labels, no peak before the last layer) has a row
        with nulls and the reason.
    """
    _check(geometry)
    profiles = geometry[geometry["control"].isna()]
    context = [name for name in _CONTEXT if name in profiles.columns]
    rows = []
    for values, part in profiles.groupby(context, sort=False, dropna=False):
        where = {name: text_or_none(v) for name, v in zip(context, values, strict=True)}
        for dimension in _names(part, DIMENSION):
            for overlap in _names(part, LABELS):
                ours = _rows_of(marks, where, dimension)
                known = part[(part["descriptor"] == overlap)]
                rows.append({**where, **_tested(known, ours, dimension, overlap)})
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS)).astype(
        {"layers": "Int64", "layers_apart": "Int64", "holds": "boolean"}
    )


def in_words(tested: pd.DataFrame) -> list[str]:
    """What the table says, in sentences: one for each data set and dimension."""
    sentences = []
    for (data, dimension), rows in tested.groupby(["data", "dimension"], sort=False, dropna=False):
        known = rows.dropna(subset=["holds"])
        which = f"On {data}, with the dimension by `{dimension}`,"
        if known.empty:
            sentences.append(f"{which} the claim cannot be tested: {rows['reason'].iloc[0]}.")
            continue
        held, count = int(known["holds"].sum()), len(known)
        sentence = (
            f"{which} the label overlap is highest within one layer of the minimum after the "
            f"peak in {held} of {count} {'model' if count == 1 else 'models'}; at that minimum "
            f"it reaches {100 * known['reached'].median():.0f} % of the way from chance to its "
            f"highest value (median), and the two are {known['layers_apart'].median():g} of "
            f"{known['layers'].median():g} layers apart."
        )
        left_out = len(rows) - count
        if left_out:
            sentence += f" {left_out} more have no such minimum or no labels."
        sentences.append(sentence)
    return sentences


def _check(geometry: pd.DataFrame) -> None:
    present = sorted(set(geometry["quantity"].dropna()))
    for quantity in (DIMENSION, LABELS):
        if quantity not in present:
            raise UnknownNameError(
                f"the geometry table has no {quantity!r}: {did_you_mean(quantity, present)}; add "
                "gride and label_overlap to the descriptors"
            )


def _names(part: pd.DataFrame, quantity: str) -> list[str]:
    return list(dict.fromkeys(part.loc[part["quantity"] == quantity, "descriptor"]))


def _rows_of(marks: pd.DataFrame, where: dict[str, str | None], descriptor: str) -> pd.DataFrame:
    chosen = marks["descriptor"] == descriptor
    for name, value in where.items():
        if name in marks.columns and value is not None:
            chosen &= marks[name].astype(str) == value
    return marks[chosen]


def _tested(
    overlaps: pd.DataFrame, marks: pd.DataFrame, dimension: str, overlap: str
) -> dict[str, Any]:
    row: dict[str, Any] = {"dimension": dimension, "overlap": overlap}
    known = overlaps[overlaps["chosen"] & overlaps["value"].notna()]
    known = known.sort_values("depth", kind="stable").reset_index(drop=True)
    at = {mark: marks[marks["mark"] == mark] for mark in ("peak", "minimum")}
    for mark, found in at.items():
        if len(found):
            row[f"{mark}_layer"] = str(found["layer"].iloc[0])
            row[f"{mark}_depth"] = float(found["depth"].iloc[0])
    row["layers"] = len(known)
    if known.empty:
        reasons = overlaps["reason"].dropna()
        return {**row, "reason": reasons.iloc[0] if len(reasons) else "no label overlap"}
    values = known["value"].to_numpy(dtype=float)
    best = int(values.argmax())
    chance = float(known["chance"].median())
    row |= {
        "best_layer": str(known["layer"].iloc[best]),
        "best_depth": float(known["depth"].iloc[best]),
        "best_overlap": float(values[best]),
        "chance": chance,
    }
    if "minimum_depth" not in row:
        return {**row, "reason": "the dimension has no minimum after a peak"}
    place = np.flatnonzero(known["layer"].astype(str) == row["minimum_layer"])
    if not len(place):
        return {**row, "reason": f"{row['minimum_layer']} has no label overlap"}
    here = float(values[place[0]])
    apart = abs(best - int(place[0]))
    return {
        **row,
        "overlap_at_minimum": here,
        "reached": (here - chance) / (values[best] - chance) if values[best] > chance else None,
        "layers_apart": apart,
        "p_value": float((values >= here).mean()),
        "holds": apart <= NEAR,
        "reason": None,
    }
