"""Layer identification: does a measure find the same layer again in another network?

Two networks of one architecture and objective that differ in their seed learn corresponding
layers. A measure that deserves trust should find, for a layer of one, the same layer of the
other as the most similar one (Kornblith et al. 2019, section 6.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from repscape.analysis.tidy import (
    Slice,
    both_directions,
    layer_positions,
    model_tags,
    slices,
)
from repscape.errors import UnknownNameError, did_you_mean


def layer_identification(
    table: pd.DataFrame,
    *,
    same: Sequence[str] | None = None,
    differ: str = "seed",
    symmetric: bool = True,
) -> pd.DataFrame:
    """Return how often the most similar layer of the other network is the same layer.

    A layer of ``model_a`` is identified if, of all layers of ``model_b``, the one with the same
    name is strictly the most similar: the highest similarity or the lowest distance. A tie for
    the best is a failure. A layer for which a score is missing is undefined and not counted.

    Parameters
    ----------
    table
        A tidy table of layers; several measures are kept apart.
    same
        Tags that the two models must share. Those that the table lacks are not asked for. By
        default the architecture, the objective, and every other tag in which any two models agree.
    differ
        The tag in which they must differ.
    symmetric
        Whether a pair of layers given in one direction stands for both.

    Returns
    -------
    DataFrame
        One row per measure and *ordered* pair of models, with ``layers``, ``counted``,
        ``correct``, ``tied``, ``undefined``, ``accuracy`` = correct / counted in [0, 1],
        ``chance`` = 1 / layers, the tags in ``same``, and ``reason`` where the accuracy is null.
        Without a pair to compare the table has no rows.

    Raises
    ------
    UnknownNameError
        The table has no tag ``differ``.

    References
    ----------
    Kornblith, Norouzi, Lee & Hinton 2019, "Similarity of Neural Network Representations
    Revisited", ICML.
    """
    rows: list[dict[str, object]] = []
    for piece in slices(table):
        tags = model_tags(piece.table)
        if differ not in tags.columns:
            raise UnknownNameError(
                f"the table has no tag {differ!r} of its models; "
                + did_you_mean(differ, tags.columns)
            )
        shared = _shared(tags, same, differ)
        layers = layer_positions(piece.table).groupby("model", sort=False)["layer"].agg(list)
        best = _best_matches(piece, symmetric)
        for model_a, model_b in _twins(tags, shared, differ):
            row: dict[str, object] = {**piece.context, "model_a": model_a, "model_b": model_b}
            row |= {name: tags.loc[model_a, name] for name in shared}
            found = best.get((model_a, model_b), {})
            row |= _outcome(found, layers[model_a], layers[model_b])
            rows.append(row)
    shared = _shared(model_tags(table), same, differ)
    return pd.DataFrame(rows, columns=[*_LEAD, *shared, *_COUNTS])


def _shared(tags: pd.DataFrame, same: Sequence[str] | None, differ: str) -> list[str]:
    """The tags that two models must have in common."""
    if same is not None:
        return [name for name in same if name in tags.columns]
    others = [name for name in tags.columns if name != differ]
    return [name for name in others if name in _ALWAYS or tags[name].duplicated().any()]


def identification_accuracy(rows: pd.DataFrame, by: Sequence[str] = ()) -> pd.DataFrame:
    """Pool the rows of `layer_identification` over pairs of models.

    Parameters
    ----------
    rows
        The result of `layer_identification`.
    by
        Tags to keep apart, e.g. ``("architecture",)``.

    Returns
    -------
    DataFrame
        One row per measure (and value of ``by``): ``pairs`` (ordered pairs of models),
        ``counted``, ``correct``, ``tied``, ``undefined``, ``accuracy`` = correct / counted, and
        ``chance``, the accuracy that guessing would reach on average.
    """
    counted = rows.assign(expected=rows["chance"] * rows["counted"], pairs=1)
    keys = ["data", "split", "measure", "kind", *by]
    sums = ["pairs", "counted", "correct", "tied", "undefined", "expected"]
    pooled = counted.groupby(keys, sort=False, dropna=False)[sums].sum().reset_index()
    some = pooled["counted"].where(pooled["counted"] > 0)
    pooled["accuracy"] = pooled["correct"] / some
    pooled["chance"] = pooled["expected"] / some
    return pooled.drop(columns="expected")


_ALWAYS = ("architecture", "objective")
"""Layers of networks that differ in these are not expected to be the same."""
_LEAD = ["data", "split", "measure", "kind", "model_a", "model_b"]
_COUNTS = [
    "layers",
    "counted",
    "correct",
    "tied",
    "undefined",
    "accuracy",
    "chance",
    "reason",
]


@dataclass(frozen=True)
class _Match:
    """The best layers of the other network for one layer, and how many were scored."""

    best: tuple[str, ...]
    scored: int


def _best_matches(piece: Slice, symmetric: bool) -> dict[tuple[str, str], dict[str, _Match]]:
    rows = both_directions(piece.table, symmetric=symmetric)
    rows = rows[rows["model_a"] != rows["model_b"]].dropna(subset=["value"])
    query = ["model_a", "model_b", "layer_a"]
    values = rows.groupby(query)["value"]
    top = values.transform("max") if piece.kind == "similarity" else values.transform("min")
    scored = rows.groupby(query).size().to_dict()
    matches: dict[tuple[str, str], dict[str, _Match]] = {}
    for (a, b, layer), best in rows[rows["value"] == top].groupby(query)["layer_b"]:
        match = _Match(tuple(str(name) for name in best), int(scored[(a, b, layer)]))
        matches.setdefault((str(a), str(b)), {})[str(layer)] = match
    return matches


def _twins(tags: pd.DataFrame, shared: Sequence[str], differ: str) -> list[tuple[str, str]]:
    """Ordered pairs of models that share some tags, or both lack them, and differ in another."""
    known = tags.dropna(subset=[differ]).astype(object)
    known = known.where(known.notna(), None)
    return [
        (str(a), str(b))
        for a in known.index
        for b in known.index
        if known.loc[a, differ] != known.loc[b, differ]
        and all(known.loc[a, name] == known.loc[b, name] for name in shared)
    ]


def _outcome(
    found: dict[str, _Match], layers_a: list[str], layers_b: list[str]
) -> dict[str, object]:
    if set(layers_a) != set(layers_b):
        only = sorted(set(layers_a) ^ set(layers_b))
        return _null_outcome(len(layers_a), f"only one of the two has layer {only[0]!r}")
    whole = {layer: match for layer, match in found.items() if match.scored == len(layers_b)}
    if not whole:
        return _null_outcome(len(layers_a), "no layer has all the scores that it needs")
    correct = sum(match.best == (layer,) for layer, match in whole.items())
    return {
        "layers": len(layers_a),
        "counted": len(whole),
        "correct": correct,
        "tied": sum(len(match.best) > 1 for match in whole.values()),
        "undefined": len(layers_a) - len(whole),
        "accuracy": correct / len(whole),
        "chance": 1 / len(layers_b),
        "reason": None,
    }


def _null_outcome(layers: int, reason: str) -> dict[str, object]:
    return {
        "layers": layers,
        "counted": 0,
        "correct": 0,
        "tied": 0,
        "undefined": layers,
        "accuracy": float("nan"),
        "chance": 1 / layers,
        "reason": reason,
    }
