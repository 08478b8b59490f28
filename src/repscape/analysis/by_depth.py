"""How alike are models, layer by layer at equal relative depth?"""

from __future__ import annotations

import pandas as pd

from repscape.analysis.tidy import layer_positions, slices

COLUMNS = {
    "data": "data set",
    "split": "its split",
    "measure": "printable name",
    "kind": "similarity or distance",
    "depth": "relative depth of both layers: position / (layers - 1)",
    "pairs": "number of pairs of models with a score",
    "mean": "mean over these pairs",
    "low": "lowest",
    "high": "highest",
    "null_mean": "mean under random pairing of the samples; null without nulls",
}
"""The columns of the table of `scores_by_depth`."""


def scores_by_depth(scores: pd.DataFrame) -> pd.DataFrame:
    """Average the scores of two models' layers at equal relative depth over pairs of models.

    Only models with equally many layers in the table are paired, layer k with layer k.

    Returns
    -------
    DataFrame
        One row per data set, measure and depth; the columns are described in `COLUMNS`.
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
        depth = sides[0]["position"] / (sides[0]["layers"] - 1).clip(lower=1)
        chosen = table.assign(depth=depth.to_numpy())[same].dropna(subset=["value"])
        for at, part in chosen.groupby("depth", sort=True):
            null = part["null_mean"].mean() if "null_mean" in part.columns else None
            rows.append(
                {
                    **piece.context,
                    "depth": at,
                    "pairs": len(part),
                    "mean": part["value"].mean(),
                    "low": part["value"].min(),
                    "high": part["value"].max(),
                    "null_mean": null,
                }
            )
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS))
