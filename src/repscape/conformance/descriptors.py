"""`check_descriptor`: does a descriptor do what it declares? For Repscape's own and anybody's."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.describe import describe
from repscape.errors import ConformanceError, RepscapeError
from repscape.geometry.base import Descriptor, get_descriptor
from repscape.geometry.sample import GeometryWarning

Array: TypeAlias = "npt.NDArray[np.float64]"
Change: TypeAlias = Callable[[np.random.Generator, Array], Array]

SAMPLES = 400
FEATURES = 6
ROUNDING = 1e-7
"""How far values of exactly equivalent input may differ, relative to max(1, |value|)."""
_EXPONENTS = (-700, 700)
"""Powers of two at which squares, or their squares, leave the range of float64."""
SINGLE = 1e-3
"""How far float32 values may lead from float64 ones."""
CHANGED = 1e-6
"""By less than this, relative to max(1, |value|), a value counts as unchanged."""


@dataclass(frozen=True)
class DescriptorReport:
    """The checks that were made of one descriptor, and what failed, by the name of the check."""

    descriptor: str
    checks: tuple[str, ...]
    failures: Mapping[str, str]

    def raise_for_failures(self) -> None:
        """Raise `ConformanceError` that lists what failed, if anything did."""
        if self.failures:
            lines = "\n".join(f"  {name}: {detail}" for name, detail in self.failures.items())
            raise ConformanceError(f"{self.descriptor} does not conform:\n{lines}")


def check_descriptor(
    descriptor: str | Descriptor, *, seed: int = 0, raise_error: bool = True
) -> DescriptorReport:
    """Check that a descriptor holds what it declares.

    Its name reads back; values lie in the declared range, with standard errors that are not
    negative; the declared invariances hold and the others do not; the same input gives the same
    bits; float32 agrees with float64; values of any scale are served; dropping duplicates equals
    clean data; too few samples, equal samples and missing labels give a reason and not a number;
    NaN is refused; global random state is left alone.

    Parameters
    ----------
    descriptor : str or Descriptor
        A printable name or an instance; `metric=precomputed` is not checked.
    seed : int
        Of the inputs.
    raise_error : bool
        Whether to raise `ConformanceError` when something fails.
    """
    chosen = get_descriptor(descriptor)
    inputs = _Inputs(chosen, seed)
    failures: dict[str, str] = {}
    for name, check in _CHECKS.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GeometryWarning)
            problem = check(inputs)
        if problem is not None:
            failures[name] = problem
    report = DescriptorReport(chosen.name, tuple(_CHECKS), failures)
    if raise_error:
        report.raise_for_failures()
    return report


class _Inputs:
    def __init__(self, descriptor: Descriptor, seed: int) -> None:
        self.descriptor = descriptor
        self.rng = np.random.default_rng(seed)
        n = max(SAMPLES, 2 * descriptor.declared.minimum_n)
        mixing = self.rng.normal(size=(FEATURES, FEATURES))
        self.x = self.rng.normal(size=(n, FEATURES)) @ mixing + 0.5
        self.labels = (self.x[:, 0] > 0.5).astype(np.int64)

    def values(
        self, x: Array | npt.NDArray[np.float32], labels: npt.NDArray[np.int64] | None = None
    ) -> list[float]:
        """The whole curve; an error is raised."""
        given = self.labels if labels is None else labels
        result = describe(x, [self.descriptor], labels=given)
        if self.descriptor.name not in result.curves:
            raise _NoValueError(str(result.table["reason"].iloc[0]))
        return [float(r.value) for r in result.curves[self.descriptor.name].readings]


class _NoValueError(RepscapeError):
    """The descriptor gave a reason where a value was expected."""


def _name_reads_back(inputs: _Inputs) -> str | None:
    again = get_descriptor(inputs.descriptor.name)
    return None if again == inputs.descriptor else f"reads back as {again.name}"


def _range(inputs: _Inputs) -> str | None:
    low, high = inputs.descriptor.declared.range
    result = describe(inputs.x, [inputs.descriptor], labels=inputs.labels)
    if inputs.descriptor.name not in result.curves:
        return f"no value for plain data: {result.table['reason'].iloc[0]}"
    for reading in result.curves[inputs.descriptor.name].readings:
        if not (math.isfinite(reading.value) and low - 1e-9 <= reading.value <= high + 1e-9):
            return f"{reading.value} is outside [{low}, {high}]"
        for error in (reading.standard_error, reading.independent_error, reading.spread):
            if error is not None and not (math.isfinite(error) and error >= 0):
                return f"an error of {error} at scale {reading.scale}"
    return None


def _same_bits(inputs: _Inputs) -> str | None:
    first, second = inputs.values(inputs.x), inputs.values(inputs.x.copy())
    return None if first == second else f"{first} and then {second}"


def _rotated(rng: np.random.Generator, x: Array) -> Array:
    rotation, _ = np.linalg.qr(rng.normal(size=(x.shape[1], x.shape[1])))
    rotated: Array = x @ rotation
    return rotated


_CHANGES: dict[str, Change] = {
    "orthogonal": _rotated,
    "permutation": lambda rng, x: x[:, rng.permutation(x.shape[1])],
    "isotropic_scaling": lambda _, x: 3.7 * x,
    "translation": lambda rng, x: x + 5 * rng.normal(size=x.shape[1]),
    "zero_columns": lambda _, x: np.hstack([x, np.zeros_like(x[:, :3])]),
}


def _declared_invariances(inputs: _Inputs) -> str | None:
    plain = inputs.values(inputs.x)
    for name, change in _CHANGES.items():
        holds = name in inputs.descriptor.declared.invariances
        gap = _gap(plain, inputs.values(change(inputs.rng, inputs.x)))
        if holds and gap > ROUNDING:
            return f"declared invariant to {name}, but changes by {gap:.1e}"
        if not holds and gap < CHANGED and name != "sample_order":
            return f"not declared invariant to {name}, but does not change"
    if "sample_order" in inputs.descriptor.declared.invariances:
        order = inputs.rng.permutation(len(inputs.x))
        gap = _gap(plain, inputs.values(inputs.x[order], inputs.labels[order]))
        if gap > ROUNDING:
            return f"declared invariant to the order of samples, but changes by {gap:.1e}"
    return None


def _single_precision(inputs: _Inputs) -> str | None:
    single = inputs.x.astype(np.float32)
    gap = _gap(inputs.values(single.astype(np.float64)), inputs.values(single))
    return None if gap <= SINGLE else f"float32 values lead {gap:.1e} away"


def _any_scale(inputs: _Inputs) -> str | None:
    plain = inputs.values(inputs.x)
    for exponent in _EXPONENTS:
        try:
            scaled = inputs.values(np.ldexp(inputs.x, exponent))
        except _NoValueError as reason:
            if "isotropic_scaling" in inputs.descriptor.declared.invariances:
                return f"values times 2^{exponent} have no value: {reason}"
            continue
        if not all(map(math.isfinite, scaled)):
            return f"values times 2^{exponent} give {scaled}"
        gap = _gap(plain, scaled)
        if "isotropic_scaling" in inputs.descriptor.declared.invariances and gap > ROUNDING:
            return f"values times 2^{exponent} change the value by {gap:.1e}"
    return None


def _duplicates_dropped(inputs: _Inputs) -> str | None:
    again = np.vstack([inputs.x, inputs.x[::3]])
    labels = np.concatenate([inputs.labels, inputs.labels[::3]])
    gap = _gap(inputs.values(inputs.x), inputs.values(again, labels))
    return None if gap == 0 else f"repeated rows change the value by {gap:.1e}"


def _reasons(inputs: _Inputs) -> str | None:
    cases = {"equal samples": np.ones((50, FEATURES))}
    if inputs.descriptor.declared.minimum_n > 1:
        cases["too few samples"] = inputs.x[: inputs.descriptor.declared.minimum_n - 1]
    for what, x in cases.items():
        labels = np.arange(len(x)) % 2
        table = describe(x, [inputs.descriptor], labels=labels).values
        if table["value"].notna().any() and inputs.descriptor.declared.minimum_n > 1:
            return f"{what} give {table['value'].iloc[0]}, not a reason"
    if inputs.descriptor.declared.needs_labels:
        table = describe(inputs.x, [inputs.descriptor]).values
        if table["value"].notna().any():
            return "labels are declared to be needed, but none give a value"
    return None


def _nan_refused(inputs: _Inputs) -> str | None:
    broken = inputs.x.copy()
    broken[3, 1] = np.nan
    try:
        inputs.values(broken)
    except RepscapeError as problem:
        return None if "NaN" in str(problem) else f"the message does not say NaN: {problem}"
    return "NaN gives a value"


def _random_state(inputs: _Inputs) -> str | None:
    import torch

    before = torch.random.get_rng_state()
    inputs.values(inputs.x)
    same = bool((before == torch.random.get_rng_state()).all())
    return None if same else "the global state of torch was changed"


def _gap(a: list[float], b: list[float]) -> float:
    if len(a) != len(b):
        return math.inf
    return max(abs(x - y) / max(1.0, abs(x)) for x, y in zip(a, b, strict=True))


_CHECKS: Mapping[str, Callable[[_Inputs], str | None]] = {
    "name": _name_reads_back,
    "range": _range,
    "same bits": _same_bits,
    "invariances": _declared_invariances,
    "float32": _single_precision,
    "any scale": _any_scale,
    "duplicates": _duplicates_dropped,
    "reasons": _reasons,
    "NaN": _nan_refused,
    "random state": _random_state,
}
