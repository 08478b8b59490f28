"""How reliable are scores, and what would their correlation be without noise?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repscape.errors import InvalidParameterError, UndefinedScoreError

Vector: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Reliability:
    """The reliability of a vector of scores.

    Attributes
    ----------
    halves : float
        The correlation between the scores of one half and those of the other.
    whole : float
        The reliability of the whole, by Spearman and Brown.
    ceiling : float
        √whole, the highest correlation that the scores can be expected to have with anything.
    """

    halves: float
    whole: float
    ceiling: float


def spearman_brown(halves: float, parts: float = 2.0) -> float:
    """The reliability of `parts` times as much data: p r / (1 + (p - 1) r).

    Spearman 1910; Brown 1910. Raises `InvalidParameterError` unless -1 < r ≤ 1 and parts > 0.
    """
    if not -1.0 < halves <= 1.0 + 1e-12 or not parts > 0.0:
        raise InvalidParameterError(
            f"a reliability of {halves:g} in {parts:g} parts: it lies between -1 and 1, and the "
            "number of parts is positive"
        )
    return parts * halves / (1.0 + (parts - 1.0) * halves)


def reliability(first: ArrayLike, second: ArrayLike) -> Reliability:
    """The reliability of scores from two halves of the samples, or of the features.

    Parameters
    ----------
    first, second : arrays of one shape
        The same scores, e.g. of all pairs of models, from the two halves
        (`repscape.significance.halves.split_halves`); pairs that either lacks (NaN) are left out.
        Of square matrices the triangle above the diagonal counts.

    Raises
    ------
    UndefinedScoreError
        Fewer than three scores, or scores that do not vary, or a correlation of the halves that
        is not positive: the scores are noise, and there is no ceiling.
    """
    a, b = _vectors(first, second)
    halves = _correlation(a, b)
    if halves <= 0.0:
        raise UndefinedScoreError(
            f"the halves correlate {halves:.3g}, which is not positive: the scores are noise, and "
            "have no ceiling; use more samples"
        )
    whole = spearman_brown(halves)
    return Reliability(halves, whole, float(np.sqrt(whole)))


def disattenuated_correlation(
    first: ArrayLike, second: ArrayLike, reliability_first: float, reliability_second: float
) -> float:
    """The correlation of two vectors of scores without their noise: r / √(r_first r_second).

    Spearman 1904. May exceed 1, by chance or where the reliabilities are too low; nothing is
    clipped. Raises `InvalidParameterError` unless both reliabilities lie in (0, 1].
    """
    for value in (reliability_first, reliability_second):
        if not 0.0 < value <= 1.0 + 1e-12:
            raise InvalidParameterError(
                f"a reliability of {value:g} cannot be corrected for: it lies between 0 and 1"
            )
    a, b = _vectors(first, second)
    return _correlation(a, b) / float(np.sqrt(reliability_first * reliability_second))


def varies(scores: Vector) -> bool:
    """Whether some scores differ; equal ones less their mean may leave rounding, not zeros."""
    return len(scores) > 1 and bool(scores.max() > scores.min())


def _vectors(first: ArrayLike, second: ArrayLike) -> tuple[Vector, Vector]:
    a, b = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if a.shape != b.shape:
        raise InvalidParameterError(f"scores of shapes {a.shape} and {b.shape} do not match")
    if a.ndim == 2 and a.shape[0] == a.shape[1]:
        above = np.triu_indices(len(a), 1)
        a, b = a[above], b[above]
    present = np.isfinite(a) & np.isfinite(b)
    return a[present].ravel(), b[present].ravel()


def _correlation(a: Vector, b: Vector) -> float:
    if len(a) < 3:
        raise UndefinedScoreError(f"{len(a)} scores are too few for a correlation")
    different = varies(a) and varies(b)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    if not different or scale == 0.0:
        raise UndefinedScoreError("the scores do not vary, so they correlate with nothing")
    return float(a @ b) / scale
