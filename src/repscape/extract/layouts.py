"""Which axis of an output holds the features, read off the layers that made it.

torch's own layers say it: a convolution gives (n, channels, …), a linear layer gives
(n, …, features). From there the axis is followed through the operations of the network, see
`axes`. Where they lose it, the output is compared with those of torch's layers that ended before
it, the last one first: the axis that is as long as that one's features is the axis of the
features, unless its length may as well be the number of tokens (or pixels) that such a layer had,
the features being new. If that leaves it open, or layers of the other kind have been seen, it is
unclear, which is an error where it matters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import nn

from repscape.extract.axes import Axes

Layout: TypeAlias = Literal["last", "first", "unclear", "sequence_first"]

_FIRST = (
    nn.modules.conv._ConvNd,
    nn.modules.batchnorm._NormBase,
    nn.GroupNorm,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
)
_LAST = (nn.Linear, nn.Embedding, nn.MultiheadAttention, nn.RNNBase, nn.RMSNorm)
_FEWEST_AXES = 3
_REMEMBERED = 16


@dataclass(frozen=True)
class _Known:
    """The output of a layer of torch's own: where its features are, and how many."""

    layout: Layout
    shape: tuple[int, ...]

    @property
    def features(self) -> int:
        return self.shape[1 if self.layout == "first" else -1]

    @property
    def lengths(self) -> tuple[int, ...]:
        return _lengths(self.shape, self.layout)


class LayoutReader:
    """Reads the layout of every output of one forward pass, in the order of their ends."""

    def __init__(self, module: nn.Module) -> None:
        self.axes = Axes()
        """To be entered around the forward pass."""
        self._known: list[_Known] = []
        self._kinds: set[tuple[bool, Layout]] = set()
        self._any_sequence_first = any(map(_is_sequence_first, module.modules()))

    def read(
        self, output: torch.Tensor, part: nn.Module | None, given: torch.Tensor | None = None
    ) -> Layout:
        """The layout of an output of `part`, which was given `given`.

        `part` is None for what goes into a module.
        """
        if output.is_nested or output.ndim < _FEWEST_AXES:
            return "last"
        own = None if part is None else _own_layout(part, output)
        if own is not None:
            self._learn(own, output, given)
        samples, features = self.axes.samples.get(output), self.axes.features.get(output)
        square = output.ndim == _FEWEST_AXES and output.shape[0] == output.shape[1]
        if samples is None and self._any_sequence_first and square:
            return "unclear"
        if samples:
            return "sequence_first" if (output.ndim, samples, features) == (3, 1, 2) else "unclear"
        if features is None:
            return self._inferred(output)
        return "last" if features == output.ndim - 1 else "first" if features == 1 else "unclear"

    def _learn(self, own: Layout, output: torch.Tensor, given: torch.Tensor | None) -> None:
        """Note what a layer of torch's own says."""
        self.axes.features[output] = 1 if own == "first" else output.ndim - 1
        if own == "sequence_first":
            self.axes.samples[output] = 1
            return
        if given is not None and (samples := self.axes.samples.get(given)) is not None:
            self.axes.samples[output] = samples
        self._known = [_Known(own, tuple(output.shape)), *self._known[: _REMEMBERED - 1]]
        self._kinds.add((output.ndim == _FEWEST_AXES, own))

    def _inferred(self, output: torch.Tensor) -> Layout:
        for place, known in enumerate(self._known):
            first, last = (output.shape[axis] == known.features for axis in (1, -1))
            if first and last:
                return "unclear"
            if first or last:
                lengths = _lengths(tuple(output.shape), "last" if first else "first")
                if any(lengths == seen.lengths for seen in self._known[: place + 1]):
                    return "unclear"  # or else the lengths are what they were, and features new
                return "first" if first else "last"
        tokens = output.ndim == _FEWEST_AXES
        usual: Layout = "last" if tokens else "first"
        other: Layout = "first" if tokens else "last"
        seen = {known.lengths for known in self._known}
        shape = tuple(output.shape)
        turned = _lengths(shape, other) in seen and _lengths(shape, usual) not in seen
        return "unclear" if turned or (tokens, other) in self._kinds else usual


def _own_layout(part: nn.Module, output: torch.Tensor) -> Layout | None:
    if output.ndim == _FEWEST_AXES and _is_sequence_first(part):
        return "sequence_first"
    if isinstance(part, _FIRST):
        return "first"
    if isinstance(part, _LAST) or type(part) is nn.LayerNorm or _is_conv1d_of_gpt2(part):
        return "last"
    if isinstance(part, nn.LayerNorm) and len(part.normalized_shape) == 1:
        # A subclass may move the axes around: timm's LayerNorm2d works on channels first.
        size = part.normalized_shape[0]
        if output.shape[1] == size and output.shape[-1] == size:
            return None
        return "first" if output.shape[1] == size else "last"
    return None


def _lengths(shape: tuple[int, ...], layout: Layout) -> tuple[int, ...]:
    """The axes that are neither samples nor features."""
    return shape[2:] if layout == "first" else shape[1:-1]


def _is_conv1d_of_gpt2(part: nn.Module) -> bool:
    """Whether it is the linear layer of GPT-2, which transformers calls `Conv1D`."""
    named = {(kind.__module__, kind.__name__) for kind in type(part).__mro__}
    return ("transformers.pytorch_utils", "Conv1D") in named


def _is_sequence_first(part: nn.Module) -> bool:
    """Whether a layer of torch takes and gives (tokens, samples, features)."""
    return getattr(part, "batch_first", None) is False
