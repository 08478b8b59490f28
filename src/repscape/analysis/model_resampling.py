"""Tests and intervals that resample models or data sets, never pairs.

The pairs of M models share models, so their M(M-1)/2 scores are not independent observations:
treating them so gives intervals that are far too short.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import factorial
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repscape.analysis.groupings import count_groupings, groupings
from repscape.analysis.model_matrices import (
    Matrix,
    Scores,
    checked_matrices,
    kind_of,
    usable_pairs,
)
from repscape.analysis.noise_ceiling import varies
from repscape.compute.seeds import checked_count, checked_seed
from repscape.errors import (
    InvalidParameterError,
    TooFewSamplesError,
    UndefinedScoreError,
    did_you_mean,
)
from repscape.significance.asked import check_confidence

Statistic: TypeAlias = Callable[[Sequence[Matrix], NDArray[np.bool_]], float]
"""A number from matrices of models × models, on the pairs that the mask (M × M) allows."""
Compare: TypeAlias = Literal["pearson", "spearman"]

_PERFECT = 1.0 - 1e-12
"""A correlation of this size is one of two different scores, but for rounding."""
_COUNTED = 12  # more models have more orders than anybody asks for


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
        (1 + exceedances) / (1 + permutations); over all of them, their share that reach the value.
    null_mean, null_sd : float
        Over permutations.
    alternative : str
        "greater" or "two-sided".
    n_permutations : int
        How many, the data as they are left out.
    models : int
    smallest_p : float
        The smallest p-value that was reachable.
    """

    value: float
    p_value: float
    null_mean: float
    null_sd: float
    alternative: str
    n_permutations: int
    models: int
    smallest_p: float


@dataclass(frozen=True)
class Consistency:
    """The statistic "correlation over pairs of models between two matrices"."""

    compare: Compare = "pearson"

    def __post_init__(self) -> None:
        if self.compare not in get_args(Compare):
            raise InvalidParameterError(
                f"compare={self.compare!r}: {did_you_mean(str(self.compare), get_args(Compare))}"
            )

    def __call__(self, matrices: Sequence[Matrix], pairs: NDArray[np.bool_]) -> float:
        """The correlation; NaN where a matrix does not vary on these pairs."""
        first, second = (matrix[pairs] for matrix in matrices)
        return _correlation(first, second, self.compare)


def mean_score(matrices: Sequence[Matrix], pairs: NDArray[np.bool_]) -> float:
    """The statistic "mean over pairs of models", of one matrix or the mean over several.

    NaN where there is no pair.
    """
    if not pairs.any():
        return float("nan")
    return float(np.mean([matrix[pairs].mean() for matrix in matrices]))


