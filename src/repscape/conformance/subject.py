"""A measure under test: inputs for it, its scores on them, and how far numbers may differ."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.compare import compare
from repscape.compute.arrays import as_tensor
from repscape.errors import RepscapeError
from repscape.measures.base import Measure, Outcome
from repscape.representation import Representation

Array: TypeAlias = "npt.NDArray[Any]"
MakeInput: TypeAlias = Callable[[np.random.Generator, int], "npt.NDArray[np.float64]"]
Formula: TypeAlias = Callable[["npt.NDArray[np.float64]", "npt.NDArray[np.float64]"], float]
Check: TypeAlias = Callable[["Subject"], Iterator[str]]
"""Yields what it finds wrong."""

SAMPLES = 60
FEATURES = 12
EXACT = 1e-9
"""How far two float64 routes to one number may differ, relative to max(1, |number|)."""
SINGLE = 1e-4
"""How far float32 values may lead from float64 arithmetic on the same values."""
AT_BEST = 1e-7
"""How far a representation's score with itself may be from the best (arccos loses digits)."""
CHANGED = 1e-6
"""By less than this, relative to max(1, |number|), a number counts as unchanged."""


class Subject:
    """A measure, four representations that share some structure, and the score of x with y."""

    def __init__(self, measure: Measure[Any], make_input: MakeInput | None, seed: int) -> None:
        self.measure = measure
        self.spec = measure.declared
        self.generator = np.random.default_rng(seed)
        self.given = make_input
        self.n = max(SAMPLES, 3 * self.spec.minimum_n)
        self.labels = self.generator.integers(0, 3, size=self.n)
        self.latent = self.generator.normal(size=(self.n, FEATURES))
        self.x, self.y, self.z, self.fourth = (self.new(self.n) for _ in range(4))
        self.value = self.score(self.x, self.y)

    def new(self, n: int, d: int = FEATURES) -> npt.NDArray[np.float64]:
        """Values that share some structure with all others of the same n."""
        if self.given is not None:
            return self.given(self.generator, n)
        mixing = self.generator.normal(size=(FEATURES, d))
        noise = self.generator.normal(size=(n, d))
        latent = self.latent if n == self.n else self.generator.normal(size=(n, FEATURES))
        return latent @ mixing + noise * np.linspace(0.5, 1.5, d) + self.generator.normal(size=d)

    def represent(self, values: Any) -> Representation:
        """The values with labels."""
        return Representation(values, labels=self.labels_for(len(values)))

    def labels_for(self, n: int) -> Array:
        """Labels of n samples."""
        return np.resize(self.labels, n)

    def score(self, a: Any, b: Any) -> float:
        """The score by the front door."""
        return float(compare(self.represent(a), self.represent(b), self.measure))

    def direct(self, a: Any, b: Any) -> Outcome:
        """The outcome without the front door, which would turn a NaN into an error."""
        try:
            return self.measure.compare(self.prepare(a), self.prepare(b))
        except RepscapeError as reason:
            return reason

    def prepare(self, values: Any) -> Any:
        """The prepared state of some values."""
        x = as_tensor(values)
        for transform in self.measure.transforms:
            x = transform.apply(x)
        return self.measure.core.prepare_labelled(x, self.labels_for(len(x)))

    def rows(self, values: Array, order: Array) -> Array:
        """The samples in another order; of a precomputed n×n matrix the columns, too."""
        square = self.given is not None and values.shape[0] == values.shape[1]
        return values[order][:, order] if square else values[order]

    def gap(self, got: float, wanted: float) -> float:
        """How far a number is from another."""
        return abs(got - wanted) / max(1.0, abs(wanted))

    def differs(self, what: str, got: float, wanted: float, allowed: float) -> Iterator[str]:
        """A line if a number differs from another by more than is allowed, or is NaN."""
        if not self.gap(got, wanted) <= allowed:
            yield f"{what}: {got!r} instead of {wanted!r}"

    def outside(self, what: str, value: float) -> Iterator[str]:
        """A line if a score is NaN or outside the declared range."""
        low, high = self.spec.range
        if math.isnan(value):
            yield f"{what}: NaN"
        elif value < low - AT_BEST or value > high + AT_BEST:
            yield f"{what}: {value!r} lies outside the declared range [{low}, {high}]"

    def defined(self, what: str, a: Array, b: Array) -> Iterator[str]:
        """A line unless there is a finite number in the range, or a typed error; both ways."""
        for left, right in ((a, b), (b, a)):
            outcome = self.direct(left, right)
            if not isinstance(outcome, RepscapeError):
                yield from self.outside(what, outcome)
                if math.isinf(outcome):
                    yield f"{what}: {outcome!r}"
