"""Which factor groups the networks: seed, architecture, objective, or any other tag.

All numbers here describe the pairs at hand. Pairs that share a model are not independent, so
nothing here is a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import factorial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repscape.analysis.tidy import model_tags, slices
from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

SAME = "nothing"
JOIN = " + "
MOST_FACTORS = 12


def grouping_factors(table: pd.DataFrame) -> list[str]:
    """Return the tags that can group the models, in the table's order.

    These are the tags that every model has, that take more than one value, and that at least two
    models share.
    """
    tags = model_tags(table)
    values = tags.nunique()
    return [
        str(name)
        for name in tags.columns
        if tags[name].notna().all() and 1 < values[name] < len(tags)
    ]


def pair_differences(scores: pd.DataFrame, factors: Sequence[str] | None = None) -> pd.DataFrame:
    """Say of each pair of distinct models in which factors the two differ.

    Parameters
    ----------
    scores
        One row per measure and pair of models (`repscape.analysis.model_scores.model_scores`).
    factors
        Tags; None takes `grouping_factors`.

    Returns
    -------
    DataFrame
        The rows, with the columns ``differs_in`` (the factors joined by `` + ``, in the order
        given; ``nothing`` where the two share all) and ``differences`` (their number).
    """
    names = _checked_factors(scores, factors)
    pairs = scores[scores["model_a"] != scores["model_b"]].reset_index(drop=True)
    differing = ~_shared(pairs, names)
    pairs["differs_in"] = [
        JOIN.join(name for name, differs in zip(names, row, strict=True) if differs) or SAME
        for row in differing
    ]
    pairs["differences"] = differing.sum(axis=1)
    return pairs


def group_effects(scores: pd.DataFrame, factors: Sequence[str] | None = None) -> pd.DataFrame:
    """Return, for each measure and factor, how much sharing the factor goes with likeness.

    Three questions are kept apart, for the pairs of distinct models that have a score:

    *Marginal*: ``mean_same`` and ``mean_different`` are the mean scores of the pairs that share
    the factor's value and of those that do not, whatever else they share. ``difference`` is the
    first minus the second, with its sign turned for distances: positive means that models that
    share the factor are more alike.

    *Only this factor*: ``mean_only`` is the mean score of the ``pairs_only`` pairs that differ in
    this factor and share all the others: what is left of the likeness when nothing else changes.

    *All factors together*: the least-squares regression of the scores on one indicator per factor
    (1 where the pair shares it), i.e. multiple regression on distance matrices. ``effect`` is the
    factor's coefficient, with the sign of ``difference``: the gain from sharing it, the other
    factors held. ``share_all`` is R², the part of the variation among pairs that all factors
    account for, in [0, 1]. ``share`` is the factor's part of it: the rise of R² when its
    indicator enters the regression, averaged over all orders in which the factors can enter
    (Shapley value, or LMG), so that shares are not negative and sum to ``share_all``.

    Parameters
    ----------
    scores
        One row per measure and pair of models (`repscape.analysis.model_scores.model_scores`).
    factors
        Tags; None takes `grouping_factors`.

    Returns
    -------
    DataFrame
        One row per measure and factor. A number that does not exist is null; ``reason`` says why
        the factor has no effect or share. Means of no pairs are null (their count is 0).

    Raises
    ------
    UnknownNameError
        A factor is no tag of the models, or a model has no value of it.
    InvalidParameterError
        More than 12 factors: the shares take 2 to their number regressions.

    References
    ----------
    Lindeman, Merenda & Gold 1980, "Introduction to Bivariate and Multivariate Analysis", p. 119
    (shares); Grömping 2007, "Estimators of relative importance in linear regression", The
    American Statistician 61.
    Legendre, Lapointe & Casgrain 1994, "Modeling brain evolution from behavior: a permutational
    regression approach", Evolution 48 (regression on distance matrices).
    """
    names = _checked_factors(scores, factors)
    rows: list[dict[str, object]] = []
    for piece in slices(scores):
        pairs = pair_differences(piece.table, names).dropna(subset=["value"])
        regression = _regress(_shared(pairs, names), pairs["value"].to_numpy(dtype=float))
        sign = 1.0 if piece.kind == "similarity" else -1.0
        tags = model_tags(piece.table)
        for index, name in enumerate(names):
            row: dict[str, object] = {**piece.context, "factor": name}
            row |= {"levels": int(tags[name].nunique())}
            row |= _means(pairs, name, sign)
            row |= regression.of(index, sign)
            rows.append(row)
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    "data",
    "split",
    "measure",
    "kind",
    "factor",
    "levels",
    "pairs_same",
    "pairs_different",
    "mean_same",
    "mean_different",
    "difference",
    "pairs_only",
    "mean_only",
    "effect",
    "share",
    "share_all",
    "reason",
]


def _checked_factors(table: pd.DataFrame, factors: Sequence[str] | None) -> list[str]:
    if factors is None:
        return grouping_factors(table)[:MOST_FACTORS]
    if len(factors) > MOST_FACTORS:
        raise InvalidParameterError(
            f"{len(factors)} factors are too many to take apart: name at most {MOST_FACTORS}"
        )
    return checked_tags(table, factors)


def checked_tags(table: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Return the names, all of which are tags that every model of the table has.

    Raises
    ------
    UnknownNameError
        Otherwise, naming the tag or the model.
    """
    known = model_tags(table)
    for name in names:
        if name not in known.columns:
            raise UnknownNameError(
                f"the table has no tag {name!r} of its models; " + did_you_mean(name, known.columns)
            )
        if known[name].isna().any():
            without = str(known.index[known[name].isna()][0])
            raise UnknownNameError(f"model {without!r} has no value of the tag {name!r}")
    return list(names)


