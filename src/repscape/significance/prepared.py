"""From representations to values and prepared states, as the tests of significance need them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from repscape.compute.arrays import as_tensor, check_finite
from repscape.compute.precision import full_precision
from repscape.errors import InvalidParameterError, SampleMismatchError, TooFewSamplesError
from repscape.measures.base import Measure
from repscape.representation import (
    Representation,
    RepresentationLike,
    as_representation,
    same_samples,
)

if TYPE_CHECKING:
    import numpy.typing as npt

Layers: TypeAlias = "Sequence[RepresentationLike] | Mapping[str, RepresentationLike]"


def checked_values(rep: Representation, name: str) -> torch.Tensor:
    """The values as a float32 or float64 tensor; raises `NonFiniteError`."""
    tensor = as_tensor(rep.values)
    check_finite(tensor, name)
    return tensor


def prepare_state(
    measure: Measure[Any],
    x: torch.Tensor,
    labels: npt.NDArray[Any] | None = None,
    working: int | None = None,
) -> Any:
    """Check n, apply the transforms and prepare.

    What many measures share is formed in `working` bytes, if a number is given.
    """
    if len(x) < measure.declared.minimum_n:
        raise TooFewSamplesError(
            f"{measure.name} needs at least {measure.declared.minimum_n} samples, and there "
            f"{'is' if len(x) == 1 else 'are'} {len(x)}"
        )
    with full_precision():
        for transform in measure.transforms:
            x = transform.apply(x)
        core = measure.core
        if core.shared is not None and working is not None:
            return core.derive(core.shared.form(x, working), x)
        return core.prepare_labelled(x, labels) if core.needs_labels else core.prepare(x)


class PartialScores:
    """Scores of some of the samples, as if no others had been there.

    Each representation is prepared once, and its state restricted where the measure can;
    otherwise the samples that are left are prepared anew.
    """

    def __init__(self, measure: Measure[Any], values: Sequence[torch.Tensor]) -> None:
        if measure.core.needs_labels:
            raise InvalidParameterError(
                f"{measure.name} depends on labels: it is scored whole only"
            )
        self._measure = measure
        self._values = values
        self._states: dict[int, Any] = {}

    def __call__(self, rows: torch.Tensor, a: int = 0, b: int = 1) -> float:
        """The score of the values at positions a and b on these samples, ascending."""
        states = [self._state(index, rows) for index in (a, b)]
        with full_precision():
            return self._measure.core.compare(states[0], states[1])

    def _state(self, index: int, rows: torch.Tensor) -> Any:
        measure, x = self._measure, self._values[index]
        rows = rows.to(x.device)
        with full_precision():
            if index not in self._states:
                whole = len(x) >= measure.declared.minimum_n
                self._states[index] = measure.prepare_for_subsets(x) if whole else None
            state = self._states[index]
            part = None if state is None else measure.subset(state, rows)
        if part is not None and len(rows) >= measure.declared.minimum_n:
            return part
        return prepare_state(measure, select_samples(measure, x, rows))


def select_samples(measure: Measure[Any], x: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The values of some samples: rows, and columns too where the values are precomputed."""
    rows = rows.to(x.device)
    return x[rows][:, rows] if measure.precomputed else x[rows]


def named_layers(layers: Layers, what: str) -> dict[str, Representation]:
    """The layers of a model by name; a sequence's are called by layer, or by position."""
    if isinstance(layers, Mapping):
        named = {str(name): as_representation(x, str(name)) for name, x in layers.items()}
    else:
        reps = [as_representation(x, f"{what}[{i}]") for i, x in enumerate(layers)]
        names = [rep.origin.layer for rep in reps]
        distinct = None not in names and len(set(names)) == len(names)
        named = {str(names[i]) if distinct else str(i): rep for i, rep in enumerate(reps)}
    if not named:
        raise InvalidParameterError(f"{what} has no layers: give at least one representation")
    return named


def check_same_samples(reps: Mapping[str, Representation]) -> None:
    """Raise `SampleMismatchError` unless all representations have the same sample ids."""
    (first_name, first), *others = reps.items()
    for name, rep in others:
        if not same_samples(first, rep):
            raise SampleMismatchError(
                f"{name} ({rep.n} samples) does not describe the same samples in the same order "
                f"as {first_name} ({first.n}): select the shared samples first"
            )
