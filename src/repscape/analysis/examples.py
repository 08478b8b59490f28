"""Choose the few pairs of models whose layer grids are worth drawing."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from repscape.analysis.groups import grouping_factors, pair_differences
from repscape.analysis.model_scores import model_scores
from repscape.analysis.tidy import only_slice

ANY_PAIR = "any pair"


def example_pairs(
    table: pd.DataFrame, factors: Sequence[str] | None = None, *, per_factor: int = 3
) -> pd.DataFrame:
    """Choose pairs of models that differ in one factor only.

    For each factor ``per_factor`` such pairs are taken, each time the one that shares least with
    those taken before, so that they cover the design. Without pairs of this sort any pairs are
    taken.

    Parameters
    ----------
    table
        The layer rows of one measure.
    factors
        Tags; None takes those that can group the models, the seed first if there is one.
    per_factor
        How many pairs of each sort.

    Returns
    -------
    DataFrame
        Columns ``model_a``, ``model_b``, ``differs_in``, one row per pair.
    """
    scores = model_scores(only_slice(table).table, "most_alike")
    if scores.empty:
        return pd.DataFrame(columns=["model_a", "model_b", "differs_in"])
    names = list(factors) if factors is not None else _seed_first(grouping_factors(scores))
    pairs = pair_differences(scores, names)
    chosen = [_spread(pairs[pairs["differs_in"] == name], names, per_factor) for name in names]
    result = pd.concat(chosen) if chosen else pairs.head(0)
    if result.empty:
        result = _spread(pairs, names, per_factor).assign(differs_in=ANY_PAIR)
    return result[["model_a", "model_b", "differs_in"]].reset_index(drop=True)


def _seed_first(factors: list[str]) -> list[str]:
    return sorted(factors, key=lambda name: name != "seed")


def _spread(pairs: pd.DataFrame, names: Sequence[str], count: int) -> pd.DataFrame:
    """Take ``count`` rows, each as unlike those before it as there is, in the table's order."""
    columns = ["model", *names]
    traits = [
        [frozenset({row[f"{name}_a"], row[f"{name}_b"]}) for name in columns]
        for row in pairs.to_dict("records")
    ]
    chosen: list[int] = []
    while len(chosen) < min(count, len(pairs)):
        left = [index for index in range(len(pairs)) if index not in chosen]
        chosen.append(min(left, key=lambda index: _overlap(traits[index], traits, chosen)))
    return pairs.iloc[chosen]


def _overlap(
    candidate: list[frozenset[str]], traits: list[list[frozenset[str]]], chosen: list[int]
) -> int:
    """How many models and values of factors a pair has in common with those chosen so far."""
    shared = 0
    for index in chosen:
        same = [left == right for left, right in zip(candidate, traits[index], strict=True)]
        shared += sum(same) + len(candidate[0] & traits[index][0])
    return shared
