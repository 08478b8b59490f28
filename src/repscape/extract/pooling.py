"""Poolings: from the output of a layer to rows of features.

An output with two axes is (samples, features); with three axes it is (samples, tokens,
features); with four or more it is (samples, channels, height, width, …). In the last two
the tokens, or the pixels row by row, are *positions*.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from repscape.errors import UnknownNameError, did_you_mean

SampleShape = tuple[int, ...]
_FEWEST_AXES = 2
_CACHED_VALUES = 2**16


@dataclass(frozen=True)
class Pooling:
    """One way to turn an output into rows.

    Attributes
    ----------
    name : str
    reduce : callable
        Maps an output (n, …) with at least two axes to (n · rows per sample, features).
    keeps_positions : bool
        Whether every position becomes a row of its own.
    """

    name: str
    reduce: Callable[[torch.Tensor], torch.Tensor]
    keeps_positions: bool = False

    def shape(self, sample_shape: SampleShape) -> tuple[int, int]:
        """Return (rows per sample, features) for outputs of shape (n, *sample_shape)."""
        # Not on the meta device: its first operation takes seconds to import torch's compiler.
        probe = self.reduce(torch.zeros((1, *sample_shape)))
        return int(probe.shape[0]), int(probe.shape[1])


def positions(output: torch.Tensor) -> torch.Tensor:
    """View an output as (n, positions, features); one position if it has two axes."""
    if output.ndim == _FEWEST_AXES:
        return output[:, None]
    return output if output.ndim == 3 else output.flatten(2).transpose(1, 2)


def get_pooling(name: str) -> Pooling:
    """Return the pooling of this name, or raise `UnknownNameError` with the near matches."""
    if name not in POOLINGS:
        raise UnknownNameError(f"pooling={name!r} is unknown: {did_you_mean(name, POOLINGS)}")
    return POOLINGS[name]


def can_pool(sample_shape: SampleShape) -> bool:
    """Whether outputs of shape (n, *sample_shape) have features, and none of the axes is empty."""
    return len(sample_shape) + 1 >= _FEWEST_AXES and math.prod(sample_shape) > 0


def _mean(output: torch.Tensor) -> torch.Tensor:
    if output.ndim == _FEWEST_AXES:
        return output
    places = positions(output)
    if output.device.type != "cpu":
        return places.mean(1, dtype=torch.float64)
    # torch makes a float64 copy of what it averages; in pieces that stay in the cache this is
    # eight times as fast as at once.
    samples = max(1, _CACHED_VALUES // places[0].numel())
    return torch.cat([part.mean(1, dtype=torch.float64) for part in torch.split(places, samples)])


def _flatten(output: torch.Tensor) -> torch.Tensor:
    return output.flatten(1)


def _none(output: torch.Tensor) -> torch.Tensor:
    return positions(output).flatten(0, 1)


POOLINGS: Mapping[str, Pooling] = {
    pooling.name: pooling
    for pooling in (
        Pooling("mean", _mean),
        Pooling("flatten", _flatten),
        Pooling("none", _none, keeps_positions=True),
    )
}
