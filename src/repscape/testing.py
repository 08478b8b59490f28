"""`check_measure`: does a measure do what it declares? For Repscape's own and anybody's."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from repscape.compare import compare, similarity_matrix
from repscape.compute.arrays import as_tensor
from repscape.conformance_descriptors import DescriptorReport as DescriptorReport
from repscape.conformance_descriptors import check_descriptor as check_descriptor
from repscape.errors import (
    ConformanceError,
    MemoryLimitError,
    NonFiniteError,
    RepscapeError,
    TooFewSamplesError,
)
from repscape.measures.base import INVARIANCES, MEASURES, Measure, Request, get_measure
from repscape.pairwise import pair_loop
from repscape.representation import Representation

Array: TypeAlias = "npt.NDArray[Any]"
Outcome: TypeAlias = "float | RepscapeError"
MakeInput: TypeAlias = Callable[[np.random.Generator, int], "npt.NDArray[np.float64]"]

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


@dataclass(frozen=True)
class Failure:
    """One thing that a measure does not do: the name of the check and what came out."""

    check: str
    detail: str

    def __str__(self) -> str:
        return f"{self.check}: {self.detail}"


@dataclass(frozen=True)
class ConformanceReport:
    """The checks that were made of one measure, by name, and the failures among them."""

    measure: str
    checks: tuple[str, ...]
    failures: tuple[Failure, ...]


def check_measure(
    measure: str | Measure[Any],
    make_input: MakeInput | None = None,
    seed: int = 0,
) -> ConformanceReport:
    """Hold a measure to its declaration, on small random representations.

    Checked are identity, symmetry, range, the triangle inequality of metrics, every declared
    invariance, and that every undeclared one fails; that rows are matched, and their joint order
    does not matter; precision (float32, float16, bfloat16, an offset of 300); that all pairs at
    once equal the pairs one by one, within any memory limit; that neither inputs nor the global
    random state change; and what becomes of constant, duplicated, rank-deficient, too few, zero,
    very large and very small values: a finite number within the range, or a typed error.

    Parameters
    ----------
    measure : str or Measure
        A printable name, or an instance of your own class; it need not be registered.
    make_input : callable (generator, n) -> (n, d) array, optional
        Makes the values of one representation, for measures that do not take any features (a
        precomputed Gram matrix, probabilities). Features are then not transformed: the checks
        of invariances and of hostile features are left out.
    seed : int
        Of the inputs.

    Returns
    -------
    ConformanceReport
        The names of the checks, when all hold.

    Raises
    ------
    ConformanceError
        Lists every failure, not the first.
    """
    chosen = get_measure(measure)
    try:
        suite = _Suite(chosen, make_input, seed)
    except RepscapeError as problem:
        raise ConformanceError(f"{chosen.name} has no score for random input: {problem}") from None
    checks: list[str] = []
    failures: list[Failure] = []
    for name, check in suite.checks():
        checks.append(name)
        try:
            failures += [Failure(name, detail) for detail in check()]
        except Exception as problem:  # whatever it is, it is listed among the failures
            failures.append(Failure(name, f"{type(problem).__name__}: {problem}"))
    report = ConformanceReport(suite.measure.name, tuple(checks), tuple(failures))
    if failures:
        listed = "\n".join(f"  - {failure}" for failure in failures)
        raise ConformanceError(
            f"{report.measure} fails {len({failure.check for failure in failures})} of "
            f"{len(checks)} checks:\n{listed}"
        )
    return report


class _Suite:
    """The checks of one measure; each is a generator of what it finds wrong."""

    def __init__(self, measure: Measure[Any], make_input: MakeInput | None, seed: int) -> None:
        self.measure = measure
        self.spec = measure.declared
        self.generator = np.random.default_rng(seed)
        self.given = make_input
        self.n = max(SAMPLES, 3 * self.spec.minimum_n)
        self.labels = self.generator.integers(0, 3, size=self.n)
        self.latent = self.generator.normal(size=(self.n, FEATURES))
        self.x, self.y, self.z = (self.new(self.n) for _ in range(3))
        self.value = self.score(self.x, self.y)

    def checks(self) -> Iterator[tuple[str, Callable[[], Iterator[str]]]]:
        yield "declaration", self.declaration
        yield "identity", self.identity
        yield "symmetry", self.symmetry
        yield "range", self.range
        if self.spec.metric:
            yield "triangle inequality", self.triangle
        yield "row order", self.row_order
        yield "precision", self.precision
        yield "purity", self.purity
        yield "all pairs", self.all_pairs
        yield "too few samples", self.too_few
        yield "not finite", self.not_finite
        if self.given is None:
            for name in INVARIANCES:
                yield f"invariance {name}", partial(self.invariance, name)
            yield "offset", self.offset
            yield "hostile input", self.hostile
            if self.spec.family == "neighbours":
                yield "self among duplicates", self.self_among_duplicates

    # What the checks are made of

    def new(self, n: int, d: int = FEATURES) -> npt.NDArray[np.float64]:
        """Values that share some structure with all others of the same n."""
        if self.given is not None:
            return self.given(self.generator, n)
        mixing = self.generator.normal(size=(FEATURES, d))
        noise = self.generator.normal(size=(n, d))
        latent = self.latent if n == self.n else self.generator.normal(size=(n, FEATURES))
        return latent @ mixing + noise * np.linspace(0.5, 1.5, d) + self.generator.normal(size=d)

    def represent(self, values: Any) -> Representation:
        return Representation(values, labels=self.labels_for(len(values)))

    def labels_for(self, n: int) -> Array:
        return np.resize(self.labels, n)

    def score(self, a: Any, b: Any) -> float:
        return float(compare(self.represent(a), self.represent(b), self.measure))

    def direct(self, a: Any, b: Any) -> Outcome:
        """The outcome without the front door, which would turn a NaN into an error."""
        try:
            return self.measure.compare(self.prepare(a), self.prepare(b))
        except RepscapeError as reason:
            return reason

    def prepare(self, values: Any) -> Any:
        x = as_tensor(values)
        for transform in self.measure.transforms:
            x = transform.apply(x)
        return self.measure.core.prepare_labelled(x, self.labels_for(len(x)))

    def gap(self, got: float, wanted: float) -> float:
        return abs(got - wanted) / max(1.0, abs(wanted))

    def differs(self, what: str, got: float, wanted: float, allowed: float) -> Iterator[str]:
        if not self.gap(got, wanted) <= allowed:
            yield f"{what}: {got!r} instead of {wanted!r}"

    def outside(self, what: str, value: float) -> Iterator[str]:
        low, high = self.spec.range
        if math.isnan(value):
            yield f"{what}: NaN"
        elif value < low - AT_BEST or value > high + AT_BEST:
            yield f"{what}: {value!r} lies outside the declared range [{low}, {high}]"

    # The checks

    def declaration(self) -> Iterator[str]:
        low, high = self.spec.range
        if not low < high:
            yield f"the range ({low}, {high}) is empty"
        if self.spec.minimum_n < 1:
            yield f"minimum_n is {self.spec.minimum_n}"
        if self.spec.metric and not (self.spec.symmetric and self.spec.kind == "distance"):
            yield "a metric is a symmetric distance"
        known = self.spec.name in MEASURES.names()
        if known and get_measure(self.measure.name).name != self.measure.name:
            yield f"the printable name {self.measure.name!r} does not parse back to itself"

    def identity(self) -> Iterator[str]:
        own = self.score(self.x, self.x.copy())
        low, high = self.spec.range
        best = high if self.spec.kind == "similarity" else low
        if self.spec.self_is_best and math.isfinite(best) and abs(own - best) > AT_BEST:
            yield f"compare(x, x) is {own!r}, and the best value is {best!r}"
        if self.gap(self.value, own) <= CHANGED:
            yield f"compare(x, y) = compare(x, x) = {own!r} for different x and y"
        better = self.value > own if self.spec.kind == "similarity" else self.value < own
        if better and self.spec.self_is_best:
            yield f"compare(x, y) = {self.value!r} is better than compare(x, x) = {own!r}"

    def symmetry(self) -> Iterator[str]:
        back = self.score(self.y, self.x)
        if self.spec.symmetric:
            yield from self.differs("compare(y, x)", back, self.value, EXACT)
        elif self.gap(back, self.value) <= EXACT:
            yield "declared asymmetric, but compare(y, x) = compare(x, y)"

    def range(self) -> Iterator[str]:
        unrelated = self.generator.permutation(self.n)
        for what, a, b in (
            ("compare(x, y)", self.x, self.y),
            ("compare(x, x)", self.x, self.x),
            ("unrelated rows", self.x, self._rows(self.y, unrelated)),
            ("reversed rows", self.x, self._rows(self.y, np.arange(self.n)[::-1])),
        ):
            yield from self.outside(what, self.score(a, b))
        if self.given is None:
            yield from self.outside("compare(x, -x)", self.score(self.x, -self.x))

    def triangle(self) -> Iterator[str]:
        near = [self.x + 0.01 * t * (self.y - self.x) for t in (1, 2)] if not self.given else []
        points = [self.x, self.y, self.z, *near]
        table = [[self.score(a, b) for b in points] for a in points]
        for i, j, k in np.ndindex(*3 * (len(points),)):
            if table[i][k] > table[i][j] + table[j][k] + AT_BEST:
                yield f"d(a, c) = {table[i][k]!r} > {table[i][j]!r} + {table[j][k]!r}"
                return

    def row_order(self) -> Iterator[str]:
        order = self.generator.permutation(self.n)
        labels = self.labels
        one_sided = self.score(self.x, self._rows(self.y, order))
        changed = self.gap(one_sided, self.value) > CHANGED
        if self.spec.matches_samples and not changed:
            yield "rows are not matched: another order of one side's rows changes nothing"
        if not self.spec.matches_samples and changed:
            yield "declared not to match samples, but the order of one side's rows matters"
        try:
            self.labels = labels[order]
            both = self.score(self._rows(self.x, order), self._rows(self.y, order))
        finally:
            self.labels = labels
        yield from self.differs("the same new order of both sides' rows", both, self.value, EXACT)

    def _rows(self, values: Array, order: Array) -> Array:
        """The samples in another order; of a precomputed n×n matrix the columns, too."""
        square = self.given is not None and values.shape[0] == values.shape[1]
        return values[order][:, order] if square else values[order]

    def precision(self) -> Iterator[str]:
        single = [v.astype(np.float32) for v in (self.x, self.y)]
        double = [v.astype(np.float64) for v in single]
        wanted = self.score(*double)
        yield from self.differs("float32", self.score(*single), wanted, SINGLE)
        mixed = self.score(single[0], double[1])
        yield from self.differs("float32 against float64", mixed, wanted, SINGLE)
        tensors = [torch.from_numpy(v) for v in double]
        yield from self.differs("tensors", self.score(*tensors), wanted, 0.0)
        if self.given is None:
            for dtype in (torch.float16, torch.bfloat16):
                half = [tensor.to(dtype) for tensor in tensors]
                upcast = self.score(*(tensor.float() for tensor in half))
                yield from self.differs(str(dtype), self.score(*half), upcast, 0.0)

    def purity(self) -> Iterator[str]:
        before = self.x.copy(), self.y.copy()
        states = _global_random_states()
        again = self.score(self.x, self.y)
        if again != self.value:
            yield f"the same inputs gave {self.value!r} and then {again!r}"
        if not all(np.array_equal(a, b) for a, b in zip(before, (self.x, self.y), strict=True)):
            yield "the inputs were changed"
        if states != _global_random_states():
            yield "the global random state was touched"

    def all_pairs(self) -> Iterator[str]:
        reps = [self.represent(v) for v in (self.x, self.y, self.z, self.new(self.n))]
        names = {str(position): rep for position, rep in enumerate(reps)}
        pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
        request = Request(self.measure.core, [self.prepare(r.values) for r in reps], pairs)
        loop: dict[tuple[int, int], Outcome] = dict(zip(pairs, pair_loop(request), strict=True))
        for limit in ("2GiB", "4MiB", "512KiB"):
            try:
                table = similarity_matrix(names, self.measure, memory_limit=limit).table
            except MemoryLimitError:
                continue
            for a, b, value in zip(table.rep_a, table.rep_b, table.value, strict=True):
                wanted = loop[int(a), int(b)]
                if isinstance(wanted, RepscapeError):
                    raise wanted
                what = f"pair ({a}, {b}) of all pairs with memory_limit={limit}"
                yield from self.differs(what, value, wanted, EXACT)

    def too_few(self) -> Iterator[str]:
        least = self.spec.minimum_n
        if least > 1:
            try:
                value = self.score(self.new(least - 1), self.new(least - 1))
                yield f"{least - 1} samples, fewer than minimum_n, gave {value!r}"
            except TooFewSamplesError:
                pass
        yield from self.defined(f"{least} samples", self.new(least), self.new(least))

    def not_finite(self) -> Iterator[str]:
        for bad in (math.nan, math.inf):
            broken = self.x.copy()
            broken[3, 0] = bad
            with contextlib.suppress(NonFiniteError):
                yield f"a {bad} in x gave {self.score(broken, self.y)!r}"

    def invariance(self, name: str) -> Iterator[str]:
        """Declared: holds for either side. Undeclared: fails for at least one side."""
        changes = []
        for transform in self._transforms(name):
            for side, a, b in (("x", transform(self.x), self.y), ("y", self.x, transform(self.y))):
                got = self.score(a, b)
                changes.append(self.gap(got, self.value))
                if name in self.spec.invariances:
                    what = f"declared, but transforming {side} changes the score"
                    yield from self.differs(what, got, self.value, EXACT)
        if name not in self.spec.invariances and max(changes) <= EXACT:
            yield "not declared, but it holds"

    def _transforms(self, name: str) -> list[Callable[[Array], Array]]:
        square = self.generator.normal(size=(FEATURES, FEATURES))
        rotation = np.linalg.qr(square)[0]
        stretch = rotation * np.geomspace(0.3, 3.0, FEATURES) @ rotation[::-1]
        shift = 3.0 * self.generator.normal(size=FEATURES)
        known: dict[str, list[Callable[[Array], Array]]] = {
            "orthogonal": [lambda v: v @ rotation],
            "permutation": [lambda v: v[:, ::-1], lambda v: np.roll(v, 2, axis=1)],
            "isotropic_scaling": [lambda v: 3.7 * v, lambda v: 0.013 * v],
            "translation": [lambda v: v + shift],
            "invertible_linear": [lambda v: v @ stretch],
        }
        return known[name]

    def offset(self) -> Iterator[str]:
        shifted = []
        for values in (self.x, self.y):
            far = values.astype(np.float32)
            far[:, :4] += np.float32(300.0)
            shifted.append(far)
        wanted = self.direct(*(v.astype(np.float64) for v in shifted))
        got = self.direct(*shifted)
        if isinstance(wanted, float) and isinstance(got, float):
            yield from self.differs("+300 in four features, float32", got, wanted, SINGLE)
        elif isinstance(wanted, float) or isinstance(got, float):
            yield f"+300 in four features: float32 gave {got!r}, float64 gave {wanted!r}"

    def hostile(self) -> Iterator[str]:
        x, y, n = self.x, self.y, self.n
        zero_rows, twice = x.copy(), x.copy()
        zero_rows[:3] = 0.0
        twice[n // 2 : 2 * (n // 2)] = twice[: n // 2]
        dead = x.copy()
        dead[:, 0] = 0.0
        wide = self.generator.normal(size=(2, n, 3 * n))
        one = self.new(n, 1)
        for what, a, b in (
            ("a constant x", np.ones_like(x), y),
            ("zeros in x", np.zeros_like(x), y),
            ("rows of zeros", zero_rows, y),
            ("every row twice", twice, y),
            ("every row twice in both", twice, twice[::-1].copy()),
            ("a dead feature", dead, y),
            ("rank 1", np.outer(x[:, 0], y[0]), y),
            ("more features than samples", wide[0], wide[1]),
            ("other widths", x, self.new(n, 2 * FEATURES)),
            ("one feature", one, self.new(n, 1)),
            ("integers", np.round(x), np.round(y)),
            ("large values", (1e15 * x).astype(np.float32), y.astype(np.float32)),
            ("small values", (1e-15 * x).astype(np.float32), y.astype(np.float32)),
        ):
            yield from self.defined(what, a, b)

    def defined(self, what: str, a: Array, b: Array) -> Iterator[str]:
        """A finite number in the range, or a typed error; either way round."""
        for left, right in ((a, b), (b, a)):
            outcome = self.direct(left, right)
            if not isinstance(outcome, RepscapeError):
                yield from self.outside(what, outcome)
                if math.isinf(outcome):
                    yield f"{what}: {outcome!r}"

    def self_among_duplicates(self) -> Iterator[str]:
        """Copies that are told apart by a hair, in the order of their index, change nothing."""
        copies = self.n // 2
        twice = np.concatenate([self.x[:copies], self.x[:copies]])
        apart = np.zeros((2 * copies, copies))
        apart[copies:] = 1e-5 * np.eye(copies)
        exact = self.direct(np.hstack([twice, 0.0 * apart]), self.y[: 2 * copies])
        told = self.direct(np.hstack([twice, apart]), self.y[: 2 * copies])
        if isinstance(exact, float) and isinstance(told, float):
            what = "rows that stand twice (is a sample its own neighbour?)"
            yield from self.differs(what, exact, told, CHANGED)


def _global_random_states() -> tuple[bytes, str]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002  # read, to see it unchanged
    return torch.get_rng_state().numpy().tobytes(), repr(numpy_state)
