"""How alike are models, layer by layer in the order of the layers compared?"""

from __future__ import annotations

import pandas as pd

from repscape.analysis.tidy import layer_positions, slices

COLUMNS = {
    "data": "data set",
    "split": "its split",
    "measure": "printable name",
    "kind": "similarity or distance",
    "place": "of both layers among those compared, from 1 (first); not a depth in the network",
    "pairs": "number of pairs of models with a score",
    "mean": "mean over these pairs",
    "low": "lowest",
    "high": "highest",
    "null_mean": "mean under random pairing of the samples; null without nulls",
}
"""The columns of the table of `scores_by_depth`."""


def scores_by_depth(scores: pd.DataFrame) -> pd.DataFrame:
    """Average the scores of two models' k-th layers, of those compared, over pairs of models.

    Only models with equally many layers in the table are paired, layer k with layer k.

    Returns
    -------
    DataFrame
        One row per data set, measure and place; the columns are described in `COLUMNS`.
    """
    rows = []
    for piece in slices(scores):
        table = piece.table
        places = layer_positions(table).set_index(["model", "layer"])
        sides = [
            places.reindex(pd.MultiIndex.from_frame(table[[f"model_{s}", f"layer_{s}"]]))
            for s in "ab"
        ]
        same = (sides[0]["position"].to_numpy() == sides[1]["position"].to_numpy()) & (
            sides[0]["layers"].to_numpy() == sides[1]["layers"].to_numpy()
        )
        same &= table["model_a"].to_numpy() != table["model_b"].to_numpy()
        place = 1 + sides[0]["position"].to_numpy()
        chosen = table.assign(place=place)[same].dropna(subset=["value"])
        for at, part in chosen.groupby("place", sort=True):
            null = part["null_mean"].mean() if "null_mean" in part.columns else None
            rows.append(
                {
                    **piece.context,
                    "place": int(at),
                    "pairs": len(part),
                    "mean": part["value"].mean(),
                    "low": part["value"].min(),
                    "high": part["value"].max(),
                    "null_mean": null,
                }
            )
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS))
