"""Poolings: from the output of a layer to rows of features.

An output with two axes is (samples, features), and every pooling but an impossible one leaves
it as it is. Others have *positions*: the tokens of (samples, tokens, features), the pixels of
(samples, channels, height, width, …) or (samples, height, width, channels). A pooling sees
them as `Places`, with the positions that count: those of no padding, and of no special token
if the user leaves these out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    UnknownNameError,
    did_you_mean,
)
from repscape.extract.layouts import Layout
from repscape.extract.marks import NOTHING_KNOWN, Marks
from repscape.extract.places import Places

SampleShape = tuple[int, ...]
_FEWEST_AXES = 2
_CACHED_VALUES = 2**16


@dataclass(frozen=True)
class Pooling:
    """One way to turn an output into rows.

    Attributes
    ----------
    name : str
    pool : callable
        Maps places to rows: (n, features), or one row for each counted position.
    keeps_positions : bool
        Whether every position becomes a row of its own.
    summary : str
    """

    name: str
    pool: Callable[[Places], torch.Tensor]
    summary: str
    keeps_positions: bool = False

    def reduce(
        self, output: torch.Tensor, layout: Layout = "last", marks: Marks = NOTHING_KNOWN
    ) -> torch.Tensor:
        """Map an output (n, …) to rows."""
        return self.pool(Places.of(output, layout, marks))

    def width(self, sample_shape: SampleShape, layout: Layout = "last") -> int:
        """The features of a row of outputs of shape (n, *sample_shape)."""
        if self.name == "flatten":
            return math.prod(sample_shape)
        return sample_shape[0 if layout == "first" and len(sample_shape) > 1 else -1]


def get_pooling(name: str) -> Pooling:
    """Return the pooling of this name, or raise `UnknownNameError` with the near matches."""
    if name not in POOLINGS:
        raise UnknownNameError(f"pooling={name!r} is unknown: {did_you_mean(name, POOLINGS)}")
    return POOLINGS[name]


def get_poolings(names: str | Sequence[str]) -> tuple[Pooling, ...]:
    """Return several poolings, each once, in the order given."""
    listed = [names] if isinstance(names, str) else list(names)
    if not listed:
        raise InvalidParameterError(f"pooling is empty: name at least one of {', '.join(POOLINGS)}")
    return tuple(dict.fromkeys(map(get_pooling, listed)))


def can_pool(sample_shape: SampleShape) -> bool:
    """Whether outputs of shape (n, *sample_shape) have features, and none of the axes is empty."""
    return len(sample_shape) + 1 >= _FEWEST_AXES and math.prod(sample_shape) > 0


def _mean(places: Places) -> torch.Tensor:
    if places.is_vector:
        return places.whole
    return _mean_over(places.values, places.counted)


def _mean_over(values: torch.Tensor, counted: torch.Tensor | None) -> torch.Tensor:
    if counted is not None:
        weights = counted.to(torch.float64)
        return _weighted(values, weights)
    if values.device.type != "cpu":
        return values.mean(1, dtype=torch.float64)
    # torch makes a float64 copy of what it averages; in pieces that stay in the cache this is
    # eight times as fast as at once.
    samples = max(1, _CACHED_VALUES // values[0].numel())
    return torch.cat([part.mean(1, dtype=torch.float64) for part in torch.split(values, samples)])


def _weighted(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Σ w·x / Σ w in float64; positions of weight 0 have no part in it, not even as NaN."""
    if values.device.type != "cpu":  # one launch for all samples, instead of one for each
        return weighted_at_once(values, weights)
    seen = weights > 0
    sums = [
        weight[rows].clone() @ sample[rows].to(torch.float64)
        for sample, weight, rows in zip(values, weights, _selections(seen), strict=True)
    ]
    return torch.stack(sums) / weights.sum(1, keepdim=True)


def _selections(seen: torch.Tensor) -> list[slice | torch.Tensor]:
    """Which positions are seen of every sample: a slice, which needs no copy, where it is one."""
    bits = seen.to(torch.uint8)
    firsts = bits.argmax(1).tolist()
    ends = (bits.shape[1] - bits.flip(1).argmax(1)).tolist()
    counts = bits.sum(1, dtype=torch.int64).tolist()
    return [
        slice(first, end) if end - first == count else row
        for first, end, count, row in zip(firsts, ends, counts, seen, strict=True)
    ]


