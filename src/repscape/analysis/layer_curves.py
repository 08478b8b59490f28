"""Scores along depth: layers at equal relative depth of chosen pairs of models."""

from __future__ import annotations

import pandas as pd

from repscape.analysis.examples import example_pairs
from repscape.analysis.model_scores import matched_positions
from repscape.analysis.tidy import both_directions, layer_positions, only_slice
from repscape.errors import InvalidParameterError

_KEPT = ["value", "interval_low", "interval_high", "null_mean", "null_sd", "p_value", "effect", "n"]


def layer_curves(
    table: pd.DataFrame, pairs: pd.DataFrame | None = None, *, symmetric: bool = True
) -> pd.DataFrame:
    """Return the score of layers at equal relative depth, for some pairs of models.

    Parameters
    ----------
    table
        The layer rows of one measure; with a null or intervals these go along.
    pairs
        Columns ``model_a``, ``model_b``, ``differs_in``; None takes
        `repscape.analysis.examples.example_pairs`, one of each sort.
    symmetric
        Whether a pair of layers given in one direction stands for both.

    Returns
    -------
    DataFrame
        One row per pair and depth: ``data``, ``split``, ``measure``, ``kind``, ``model_a``,
        ``model_b``, ``differs_in``, ``layer_a``, ``layer_b``, ``depth`` (0 … 1), ``value``,
        ``interval_low``, ``interval_high``, ``null_mean``, ``null_sd``, ``p_value``, ``effect``,
        ``n``; null where the table does not say.

    Raises
    ------
    InvalidParameterError
        No two models of the table have more than one layer each.
    """
    piece = only_slice(table)
    chosen = example_pairs(piece.table, per_factor=1) if pairs is None else pairs
    positions = layer_positions(piece.table)
    rows = both_directions(piece.table, symmetric=symmetric)
    for side in "ab":
        places = positions.add_suffix(f"_{side}")
        rows = rows.merge(places, on=[f"model_{side}", f"layer_{side}"])
    rows = rows.merge(chosen, on=["model_a", "model_b"])
    depths = rows[["layers_a", "layers_b"]].drop_duplicates().itertuples(index=False)
    matched = [matched_positions(a, b) for a, b in depths if min(a, b) > 1]
    if not matched:
        raise InvalidParameterError(
            "a curve along depth needs two models with more than one layer each, and the table "
            "has none"
        )
    keys = ["layers_a", "layers_b", "position_a", "position_b"]
    found = rows.merge(pd.concat(matched), on=keys)
    fewer = found[["layers_a", "layers_b"]].min(axis=1)
    place = found["position_a"].where(found["layers_a"] <= found["layers_b"], found["position_b"])
    found = found.assign(depth=place / (fewer - 1), **piece.context)
    lead = [*piece.context, "model_a", "model_b", "differs_in", "layer_a", "layer_b", "depth"]
    numbers = found.reindex(columns=[*lead, *_KEPT]).astype(dict.fromkeys(_KEPT, "float64"))
    order = {
        pair: i for i, pair in enumerate(chosen[["model_a", "model_b"]].itertuples(index=False))
    }
    rank = [order[pair] for pair in numbers[["model_a", "model_b"]].itertuples(index=False)]
    return (
        numbers.assign(rank=rank)
        .sort_values(["rank", "depth"])
        .drop(columns="rank")
        .reset_index(drop=True)
    )
