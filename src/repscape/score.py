"""`Score`: one number that says what it is, and, where asked for, what it means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Score:
    """The outcome of one comparison.

    Attributes
    ----------
    value : float
        The number; `float(score)` is the same.
    measure : str
        The printable name: transforms, measure, every parameter that changes it, version.
    kind : str
        `"similarity"`: larger is more alike; `"distance"`: smaller is more alike.
    n : int
        The number of samples compared.
    duplicates : (int, int), optional
        Of these, how many equal an earlier one in the first and in the second representation.
        They are kept. None where nobody looked (a stream).
    null_mean, null_sd : float, optional
        Mean (the closed form where known) and standard deviation under random pairing of the
        samples.
    sampled_mean, expected : float, optional
        The Monte Carlo mean, and the closed form.
    p_value : float, optional
        (1 + exceedances) / (1 + permutations), one-sided: as much alike, or more.
    effect : float, optional
        (value - null mean) / (best - null mean); `effect_reason` says why there is none.
    n_permutations : int, optional
        How many there were.
    quantiles : mapping of probability to float, optional
        Of the null.
    interval : (low, high), optional
        Over samples, with its `interval_method`, nominal `confidence` and `standard_error`;
        `interval_reason` says so if it reaches beyond the range of the measure.
    """

    value: float
    measure: str
    kind: str
    n: int
    duplicates: tuple[int, int] | None = None
    null_mean: float | None = None
    null_sd: float | None = None
    sampled_mean: float | None = None
    expected: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_reason: str | None = None
    n_permutations: int | None = None
    quantiles: Mapping[float, float] | None = None
    interval: tuple[float, float] | None = None
    interval_method: str | None = None
    confidence: float | None = None
    standard_error: float | None = None
    interval_reason: str | None = None

    def __float__(self) -> float:
        return self.value

    def with_null(self, **fields: Any) -> Score:
        """This score with what its null says of it."""
        return replace(self, **fields)

    def with_interval(
        self,
        low: float,
        high: float,
        method: str,
        confidence: float,
        standard_error: float,
        reason: str | None = None,
    ) -> Score:
        """This score with an interval over samples."""
        return replace(
            self,
            interval=(low, high),
            interval_method=method,
            confidence=confidence,
            standard_error=standard_error,
            interval_reason=reason,
        )

    def __str__(self) -> str:
        parts = [f"n={self.n}", self.kind, *self._copies(), *self._chance(), *self._interval()]
        return f"{self.measure} = {self.value:.6g}  ({', '.join(parts)})"

    def _copies(self) -> list[str]:
        first, second = self.duplicates or (0, 0)
        return [f"duplicates {first} and {second}"] if first or second else []

    def _chance(self) -> list[str]:
        if self.p_value is None or self.null_mean is None:
            return []
        chance = f"chance {self.null_mean:.4g}"
        if self.expected is not None:
            chance += f" (sampled {self.sampled_mean:.4g})"
        spread = "" if self.null_sd is None else f" ± {self.null_sd:.2g}"
        effect = (
            f"no effect: {self.effect_reason}"
            if self.effect is None
            else f"effect {self.effect:.4g}"
        )
        return [chance + spread, f"p = {self.p_value:.3g}", effect]

    def _interval(self) -> list[str]:
        if self.interval is None or self.confidence is None:
            return []
        low, high = self.interval
        said = f"{self.confidence:.0%} interval {low:.4g} … {high:.4g} by {self.interval_method}"
        return [said, *([self.interval_reason] if self.interval_reason else [])]