def weighted_at_once(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weighted means of all samples by one batched product, for devices with many cores."""
    seen = values.masked_fill(weights[..., None] == 0, 0).to(torch.float64)
    return (weights[:, None] @ seen).squeeze(1) / weights.sum(1, keepdim=True)


def _weighted_mean(places: Places) -> torch.Tensor:
    _need_an_order(places, "weighted_mean")
    counted = _all_or(places.counted, places)
    return places.whole if places.is_vector else _weighted(places.values, _ramp(counted))


def _ramp(counted: torch.Tensor) -> torch.Tensor:
    """1 … T over the positions that count, 0 elsewhere."""
    return torch.where(counted, counted.cumsum(1), 0).to(torch.float64)


def _max(places: Places) -> torch.Tensor:
    if places.counted is None:
        return places.values.amax(1)
    hidden = ~places.counted[..., None]
    return places.values.masked_fill(hidden, -math.inf).amax(1)


def _first_token(places: Places) -> torch.Tensor:
    _need_an_order(places, "first_token")
    return _picked(places.values, _all_or(places.counted, places).to(torch.uint8).argmax(1))


def _cls(places: Places) -> torch.Tensor:
    _need_an_order(places, "cls")
    if not places.is_vector and not places.is_text and places.prefix == 0:
        raise InvalidRepresentationError(
            f"{places.values.shape[1]} patches and no class token before them: pool with "
            "'spatial_mean' or choose a layer that has it"
        )
    return _picked(places.values, _all_or(places.attended, places).to(torch.uint8).argmax(1))


def _last_token(places: Places) -> torch.Tensor:
    _need_an_order(places, "last_token")
    return _picked(places.values, _ramp(_all_or(places.counted, places)).argmax(1))


def _spatial_mean(places: Places) -> torch.Tensor:
    if places.is_vector:
        return places.whole
    if places.is_text or places.prefix is None:
        what = "tokens" if places.is_text else "positions of which it is unknown if they are places"
        raise InvalidRepresentationError(f"{what}, not places in space: pool with 'mean'")
    return _mean_over(places.values[:, places.prefix :], None)


def _flatten(places: Places) -> torch.Tensor:
    if places.counted is not None and not bool(places.counted.all()):
        raise InvalidRepresentationError(
            "positions that are padding or do not count, which 'flatten' would keep: pool with "
            "'mean', or one row each with 'none'"
        )
    return places.whole.flatten(1)


def _none(places: Places) -> torch.Tensor:
    rows = places.values
    return rows.flatten(0, 1) if places.counted is None else rows[places.counted]


def _need_an_order(places: Places, pooling: str) -> None:
    if places.axes > 3:
        raise InvalidRepresentationError(
            f"a map of {places.values.shape[1]} pixels, which have no first or last: pool with "
            f"'spatial_mean', 'max' or 'flatten' instead of {pooling!r}"
        )


def _all_or(mask: torch.Tensor | None, places: Places) -> torch.Tensor:
    if mask is not None:
        return mask
    return torch.ones(places.values.shape[:2], dtype=torch.bool, device=places.values.device)


def _picked(values: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    return values[torch.arange(len(values), device=values.device), position]


POOLINGS: Mapping[str, Pooling] = {
    pooling.name: pooling
    for pooling in (
        Pooling("mean", _mean, "the mean of the positions that count, taken in float64"),
        Pooling("last_token", _last_token, "the last position that counts"),
        Pooling("first_token", _first_token, "the first position that counts"),
        Pooling("cls", _cls, "the first position of all, the class token where there is one"),
        Pooling("max", _max, "the largest value of each feature"),
        Pooling("weighted_mean", _weighted_mean, "the mean with weights 1 … T, in float64"),
        Pooling("spatial_mean", _spatial_mean, "the mean of the pixels or patches"),
        Pooling("flatten", _flatten, "all positions as one row"),
        Pooling("none", _none, "one row for each position that counts", keeps_positions=True),
    )
}
