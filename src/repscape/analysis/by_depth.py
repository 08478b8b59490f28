"""How alike are models, layer by layer in the order of the layers compared?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from repscape.analysis.tidy import layer_positions, slices

COLUMNS = {
    "data": "data set",
    "split": "its split",
    "measure": "printable name",
    "kind": "similarity or distance",
    "place": "of both layers among those compared, from 1 (first)",
    "depth": "mean depth in their networks: 0 embeddings, 1 last block; null if not known of all",
    "depth_low": "least",
    "depth_high": "largest",
    "pairs": "number of pairs of models with a score",
    "mean": "mean over these pairs",
    "low": "lowest",
    "high": "highest",
    "null_mean": "mean under random pairing of the samples; null without nulls",
}
"""The columns of the table of `scores_by_depth`."""


def scores_by_depth(
    scores: pd.DataFrame, representations: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Average the scores of two models' k-th layers, of those compared, over pairs of models.

    Only models with equally many layers in the table are paired, layer k with layer k.

    Parameters
    ----------
    scores
        A tidy table of scores.
    representations
        Columns `model`, `layer` and `depth` (`repscape.extract.depth.relative_depth`).

    Returns
    -------
    DataFrame
        One row per data set, measure and place; the columns are described in `COLUMNS`.
    """
    depths = _depths(representations)
    rows = []
    for piece in slices(scores):
        for _, part in _matched(piece.table).groupby("place", sort=True):
            null = part["null_mean"].mean() if "null_mean" in part.columns else None
            rows.append(
                {
                    **piece.context,
                    "place": int(part["place"].iloc[0]),
                    **_depth_of(part, depths),
                    "pairs": len(part),
                    "mean": part["value"].mean(),
                    "low": part["value"].min(),
                    "high": part["value"].max(),
                    "null_mean": null,
                }
            )
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS)).astype(
        dict.fromkeys(("depth", "depth_low", "depth_high"), "float64")
    )


def _matched(table: pd.DataFrame) -> pd.DataFrame:
    """The rows with a score of two models' layers of one place, and the place."""
    places = layer_positions(table).set_index(["model", "layer"])
    a, b = (places.reindex(_layers(table, side)) for side in "ab")
    same = a["position"].to_numpy() == b["position"].to_numpy()
    same &= a["layers"].to_numpy() == b["layers"].to_numpy()
    same &= table["model_a"].to_numpy() != table["model_b"].to_numpy()
    matched: pd.DataFrame = table.assign(place=1 + a["position"].to_numpy())[same]
    return matched.dropna(subset=["value"])


def _layers(table: pd.DataFrame, side: str) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[[f"model_{side}", f"layer_{side}"]])


def _depths(representations: pd.DataFrame | None) -> pd.Series:
    """Depths by model and layer, as far as known."""
    if representations is None or "depth" not in representations.columns:
        return pd.Series(dtype="float64", index=pd.MultiIndex.from_arrays([[], []]))
    return representations.groupby(["model", "layer"])["depth"].first()


def _depth_of(part: pd.DataFrame, depths: pd.Series) -> dict[str, float]:
    """Mean and range of the depths of all layers of a place; NaN if one is not known."""
    found = np.concatenate([depths.reindex(_layers(part, side)).to_numpy() for side in "ab"])
    return {
        "depth": float(found.mean()),
        "depth_low": float(found.min()),
        "depth_high": float(found.max()),
    }
