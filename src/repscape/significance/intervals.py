"""Intervals of a score over samples: jackknife, subsampling, bootstrap without self-pairs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import torch

from repscape.compute.precision import full_precision
from repscape.compute.seeds import seeded
from repscape.errors import InvalidParameterError, TooFewSamplesError, did_you_mean
from repscape.measures.base import Measure
from repscape.significance.asked import CONFIDENCE, check_confidence
from repscape.significance.prepared import PartialScores, prepare_state

Method: TypeAlias = Literal["jackknife", "subsampling", "bootstrap"]
Statistic: TypeAlias = Callable[[torch.Tensor], float]
"""A number from the positions of the samples that it may use."""

GROUPS = 20
REPLICATES = 100


@dataclass(frozen=True)
class Interval:
    """An interval of a score, with what it rests on.

    Attributes
    ----------
    low, high : float
        Its ends. They may lie outside the measure's range: nothing is clipped.
    standard_error : float
        Of the score.
    method : str
        "jackknife", "subsampling" or "bootstrap".
    confidence : float
        Nominal coverage.
    degrees_of_freedom : int or None
        Of the t distribution that the jackknife uses.
    reason : str or None
        What speaks against it: it reaches beyond the measure's range.
    """

    low: float
    high: float
    standard_error: float
    method: str
    confidence: float
    degrees_of_freedom: int | None = None
    reason: str | None = None

    def within(self, low: float, high: float, of: str = "the measure") -> Interval:
        """This interval, with a `reason` if it reaches beyond low … high by more than rounding."""
        slack = 1e-9 * max(1.0, abs(self.high - self.low))
        if low - slack <= self.low and self.high <= high + slack:
            return self
        return replace(
            self,
            reason=f"the interval reaches beyond the range of {of}, {low:.4g} to {high:.4g}: too "
            f"few samples for the {self.method}, or a score too near the end of the range",
        )


def interval(
    measure: Measure[Any],
    x: torch.Tensor,
    y: torch.Tensor,
    value: float,
    method: str = "jackknife",
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """The interval of the score `value` of x and y over samples.

    Parameters
    ----------
    measure, x, y, value
        The score; x (n × d) and y (n × d') are values before transforms.
    method : str
        "jackknife": 20 random groups of samples are left out in turn, t interval (Tukey 1958).
        "subsampling": 100 random halves without replacement, the quantiles of their deviations
        (Politis and Romano 1994; a half of n deviates from the whole by as much as the whole
        from the population). "bootstrap": samples with replacement; only where pairs of a
        sample with its copy can be dropped (the `rsa` family).
    confidence : float
        Between 0 and 1.
    seed : int
        Of the groups, halves or resamples.

    Raises
    ------
    UndefinedNullError
        Bootstrap of a measure that cannot drop self-pairs.
    TooFewSamplesError
        Too few samples remain in a subsample for the measure.
    """
    if method not in get_args(Method):
        raise InvalidParameterError(
            f"interval={method!r}: {did_you_mean(str(method), get_args(Method))}"
        )
    check_confidence(confidence)
    low, high = measure.declared.range
    if method == "bootstrap":
        return _bootstrap(measure, x, y, value, confidence, seed).within(low, high)

    statistic = PartialScores(measure, [x, y])
    needed = measure.declared.minimum_n
    by = subsampling if method == "subsampling" else jackknife
    return by(statistic, len(x), value, confidence, seed, needed).within(low, high)


def jackknife(
    statistic: Statistic,
    n: int,
    value: float,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    minimum_n: int = 1,
) -> Interval:
    """The delete-a-group jackknife: value ± t_{g-1} √((g-1)/g Σ_g (θ_g - θ̄)²)."""
    kept = kept_rows("jackknife", n, seed, minimum_n)
    return interval_from("jackknife", n, value, [statistic(rows) for rows in kept], confidence)


def subsampling(
    statistic: Statistic,
    n: int,
    value: float,
    confidence: float = CONFIDENCE,
    seed: int = 0,
    minimum_n: int = 1,
) -> Interval:
    """Deviations of random halves from their mean, scaled by √(b/(n-b)), turned around value."""
    kept = kept_rows("subsampling", n, seed, minimum_n)
    return interval_from("subsampling", n, value, [statistic(rows) for rows in kept], confidence)


def kept_rows(
    method: Literal["jackknife", "subsampling"], n: int, seed: int = 0, minimum_n: int = 1
) -> list[torch.Tensor]:
    """The samples that each replicate keeps, ascending.

    Raises `TooFewSamplesError` where a replicate keeps fewer than `minimum_n`.
    """
    generator = seeded(seed)
    if method == "subsampling":
        half = n // 2
        if half < max(minimum_n, 2):
            raise TooFewSamplesError(
                f"half of {n} samples is fewer than the {minimum_n} that the measure needs: use "
                "more samples, or interval='jackknife'"
            )
        drawn = [torch.randperm(n, generator=generator)[:half] for _ in range(REPLICATES)]
        return [rows.sort().values for rows in drawn]
    groups = min(GROUPS, n)
    if groups < 2 or n - math.ceil(n / groups) < minimum_n:
        raise TooFewSamplesError(
            f"a jackknife leaves out {math.ceil(n / max(groups, 1))} of {n} samples, and what "
            f"remains is fewer than the {minimum_n} that the measure needs: use more samples"
        )
    order = torch.randperm(n, generator=generator)
    return [_without(n, group) for group in order.tensor_split(groups)]


def interval_from(
    method: Literal["jackknife", "subsampling"],
    n: int,
    value: float,
    replicates: Sequence[float],
    confidence: float = CONFIDENCE,
) -> Interval:
    """The interval from the score and its values on `kept_rows`."""
    scores = np.array(replicates)
    if method == "jackknife":
        groups = len(scores)
        error = math.sqrt((groups - 1) * float(scores.var()))
        return _student(value, error, groups - 1, confidence)
    half = n // 2
    deviations = math.sqrt(half / (n - half)) * (scores - scores.mean())
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(deviations, [tail, 1.0 - tail])
    error = float(deviations.std(ddof=1))
    return Interval(value - float(high), value - float(low), error, "subsampling", confidence)


def _bootstrap(
    measure: Measure[Any],
    x: torch.Tensor,
    y: torch.Tensor,
    value: float,
    confidence: float,
    seed: int,
) -> Interval:
    n = len(x)
    generator = seeded(seed)
    drawn = torch.randint(0, n, (REPLICATES, n), generator=generator)
    counts = torch.zeros(REPLICATES, n).scatter_add_(1, drawn, torch.ones(REPLICATES, n)).long()
    a, b = prepare_state(measure, x), prepare_state(measure, y)
    with full_precision():
        scores = measure.core.resampled_scores(a, b, counts).numpy()
    tail = (1.0 - confidence) / 2.0
    low, high = (2.0 * value - q for q in np.quantile(scores, [1.0 - tail, tail]))
    return Interval(float(low), float(high), float(scores.std(ddof=1)), "bootstrap", confidence)


def _without(n: int, left_out: torch.Tensor) -> torch.Tensor:
    keep = torch.ones(n, dtype=torch.bool)
    keep[left_out] = False
    return keep.nonzero()[:, 0]


def _student(value: float, error: float, freedom: int, confidence: float) -> Interval:
    from scipy.stats import t

    reach = float(t.ppf(0.5 + confidence / 2.0, freedom)) * error
    return Interval(value - reach, value + reach, error, "jackknife", confidence, freedom)