def model_bootstrap(
    matrices: Sequence[Scores],
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
    matrices : sequence of ScoreMatrix or (M, M) arrays
        Symmetric scores of the same models, e.g. one matrix for each data set; NaN is missing
        (a pair counts only if no matrix lacks it). The diagonal is ignored.
    statistic : function of (matrices, mask of pairs) to float
        `mean_score`, `Consistency()`, or any other.
    data_sets : bool
        Resample the matrices, too: the two-factor bootstrap, for a population of data sets.
    resamples, confidence, seed
        How many, nominal coverage, seed.

    Returns
    -------
    Estimate
        value ± t · s · √(M/(M-1)), with s the standard deviation over resamples, and t of M - 1
        degrees of freedom, or of one less than the number of data sets if these are resampled
        and fewer. A `Consistency` is treated on Fisher's scale, artanh r.

    Raises
    ------
    TooFewSamplesError
        Fewer than 4 models, or fewer than 2 data sets to resample.
    UndefinedScoreError
        The scores do not vary, or too few resamples have a value.
    InvalidParameterError
        Matrices that are not square, symmetric and of one size, or whose models differ; a
        distance where a similarity is expected beside another, or the reverse.

    References
    ----------
    Nili et al. 2014, "A toolbox for representational similarity analysis"; Schütt et al. 2023,
    "Statistical inference on representational geometries" (two-factor bootstrap); Snijders and
    Borgatti 1999, "Non-parametric standard errors and tests for network statistics".
    """
    checked = checked_matrices(matrices)
    models = len(checked[0])
    if data_sets and len(checked) < 2:
        raise TooFewSamplesError("one data set cannot be resampled: give the matrices of several")
    checked_count("resamples", resamples)
    check_confidence(confidence)
    rng = np.random.default_rng(checked_seed(seed))
    usable = usable_pairs(checked)
    value = _defined(statistic(checked, np.triu(usable, 1)))
    found = []
    for _ in range(resamples):
        drawn = rng.integers(0, models, models)
        chosen = rng.integers(0, len(checked), len(checked)) if data_sets else range(len(checked))
        resampled = [checked[index][np.ix_(drawn, drawn)] for index in chosen]
        distinct = drawn[:, None] != drawn[None, :]
        pairs = np.triu(distinct & usable[np.ix_(drawn, drawn)], 1)
        if pairs.sum() >= 3:
            found.append(statistic(resampled, pairs))
    units = min(models, len(checked)) if data_sets else models
    fisher = isinstance(statistic, Consistency)
    return _student(value, np.array(found), units, confidence, fisher)


def _student(
    value: float, resampled: Matrix, units: int, confidence: float, fisher: bool
) -> Estimate:
    """The t interval from resampled values, for a number of units that were resampled."""
    from scipy.stats import t

    kept = resampled[np.isfinite(resampled)]
    centre = value
    if fisher:
        if not abs(value) < _PERFECT:
            raise UndefinedScoreError(
                f"the correlation of all models is {value:g}, so Fisher's scale has no interval"
            )
        # Few models can agree perfectly in a resample, which has no place on the scale.
        kept = kept[np.abs(kept) < _PERFECT]
        centre = float(np.arctanh(value))
    if len(kept) < 2:
        raise UndefinedScoreError(
            f"{len(kept)} of {len(resampled)} resamples of the models have a value, so there is no "
            "interval: use more models, or more resamples"
        )
    scaled = np.arctanh(kept) if fisher else kept
    error = float(scaled.std(ddof=1)) * float(np.sqrt(units / (units - 1)))
    reach = float(t.ppf(0.5 + confidence / 2.0, units - 1)) * error
    low, high = centre - reach, centre + reach
    if fisher:
        low, high = float(np.tanh(low)), float(np.tanh(high))
    return Estimate(value, low, high, confidence, float(kept.std(ddof=1)), len(kept))


def mantel(
    first: Scores,
    second: Scores,
    *,
    compare: Compare = "pearson",
    alternative: Literal["greater", "two-sided"] = "greater",
    n_permutations: int = 999,
    seed: int = 0,
) -> PermutationTest:
    """Test whether two matrices of scores of the same models agree: the Mantel (QAP) test.

    The statistic is the correlation over pairs of models; permutations relabel the models of
    one matrix, rows and columns together. Where there are no more orders of the models than
    permutations asked for, all of them are taken instead: the p-value is then exact.

    Parameters
    ----------
    first, second : ScoreMatrix or (M, M) array
        Symmetric, both similarities or both distances; the diagonal is ignored. Pairs that
        either lacks (NaN) are left out, and move with the labels of the second.
    compare : "pearson" or "spearman"
        Spearman ranks the pairs once, before relabelling.
    alternative : "greater" or "two-sided"
        Two-sided compares absolute values.

    Raises
    ------
    UndefinedScoreError
        The scores of a matrix do not vary, so they correlate with nothing.

    References
    ----------
    Mantel 1967, "The detection of disease clustering and a generalized regression approach";
    Krackhardt 1988, "Predicting with networks" (QAP).
    """
    a, b = checked_matrices([first, second])
    statistic = Consistency(compare)

    def correlation(order: NDArray[np.int64]) -> float:
        moved = b[np.ix_(order, order)]
        return statistic([a, moved], np.triu(usable_pairs([a, moved]), 1))

    return _permute_models(correlation, len(a), n_permutations, seed, alternative)


def groups_differ(
    matrix: Scores,
    groups: Sequence[object],
    *,
    kind: Literal["similarity", "distance"] | None = None,
    n_permutations: int = 999,
    seed: int = 0,
) -> PermutationTest:
    """Test whether models of one group are more alike than models of different groups.

    The statistic is the mean over pairs within groups less that over pairs between them (for a
    distance with the sign changed); permutations hand out the group labels anew. Where there are
    no more different groupings than permutations asked for, all of them are taken instead: the
    p-value is then exact, and no smaller one than 1 / their number is reachable (`smallest_p`).

    Parameters
    ----------
    matrix : ScoreMatrix or (M, M) array
        Symmetric scores; NaN is missing, the diagonal is ignored.
    groups : (M,) sequence
        The group of each model; at least two groups, one of them with two models.
    kind : "similarity" or "distance", optional
        Of an array; a ScoreMatrix knows. By default similarity.
    """
    [values] = checked_matrices([matrix])
    labels = pd.factorize(pd.Series(list(groups)))[0]
    if len(labels) != len(values):
        raise InvalidParameterError(f"{len(labels)} groups were given for {len(values)} models")
    checked_seed(seed)
    sign = -1.0 if kind_of(matrix, kind) == "distance" else 1.0
    usable = np.triu(usable_pairs([values]), 1)

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
    checked_count("n_permutations", n_permutations)
    sizes = np.bincount(labels).tolist()
    if count_groupings(sizes) <= n_permutations:
        return _exact(usable, values, sign, sizes, same)
    return _permute_models(difference, len(values), n_permutations, seed, "greater")


def _exact(
    usable: NDArray[np.bool_],
    values: Matrix,
    sign: float,
    sizes: Sequence[int],
    same: NDArray[np.bool_],
) -> PermutationTest:
    """Every grouping in groups of these sizes; those without one kind of pair have no statistic."""

    def difference(together: NDArray[np.bool_]) -> float:
        within, between = values[usable & together], values[usable & ~together]
        if not len(within) or not len(between):
            return float("nan")
        return sign * float(within.mean() - between.mean())

    value = difference(same)
    every = [difference(np.equal.outer(found, found)) for found in groupings(sizes)]
    null = np.array([other for other in every if np.isfinite(other)])
    exceed = int((null >= value - 1e-12 * max(1.0, abs(value))).sum())
    return PermutationTest(
        value,
        exceed / len(null),
        float(null.mean()),
        float(null.std()),
        "greater",
        len(null) - 1,
        len(values),
        1.0 / len(null),
    )


def _permute_models(
    statistic: Callable[[NDArray[np.int64]], float],
    models: int,
    n_permutations: int,
    seed: int,
    alternative: str,
) -> PermutationTest:
    if alternative not in ("greater", "two-sided"):
        raise InvalidParameterError(f"alternative={alternative!r}: write 'greater' or 'two-sided'")
    checked_count("n_permutations", n_permutations)
    rng = np.random.default_rng(checked_seed(seed))
    value = _defined(statistic(np.arange(models)))
    every = models <= _COUNTED and factorial(models) <= n_permutations
    if every:
        drawn = np.array(list(permutations(range(models))))
    else:
        drawn = np.array([rng.permutation(models) for _ in range(n_permutations)])
    null = np.array([statistic(order) for order in drawn])
    null = null[np.isfinite(null)]
    found, observed = (null, value) if alternative == "greater" else (np.abs(null), abs(value))
    exceed = int((found >= observed - 1e-12 * max(1.0, abs(observed))).sum())
    return PermutationTest(
        value,
        exceed / len(null) if every else (1 + exceed) / (1 + len(null)),
        float(null.mean()),
        float(null.std(ddof=1)) if len(null) > 1 else float("nan"),
        alternative,
        len(null) - 1 if every else len(null),
        models,
        1.0 / (len(null) if every else 1 + len(null)),
    )


def _defined(value: float) -> float:
    """The statistic of the models as they are, if it has a value."""
    if not np.isfinite(value):
        raise UndefinedScoreError(
            f"the statistic of the models as they are is {value}: there are too few scores of "
            "pairs of models that no matrix lacks, or they do not vary"
        )
    return value


def _correlation(first: Matrix, second: Matrix, compare: Compare) -> float:
    if compare == "spearman":
        return _correlation(_ranks(first), _ranks(second), "pearson")
    if not (varies(first) and varies(second)):
        return float("nan")
    a, b = first - first.mean(), second - second.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / scale if scale > 0 else float("nan")


def _ranks(values: Matrix) -> Matrix:
    return np.asarray(pd.Series(values).rank(), dtype=float)
