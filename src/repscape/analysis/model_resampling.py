"""Tests and intervals that resample models or data sets, never pairs.

The pairs of M models share models, so their M(M-1)/2 scores are not independent observations:
treating them so gives intervals that are far too short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import factorial
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from repscape.errors import InvalidParameterError, TooFewSamplesError, did_you_mean

Matrix: TypeAlias = NDArray[np.float64]
Statistic: TypeAlias = Callable[[Sequence[Matrix], NDArray[np.bool_]], float]
"""A number from matrices of models × models, on the pairs that the mask (M × M) allows."""
Compare: TypeAlias = Literal["pearson", "spearman"]

FEWEST_MODELS = 4


@dataclass(frozen=True)
class Estimate:
    """A statistic with an interval.

    Attributes
    ----------
    value : float
        On the models as they are.
    low, high : float
        The interval; nothing is clipped.
    confidence : float
        Nominal coverage.
    standard_error : float
        The standard deviation over resamples.
    resamples : int
        How many had a value.
    """

    value: float
    low: float
    high: float
    confidence: float
    standard_error: float
    resamples: int


@dataclass(frozen=True)
class PermutationTest:
    """The outcome of a permutation test.

    Attributes
    ----------
    value : float
        The statistic.
    p_value : float
        (1 + exceedances) / (1 + permutations).
    null_mean, null_sd : float
        Over permutations.
    alternative : str
        "greater" or "two-sided".
    n_permutations : int
    models : int
    """

    value: float
    p_value: float
    null_mean: float
    null_sd: float
    alternative: str
    n_permutations: int
    models: int


def consistency(compare: Compare = "pearson") -> Statistic:
    """The statistic "correlation over pairs of models between two matrices"."""
    if compare not in get_args(Compare):
        raise InvalidParameterError(
            f"compare={compare!r}: {did_you_mean(str(compare), get_args(Compare))}"
        )

    def statistic(matrices: Sequence[Matrix], pairs: NDArray[np.bool_]) -> float:
        first, second = (matrix[pairs] for matrix in matrices)
        return _correlation(first, second, compare)

    return statistic


def mean_score(matrices: Sequence[Matrix], pairs: NDArray[np.bool_]) -> float:
    """The statistic "mean over pairs of models", of one matrix or the mean over several."""
    return float(np.mean([matrix[pairs].mean() for matrix in matrices]))


def model_bootstrap(
    matrices: Sequence[ArrayLike],
    statistic: Statistic = mean_score,
    *,
    data_sets: bool = False,
    resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Resample models with replacement; pairs of a model with its own copy are dropped.

    Parameters
    ----------
    matrices : sequence of (M, M) arrays
        Symmetric scores of the same models, e.g. one matrix for each data set; NaN is missing
        (a pair counts only if no matrix lacks it). The diagonal is ignored.
    statistic : function of (matrices, mask of pairs) to float
        `mean_score`, `consistency()`, or any other.
    data_sets : bool
        Resample the matrices, too: the two-factor bootstrap, for a population of data sets.
    resamples, confidence, seed
        How many, nominal coverage, seed.

    Returns
    -------
    Estimate
        The basic bootstrap interval: deviations of the resampled statistics from the value,
        turned around it, widened by √(M/(M-1)) since the plug-in variance is too small for few
        models (and by the same for data sets, if they are resampled).

    Raises
    ------
    TooFewSamplesError
        Fewer than 4 models, or fewer than 2 data sets to resample.
    InvalidParameterError
        Matrices that are not square, symmetric and of one size.

    References
    ----------
    Nili et al. 2014, "A toolbox for representational similarity analysis"; Schütt et al. 2023,
    "Statistical inference on representational geometries" (two-factor bootstrap); Snijders and
    Borgatti 1999, "Non-parametric standard errors and tests for network statistics".
    """
    checked = [_checked(matrix) for matrix in matrices]
    models = _common_size(checked)
    if data_sets and len(checked) < 2:
        raise TooFewSamplesError("one data set cannot be resampled: give the matrices of several")
    usable = _usable_pairs(checked)
    value = statistic(checked, np.triu(usable, 1))
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(resamples):
        drawn = rng.integers(0, models, models)
        chosen = rng.integers(0, len(checked), len(checked)) if data_sets else range(len(checked))
        resampled = [checked[index][np.ix_(drawn, drawn)] for index in chosen]
        distinct = drawn[:, None] != drawn[None, :]
        pairs = np.triu(distinct & usable[np.ix_(drawn, drawn)], 1)
        if pairs.sum() >= 3:
            found.append(statistic(resampled, pairs))
    deviations = np.array(found) - value
    deviations = deviations[np.isfinite(deviations)] * np.sqrt(models / (models - 1))
    if data_sets:
        deviations *= np.sqrt(len(checked) / (len(checked) - 1))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(deviations, [tail, 1.0 - tail])
    error = float(deviations.std(ddof=1))
    return Estimate(
        value, value - float(high), value - float(low), confidence, error, len(deviations)
    )


