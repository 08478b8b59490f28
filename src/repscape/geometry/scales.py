"""Which scale of a curve stands for it: the flattest run, one scale for a whole profile."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from repscape.errors import InvalidParameterError
from repscape.geometry.base import Reading

_WITHIN_NOISE = 1.0


@dataclass(frozen=True)
class Scale:
    """A scale of a curve as a parameter: a number, or `flattest`."""

    value: int | None

    @classmethod
    def parse(cls, text: str) -> Scale:
        """Read `flattest` or a whole number; raise `InvalidParameterError` otherwise."""
        if text.strip() == "flattest":
            return cls(None)
        if text.strip().isdecimal():
            return cls(int(text))
        raise InvalidParameterError(
            f"scale={text}: write flattest, or one of the scales of the curve, e.g. 16"
        )

    def __str__(self) -> str:
        return "flattest" if self.value is None else str(self.value)


@dataclass(frozen=True)
class ChosenScale:
    """The position of a scale in a curve, and why it was chosen."""

    position: int
    reason: str


def choose_scale(curves: Sequence[Sequence[Reading]], wanted: int | None = None) -> ChosenScale:
    """Choose one scale for curves over the same scales: the one wanted, or of the flattest run.

    A step is |Δ ln d| between adjacent scales, in units of its standard error; over several
    curves, the mean of their steps. The flattest run begins with the smallest step and takes in
    neighbouring steps for as long as they are within noise (at most one standard error) or not
    above it. Its middle scale, the smaller of two, is chosen: estimates there depend least on
    the scale.

    Parameters
    ----------
    curves
        The readings of every layer of a profile (or of one representation).
    wanted
        The scale that was asked for, if one was.
    """
    scales = [reading.scale for reading in curves[0]]
    if wanted is not None:
        return ChosenScale(scales.index(float(wanted)), "the scale that was asked for")
    if len(scales) == 1:
        return ChosenScale(0, "the only scale")
    steps = _mean_steps(curves)
    first = min(range(len(steps)), key=lambda s: steps[s])
    bar = max(_WITHIN_NOISE, steps[first])
    start, stop = first, first + 1
    while start > 0 and steps[start - 1] <= bar:
        start -= 1
    while stop < len(steps) and steps[stop] <= bar:
        stop += 1
    position = (start + stop) // 2
    largest = max(steps[start:stop])
    reason = (
        f"middle of the flattest run, {_show(scales[start])} to {_show(scales[stop])}, where "
        f"|Δ ln d| between scales is at most {largest:.2g} standard errors"
    )
    if len(curves) > 1:
        reason += f" on average over {len(curves)} curves"
    return ChosenScale(position, reason)


def _mean_steps(curves: Sequence[Sequence[Reading]]) -> list[float]:
    steps = [[_step(a, b) for a, b in itertools.pairwise(c)] for c in curves]
    return [sum(column) / len(column) for column in zip(*steps, strict=True)]


def _step(a: Reading, b: Reading) -> float:
    noise = math.hypot(*(_error(r) / r.value for r in (a, b)))
    gap = abs(math.log(b.value / a.value))
    if noise == 0:
        return 0.0 if gap == 0 else math.inf
    return gap / noise


def _error(reading: Reading) -> float:
    """The standard error, or the one for independent samples where that alone is known."""
    known = (reading.standard_error, reading.independent_error)
    return next((error for error in known if error is not None), 0.0)


def _show(scale: float | None) -> str:
    return "" if scale is None else f"{scale:g}"
