"""Which axis of an output holds the features, read off the layers that made it.

torch's own layers say it: a convolution gives (n, channels, …), a linear layer gives
(n, …, features). From there the axis is followed through the operations of the network, see
`axes`. Where they lose it, or there are several such axes, it is unclear, which is an error where
it matters. Only of what comes straight from the samples, before any layer, the usual is assumed:
(n, tokens, features) or (n, channels, height, width).
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import nn

from repscape.extract.axes import Axes, Followed
from repscape.extract.axis_rules import plain

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


class LayoutReader:
    """Reads the layout of every output of one forward pass, in the order of their ends."""

    def __init__(self, module: nn.Module) -> None:
        self.axes = Axes()
        """To be entered around the forward pass."""
        self._kinds: set[tuple[bool, Layout]] = set()
        self._any_sequence_first = any(map(_is_sequence_first, module.modules()))

    def read(self, output: torch.Tensor, part: nn.Module, given: torch.Tensor | None) -> Layout:
        """The layout of an output of `part`, which was given `given`."""
        own = None if _is_vector(output) else _own_layout(part, output)
        if own is not None:
            self._learn(own, output, given)
        return self._followed(output)

    def read_input(self, tensor: torch.Tensor, part: nn.Module) -> Layout:
        """The layout of what goes into `part`, which says it where the network does not."""
        known = self.axes.known.get(tensor)
        is_new = known is not None and not known.features and not _is_vector(tensor)
        takes = _own_layout(part, tensor) if is_new else None
        return self._followed(tensor) if takes is None else takes

    def _followed(self, output: torch.Tensor) -> Layout:
        if _is_vector(output):
            return "last"
        known = self.axes.known.get(output)
        samples = None if known is None else known.samples
        features = self._features(output, known)
        square = output.ndim == _FEWEST_AXES and output.shape[0] == output.shape[1]
        if samples is None and self._any_sequence_first and square:
            return "unclear"
        if samples:
            return "sequence_first" if (output.ndim, samples, features) == (3, 1, 2) else "unclear"
        return "last" if features == output.ndim - 1 else "first" if features == 1 else "unclear"

    def _features(self, output: torch.Tensor, known: Followed | None) -> int | None:
        """The axis of the features, as it was followed or as is usual."""
        if known is None or known.is_lost or len(known.features) > 1:
            return None
        if known.features:
            return known.features[0]
        tokens = output.ndim == _FEWEST_AXES
        if (tokens, "first" if tokens else "last") in self._kinds:
            return None
        return output.ndim - 1 if tokens else 1

    def _learn(self, own: Layout, output: torch.Tensor, given: torch.Tensor | None) -> None:
        """Note what a layer of torch's own says, where it could not be followed."""
        self._kinds.add((output.ndim == _FEWEST_AXES, own))
        known = self.axes.known.get(output)
        if known is None:
            known = Followed(tuple(map(plain, output.shape)))
        if len(known.features) != 1:
            known = known.putting("features", 1 if own == "first" else output.ndim - 1)
        if own == "sequence_first":
            known = known.putting("samples", 1)
        elif known.samples is None and given is not None and given in self.axes.known:
            before = self.axes.known[given].samples
            known = known if before is None else known.putting("samples", before)
        self.axes.known[output] = known


def _is_vector(output: torch.Tensor) -> bool:
    """Whether a sample is one vector (or not even that), so that there is nothing to tell apart."""
    return output.is_nested or output.ndim < _FEWEST_AXES


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


def _is_conv1d_of_gpt2(part: nn.Module) -> bool:
    """Whether it is the linear layer of GPT-2, which transformers calls `Conv1D`."""
    named = {(kind.__module__, kind.__name__) for kind in type(part).__mro__}
    return ("transformers.pytorch_utils", "Conv1D") in named


def _is_sequence_first(part: nn.Module) -> bool:
    """Whether a layer of torch takes and gives (tokens, samples, features)."""
    return getattr(part, "batch_first", None) is False