def _shared(pairs: pd.DataFrame, factors: Sequence[str]) -> NDArray[np.bool_]:
    """Pairs × factors: whether the two models of a pair share the factor's value."""
    same = np.zeros((len(pairs), len(factors)), dtype=bool)
    for index, name in enumerate(factors):
        left, right = (pairs[f"{name}_{side}"].to_numpy(dtype=object) for side in "ab")
        same[:, index] = left == right
    return same


def _means(pairs: pd.DataFrame, factor: str, sign: float) -> dict[str, object]:
    same = _shared(pairs, [factor])[:, 0]
    alone = pairs["value"][pairs["differs_in"] == factor]
    shared, different = pairs["value"][same], pairs["value"][~same]
    return {
        "pairs_same": len(shared),
        "pairs_different": len(different),
        "mean_same": float(shared.mean()),
        "mean_different": float(different.mean()),
        "difference": sign * float(shared.mean() - different.mean()),
        "pairs_only": len(alone),
        "mean_only": float(alone.mean()),
    }


@dataclass(frozen=True)
class _Regression:
    """Coefficients and shares of a regression on indicators; NaN where they do not exist."""

    effects: NDArray[np.float64]
    shares: NDArray[np.float64]
    share_all: float
    reasons: list[str | None]

    def of(self, index: int, sign: float) -> dict[str, object]:
        return {
            "effect": sign * float(self.effects[index]),
            "share": float(self.shares[index]),
            "share_all": self.share_all,
            "reason": self.reasons[index],
        }


def _regress(indicators: NDArray[np.bool_], values: NDArray[np.float64]) -> _Regression:
    factors = indicators.shape[1]
    nothing = np.full(factors, np.nan)
    if len(values) == 0:
        return _Regression(nothing, nothing, float("nan"), ["no pair has a score"] * factors)
    effects, reasons = _effects(indicators, values)
    # Equal scores differ by the rounding of their mean only.
    if np.ptp(values) == 0:
        equal = [reason or "all pairs have the same score" for reason in reasons]
        return _Regression(effects, nothing, float("nan"), list(equal))
    explained = _explained_by_subsets(indicators, values)
    return _Regression(effects, _shapley(explained, factors), explained[-1], reasons)


def _effects(
    indicators: NDArray[np.bool_], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[str | None]]:
    design = np.column_stack([np.ones(len(values)), indicators])
    effects = np.linalg.lstsq(design, values)[0][1:]
    rank = np.linalg.matrix_rank(design)
    reasons: list[str | None] = []
    for index in range(indicators.shape[1]):
        aliased = np.linalg.matrix_rank(np.delete(design, index + 1, axis=1)) == rank
        reasons.append("cannot be told from the other factors in these pairs" if aliased else None)
    return np.where([reason is None for reason in reasons], effects, np.nan), reasons


def _explained_by_subsets(
    indicators: NDArray[np.bool_], values: NDArray[np.float64]
) -> list[float]:
    """R² of the regression on each subset of factors; bit i of the index says that i is in it."""
    factors = indicators.shape[1]
    centred = values - values.mean()
    explained = []
    for subset in range(1 << factors):
        members = [index for index in range(factors) if subset >> index & 1]
        design = np.column_stack([np.ones(len(values)), indicators[:, members]])
        fitted = design @ np.linalg.lstsq(design, centred)[0]
        explained.append(float(fitted @ fitted / (centred @ centred)))
    return explained


def _shapley(explained: list[float], factors: int) -> NDArray[np.float64]:
    """The mean rise of R² on entering each factor, over all orders of entering."""
    shares = np.zeros(factors)
    for subset, reached in enumerate(explained):
        size = subset.bit_count()
        for index in range(factors):
            if not subset >> index & 1:
                weight = factorial(size) * factorial(factors - size - 1) / factorial(factors)
                shares[index] += weight * (explained[subset | 1 << index] - reached)
    return shares
