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
    measure: Measure[Any], x: torch.Tensor, labels: npt.NDArray[Any] | None = None
) -> Any:
    """Check n, apply the transforms and prepare."""
    if len(x) < measure.declared.minimum_n:
        raise TooFewSamplesError(
            f"{measure.name} needs at least {measure.declared.minimum_n} samples, and there "
            f"{'is' if len(x) == 1 else 'are'} {len(x)}"
        )
    with full_precision():
        for transform in measure.transforms:
            x = transform.apply(x)
        core = measure.core
        return core.prepare_labelled(x, labels) if core.needs_labels else core.prepare(x)


def score_of_rows(
    measure: Measure[Any], x: torch.Tensor, y: torch.Tensor, rows: torch.Tensor
) -> float:
    """The score of some of the samples, as if no others had been there."""
    if measure.core.needs_labels:
        raise InvalidParameterError(f"{measure.name} depends on labels: it is scored whole only")
    states = [prepare_state(measure, select_samples(measure, v, rows)) for v in (x, y)]
    with full_precision():
        return measure.core.compare(states[0], states[1])


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