def mantel(
    first: ArrayLike,
    second: ArrayLike,
    *,
    compare: Compare = "pearson",
    alternative: Literal["greater", "two-sided"] = "greater",
    n_permutations: int = 999,
    seed: int = 0,
) -> PermutationTest:
    """Test whether two matrices of scores of the same models agree: the Mantel (QAP) test.

    The statistic is the correlation over pairs of models; permutations relabel the models of
    one matrix, rows and columns together.

    Parameters
    ----------
    first, second : (M, M) array
        Symmetric; the diagonal is ignored. Pairs that either lacks (NaN) are left out, and move
        with the labels of the second.
    compare : "pearson" or "spearman"
        Spearman ranks the pairs once, before relabelling.
    alternative : "greater" or "two-sided"
        Two-sided compares absolute values.

    References
    ----------
    Mantel 1967, "The detection of disease clustering and a generalized regression approach";
    Krackhardt 1988, "Predicting with networks" (QAP).
    """
    a, b = _checked(first), _checked(second)
    _common_size([a, b])
    statistic = consistency(compare)

    def correlation(order: NDArray[np.int64]) -> float:
        moved = b[np.ix_(order, order)]
        return statistic([a, moved], np.triu(_usable_pairs([a, moved]), 1))

    return _permute_models(correlation, len(a), n_permutations, seed, alternative)


def groups_differ(
    matrix: ArrayLike,
    groups: Sequence[object],
    *,
    kind: Literal["similarity", "distance"] = "similarity",
    n_permutations: int = 999,
    seed: int = 0,
) -> PermutationTest:
    """Test whether models of one group are more alike than models of different groups.

    The statistic is the mean over pairs within groups less that over pairs between them (for a
    distance with the sign changed); permutations hand out the group labels anew.

    Parameters
    ----------
    matrix : (M, M) array
        Symmetric scores; NaN is missing, the diagonal is ignored.
    groups : (M,) sequence
        The group of each model; at least two groups, one of them with two models.
    """
    values = _checked(matrix)
    _common_size([values])
    labels = pd.factorize(pd.Series(list(groups)))[0]
    if len(labels) != len(values):
        raise InvalidParameterError(f"{len(labels)} groups were given for {len(values)} models")
    sign = 1.0 if kind == "similarity" else -1.0
    usable = np.triu(_usable_pairs([values]), 1)

    def difference(order: NDArray[np.int64]) -> float:
        moved = labels[order]
        same = moved[:, None] == moved[None, :]
        return sign * float(values[usable & same].mean() - values[usable & ~same].mean())

    same = labels[:, None] == labels[None, :]
    if not (usable & same).any() or not (usable & ~same).any():
        raise InvalidParameterError(
            "the groups leave nothing to permute: at least two groups are needed, and a pair of "
            "models within one of them"
        )
    return _permute_models(difference, len(values), n_permutations, seed, "greater")


def _permute_models(
    statistic: Callable[[NDArray[np.int64]], float],
    models: int,
    n_permutations: int,
    seed: int,
    alternative: str,
) -> PermutationTest:
    if alternative not in ("greater", "two-sided"):
        raise InvalidParameterError(f"alternative={alternative!r}: write 'greater' or 'two-sided'")
    if n_permutations < 1:
        raise InvalidParameterError(f"n_permutations={n_permutations}: ask for at least 1")
    reachable = factorial(min(models, 12))
    if reachable <= n_permutations:
        raise TooFewSamplesError(
            f"{models} models have {reachable} different orders, so the smallest p-value that is "
            f"reachable is 1/{reachable} = {1 / reachable:.3g}: n_permutations={n_permutations} "
            f"is too many; ask for at most {reachable - 1}, or compare more models"
        )
    rng = np.random.default_rng(seed)
    value = statistic(np.arange(models))
    null = np.array([statistic(rng.permutation(models)) for _ in range(n_permutations)])
    found, observed = (null, value) if alternative == "greater" else (np.abs(null), abs(value))
    exceed = int((found >= observed - 1e-12 * max(1.0, abs(observed))).sum())
    return PermutationTest(
        value,
        (1 + exceed) / (1 + n_permutations),
        float(null.mean()),
        float(null.std(ddof=1)) if n_permutations > 1 else float("nan"),
        alternative,
        n_permutations,
        models,
    )


def _correlation(first: Matrix, second: Matrix, compare: Compare) -> float:
    if compare == "spearman":
        first, second = (pd.Series(v).rank().to_numpy(dtype=float) for v in (first, second))
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def _checked(matrix: ArrayLike) -> Matrix:
    values = np.asarray(matrix, dtype=float)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise InvalidParameterError(
            f"a matrix of scores is models × models, but the shape given is {values.shape}"
        )
    if not np.allclose(values, values.T, equal_nan=True):
        raise InvalidParameterError(
            "a matrix of scores must be symmetric here: average the two directions first"
        )
    return values


def _common_size(matrices: Sequence[Matrix]) -> int:
    for one, other in pairwise(matrices):
        if one.shape != other.shape:
            raise InvalidParameterError(
                f"the matrices are of {len(one)} and {len(other)} models: keep the shared ones"
            )
    if not matrices or len(matrices[0]) < FEWEST_MODELS:
        count = len(matrices[0]) if matrices else 0
        raise TooFewSamplesError(
            f"{count} models are too few to resample: at least {FEWEST_MODELS} are needed"
        )
    return len(matrices[0])


def _usable_pairs(matrices: Sequence[Matrix]) -> NDArray[np.bool_]:
    usable: NDArray[np.bool_] = np.logical_and.reduce([np.isfinite(m) for m in matrices])
    return usable
