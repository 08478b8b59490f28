"""What a score means: its null distribution, p-value and calibrated effect."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repscape.compute.precision import full_precision
from repscape.errors import RepscapeError, UndefinedScoreError
from repscape.measures.base import Kind, Measure
from repscape.measures.compared_nulls import NO_OTHERS, ComparedNulls
from repscape.significance.permutations import Permutations

if TYPE_CHECKING:
    import numpy.typing as npt

QUANTILES = (0.05, 0.5, 0.95, 0.99)
ROUNDING = 1e-11
"""Scores that differ by less than this part of their size are equal."""


@dataclass(frozen=True, eq=False)
class Null:
    """A score and what it is under random pairing of the samples.

    Attributes
    ----------
    observed : float
        The score, by the arithmetic of the permuted ones.
    scores : (R,) float64 array
        The score at each permutation.
    kind : "similarity" or "distance"
        Which direction is more alike.
    best : float
        The value of a perfect match, infinite where there is none.
    expected : float or None
        The mean over all orders, where a closed form is known and all orders are drawn.
    """

    observed: float
    scores: npt.NDArray[np.float64]
    kind: Kind
    best: float
    expected: float | None = None

    @property
    def mean(self) -> float:
        """The null mean: the closed form where known, otherwise the Monte Carlo mean."""
        return self.sampled_mean if self.expected is None else self.expected

    @property
    def sampled_mean(self) -> float:
        """The Monte Carlo mean."""
        return float(self.scores.mean())

    @property
    def sd(self) -> float | None:
        """The standard deviation over permutations; None for a single one."""
        return None if len(self.scores) < 2 else float(self.scores.std(ddof=1))

    @property
    def p_value(self) -> float:
        """(1 + exceedances) / (1 + permutations), one-sided: as much alike, or more."""
        return p_value(self.observed, self.scores, self.kind)

    @property
    def quantiles(self) -> dict[float, float]:
        """Quantiles of the null, by probability."""
        return {q: float(np.quantile(self.scores, q)) for q in QUANTILES}

    @property
    def effect(self) -> float | None:
        """(value - null mean) / (best - null mean): 0 at chance, 1 for a perfect match.

        None where it is undefined; `effect_reason` says why.
        """
        if self.effect_reason is not None:
            return None
        return (self.observed - self.mean) / (self.best - self.mean)

    @property
    def effect_reason(self) -> str | None:
        """Why there is no effect."""
        if not math.isfinite(self.best):
            return "the measure has no best value, so there is no scale from chance to perfect"
        if abs(self.best - self.mean) <= ROUNDING * max(1.0, abs(self.best)):
            return "chance alone reaches the best value"
        return None

    @property
    def fields(self) -> dict[str, Any]:
        """What a `Score` states of it."""
        return {
            "null_mean": self.mean,
            "null_sd": self.sd,
            "sampled_mean": self.sampled_mean,
            "expected": self.expected,
            "p_value": self.p_value,
            "effect": self.effect,
            "effect_reason": self.effect_reason,
            "n_permutations": len(self.scores),
            "quantiles": self.quantiles,
        }


def p_value(
    observed: float,
    null: npt.NDArray[np.float64],
    kind: Kind,
    ties: np.random.Generator | None = None,
    scale: float = 0.0,
) -> float:
    """(1 + #{null as much alike as observed, or more}) / (1 + R).

    Super-uniform under the null: P(p ≤ α) ≤ α (Phipson and Smyth 2010). Scores that differ by
    rounding only are ties and count. With a generator for `ties` the place among
    the ties is random: p is then exactly uniform on [0, 1]. Differences of scores are rounded as
    the scores are, whose size is then to be given as `scale`.
    """
    sign = 1.0 if kind == "similarity" else -1.0
    above = sign * (null - observed)
    slack = ROUNDING * max(abs(observed), float(np.abs(null).max()), scale, 1e-300)
    greater, tied = int((above > slack).sum()), int((np.abs(above) <= slack).sum())
    if ties is None:
        return (1 + greater + tied) / (1 + len(null))
    return (greater + ties.uniform() * (1 + tied)) / (1 + len(null))


def null_of(
    measure: Measure[Any],
    a: Any,
    b: Any,
    permutations: Permutations,
    memory_limit: int,
    exact: bool = False,
) -> Null:
    """The null of two prepared states: side b changes its order, nothing is prepared again.

    With `exact` every permuted score is as by `compare`; otherwise as far as its comparison with
    the observed one needs.

    Raises `UndefinedNullError` where the measure has none, `UndefinedScoreError` where some
    permutation has no score, `MemoryLimitError` where it does not fit.
    """
    against = [None if exact else NO_OTHERS]
    [found] = nulls_of(measure, [a, b], [(0, 1)], permutations, memory_limit, against)
    if isinstance(found, RepscapeError):
        raise found
    return found


def nulls_of(
    measure: Measure[Any],
    states: Sequence[Any],
    pairs: Sequence[tuple[int, int]],
    permutations: Permutations,
    memory_limit: int,
    against: Sequence[torch.Tensor | None],
) -> list[Null | RepscapeError]:
    """`null_of` many pairs (positions in `states`), or why there is none.

    `against`: what the permuted scores of each pair will be compared with beside the observed one,
    (T,); None for something else, so that they have to be exact.
    """
    if not pairs:
        return []
    itself = torch.arange(permutations.n)[None]
    orders = torch.cat([itself, permutations.orders])
    with full_precision():
        core = measure.core
        if isinstance(core, ComparedNulls):
            found = core.compared_pairs(states, pairs, orders, memory_limit, against)
        else:
            found = core.permuted_pairs(states, pairs, orders, memory_limit)
        return [
            _null(measure, states[a], states[b], scores, permutations)
            for (a, b), scores in zip(pairs, found, strict=True)
        ]


def _null(
    measure: Measure[Any],
    a: Any,
    b: Any,
    found: torch.Tensor | RepscapeError,
    permutations: Permutations,
) -> Null | RepscapeError:
    if isinstance(found, RepscapeError):
        return found
    scores = found.cpu().numpy()
    if not np.isfinite(scores).all():
        return UndefinedScoreError(
            f"{measure.name}: {int((~np.isfinite(scores)).sum())} permuted scores are not finite"
        )
    expected = None if permutations.restricted else measure.core.expected(a, b)
    spec = measure.declared
    best = spec.range[1] if spec.kind == "similarity" else spec.range[0]
    return Null(float(scores[0]), scores[1:], spec.kind, best, expected)
