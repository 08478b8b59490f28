"""One score per pair of models, from the scores of their layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np
import pandas as pd

from repscape.analysis.tidy import (
    Slice,
    both_directions,
    in_order_of_appearance,
    layer_positions,
    slices,
    tag_names,
)
from repscape.errors import InvalidParameterError, did_you_mean
from repscape.tables import INTERVAL_COLUMNS, NULL_COLUMNS

Rule = Literal["last", "matched_depth_mean", "most_alike"]

_PAIR = ["model_a", "model_b"]


def model_scores(
    table: pd.DataFrame, rule: Rule = "last", *, symmetric: bool = True
) -> pd.DataFrame:
    """Reduce the scores of layers to one score per pair of distinct models.

    Parameters
    ----------
    table
        A tidy table with the models and layers of both sides; several measures are kept apart.
    rule
        ``"last"``: the score of the two last layers that the table has.
        ``"matched_depth_mean"``: the mean over pairs of layers at equal relative depth. With L
        layers in the shallower of the two models, its layer k = 0 … L − 1 is paired with layer
        ⌊k (L′ − 1) / (L − 1) + ½⌋ of the other's L′; with L = 1 the two last layers are paired.
        It is null as soon as one of these scores is missing.
        ``"most_alike"``: the best score of any pair of layers: the highest similarity or the
        lowest distance. It leaves missing scores out.
    symmetric
        Whether a pair given in one direction stands for both.

    Returns
    -------
    DataFrame
        A tidy table: one row per measure and pair of models, with their tags, the columns
        ``rule`` and ``layer_pairs`` (how many scores went in), and ``layer_a``, ``layer_b``
        where the rule chooses one pair of layers. Missing scores are null with a reason. A model
        with itself is left out: that score says nothing about the two.

        What the table says of chance goes with the score: of ``"last"`` as it stands; of
        ``"most_alike"`` under the null of the best layer pair (``p_max``, ``max_null_mean``,
        ``max_effect``), since the best of many is high by chance; of a mean over layers nothing,
        and ``null_reason`` says so.

    Raises
    ------
    InvalidParameterError
        The rule is unknown, or two representations are the same layer of one model.
    """
    if rule not in get_args(Rule):
        raise InvalidParameterError(
            f"unknown rule {rule!r} for the score of two models; "
            + did_you_mean(str(rule), get_args(Rule))
        )
    pieces = [_reduced(piece, rule, symmetric) for piece in slices(table)]
    return pd.concat(pieces, ignore_index=True)


def as_model_scores(table: pd.DataFrame, rule: Rule, *, symmetric: bool = True) -> pd.DataFrame:
    """Return one score per pair of models, of a table of layers or of models."""
    if table["layer_a"].isna().all() and table["layer_b"].isna().all():
        return table
    return model_scores(table, rule, symmetric=symmetric)


def has_layers(table: pd.DataFrame) -> bool:
    """Return whether some model of the table has more than one layer."""
    sides = [table[[f"model_{s}", f"layer_{s}"]].set_axis(["m", "l"], axis=1) for s in "ab"]
    return bool((pd.concat(sides).groupby("m")["l"].nunique() > 1).any())


def _reduced(piece: Slice, rule: Rule, symmetric: bool) -> pd.DataFrame:
    rows = _oriented(piece.table, symmetric)
    if rows.empty:
        return rows[[]]
    chosen = _RULES[rule](rows, piece.kind)
    model_wise = ["n", *(f"{t}_{side}" for t in _model_tag_names(rows) for side in "ab")]
    pairs = rows.groupby(_PAIR, sort=False)[model_wise].first().reset_index()
    result = pairs.merge(chosen, on=_PAIR, how="left", validate="one_to_one")
    absent = result["value"].isna() & result["reason"].isna()
    result.loc[absent, "reason"] = "the table has no score for the layers that the rule compares"
    result["layer_pairs"] = result["layer_pairs"].fillna(0).astype(int)
    for name, value in piece.context.items():
        result[name] = value
    result["sample_digest"] = piece.table["sample_digest"].iloc[0]
    result["rule"] = rule
    return result[_column_order(result)]


def _oriented(table: pd.DataFrame, symmetric: bool) -> pd.DataFrame:
    """Rows of distinct models with the places of both layers, each unordered pair one way round."""
    place = {name: index for index, name in enumerate(in_order_of_appearance(table, "model"))}
    rows = both_directions(table, symmetric=symmetric).dropna(subset=[*_PAIR, "layer_a", "layer_b"])
    first, second = rows["model_a"].map(place), rows["model_b"].map(place)
    rows = rows[first < second] if symmetric else rows[first != second]
    positions = layer_positions(table)
    for side in "ab":
        rows = rows.merge(positions.add_suffix(f"_{side}"), on=[f"model_{side}", f"layer_{side}"])
    return rows


def _model_tag_names(rows: pd.DataFrame) -> list[str]:
    """The tags with one value per pair of models; those of layers have no place in the result."""
    names = [name for name in tag_names(rows) if name not in ("position", "layers")]
    columns = [f"{name}_{side}" for name in names for side in "ab"]
    if not columns:
        return []
    single = (rows.groupby(_PAIR)[columns].nunique() <= 1).all()
    return [name for name in names if single[f"{name}_a"] and single[f"{name}_b"]]


def _last(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    chosen = rows[
        (rows["position_a"] == rows["layers_a"] - 1) & (rows["position_b"] == rows["layers_b"] - 1)
    ]
    return chosen[_CHOSEN + _beside(rows)].assign(layer_pairs=1)


def _most_alike(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    ordered = rows.sort_values("value", ascending=kind == "distance", kind="stable")
    best = ordered.groupby(_PAIR, sort=False).head(1)
    scored = rows.groupby(_PAIR)["value"].count().rename("layer_pairs").reset_index()
    chosen = best[_CHOSEN + _beside(rows)]
    if "p_max" in chosen.columns:
        chosen = chosen.assign(
            p_value=chosen["p_max"],
            null_mean=chosen["max_null_mean"],
            effect=chosen["max_effect"],
            null_sd=np.nan,
            expected=np.nan,
        )
    return chosen.merge(scored, on=_PAIR)


def _matched_depth_mean(rows: pd.DataFrame, kind: str) -> pd.DataFrame:
    depths = rows[["layers_a", "layers_b"]].drop_duplicates().itertuples(index=False)
    matched = pd.concat([matched_positions(*pair) for pair in depths])
    chosen = rows.merge(matched, on=["layers_a", "layers_b", "position_a", "position_b"])
    grouped = chosen.groupby(_PAIR, sort=False)
    wanted = grouped[["layers_a", "layers_b"]].first().min(axis=1)
    present = grouped["value"].count()
    summary = pd.DataFrame(
        {"value": grouped["value"].mean().where(present == wanted), "layer_pairs": present}
    ).reset_index()
    lacking = (wanted - present).to_numpy()
    summary["reason"] = [
        f"{gap} of {total} matched layer pairs have no score" if gap else None
        for gap, total in zip(lacking, wanted, strict=True)
    ]
    # The rule compares many layers, so no one pair of representations can be named.
    summary = summary.reindex(columns=[*_CHOSEN, *_beside(rows), "layer_pairs"])
    if "null_reason" in summary.columns:
        summary["null_reason"] = "no null was drawn for a mean over layers"
    return summary


def matched_positions(layers_a: int, layers_b: int) -> pd.DataFrame:
    """The layers at equal relative depth of two models, as `model_scores` pairs them."""
    fewer = min(layers_a, layers_b)
    relative = np.arange(fewer) / (fewer - 1) if fewer > 1 else np.ones(1)
    return pd.DataFrame(
        {
            "layers_a": layers_a,
            "layers_b": layers_b,
            "position_a": np.floor(relative * (layers_a - 1) + 0.5).astype(int),
            "position_b": np.floor(relative * (layers_b - 1) + 0.5).astype(int),
        }
    )


_CHOSEN = [*_PAIR, "rep_a", "rep_b", "layer_a", "layer_b", "value", "reason"]


def _beside(rows: pd.DataFrame) -> list[str]:
    """The columns of the table that say what a score means."""
    return [name for name in (*NULL_COLUMNS, *INTERVAL_COLUMNS) if name in rows.columns]


_RULES: dict[Rule, Callable[[pd.DataFrame, str], pd.DataFrame]] = {
    "last": _last,
    "matched_depth_mean": _matched_depth_mean,
    "most_alike": _most_alike,
}


def _column_order(result: pd.DataFrame) -> list[str]:
    lead = ["data", "split", "sample_digest", "rep_a", "rep_b", *_PAIR, "layer_a", "layer_b"]
    lead += ["measure", "kind", "rule", "layer_pairs", "n", "value", "reason"]
    return lead + [str(name) for name in result.columns if name not in lead]
