"""Which axes of the tensors of a forward pass are features and samples, operation by operation.

A layer of torch's own says which axis of its output holds the features; the samples are the first
axis of what goes into the network. What happens to an axis afterwards is read off the operations
themselves: a permutation moves it, sums and other element by element operations keep it, a reshape
keeps it where the axes before or after it stay. So a module that turns a tensor around is seen to
do so, also where two axes have one length. What is not known to keep an axis loses it: then nothing
is said about its result.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeAlias

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

_KEEP = frozenset(
    (
        *("clone", "detach", "alias", "lift_fresh", "_to_copy", "contiguous", "copy_", "fill_"),
        *("native_layer_norm", "_fused_rms_norm", "native_group_norm", "native_batch_norm"),
        *("_native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm"),
        *("_softmax", "_log_softmax", "cumsum", "native_dropout", "dropout"),
        *("max_pool2d_with_indices", "max_pool3d_with_indices", "mkldnn_max_pool2d"),
        *("avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d"),
        *("upsample_nearest2d", "upsample_bilinear2d", "upsample_bicubic2d"),
        *("constant_pad_nd", "reflection_pad2d", "replication_pad2d"),
        *("slice", "split", "split_with_sizes", "chunk", "narrow", "flip", "roll", "index_select"),
        *("repeat", "expand"),
    )
)
"""Operations whose result has the axes of what they are given, where it has as many."""
_VIEWS = frozenset(("view", "_unsafe_view", "reshape", "_reshape_alias"))
_POINTWISE = frozenset(("cat", "where"))
_FEATURES_LAST = frozenset(("mm", "addmm", "embedding", "linear"))
_FEATURES_SECOND = frozenset(("convolution", "_convolution", "cudnn_convolution"))
_INPUT = {"mm": 0, "addmm": 1, "linear": 0, "embedding": 1} | dict.fromkeys(_FEATURES_SECOND, 0)
"""Which argument of these operations holds the samples, beside weights."""

_Known: TypeAlias = MutableMapping[torch.Tensor, int]


class Axes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch lacks types here
    """While it is entered, notes for every tensor where its features and samples are.

    Attributes
    ----------
    features, samples : mapping of tensor to int
        The axis, counted from 0, as far as it is known.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch lacks types here
        self.features: _Known = WeakTensorKeyDictionary()
        self.samples: _Known = WeakTensorKeyDictionary()

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation, and note where the axes of its result are."""
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.partition("::")[2]
        pointwise = torch.Tag.pointwise in func.tags or name in _POINTWISE
        for one in result if isinstance(result, tuple | list) else (result,):
            if isinstance(one, torch.Tensor) and one.layout == torch.strided and one.ndim > 1:
                begun = _features_of(name, one), _samples_of(name, args, self.samples)
                for known, axis in zip((self.features, self.samples), begun, strict=True):
                    if axis is None:
                        axis = _followed(name, pointwise, args, one, known)
                    if axis is None:
                        known.pop(one, None)
                    else:
                        known[one] = axis
        return result


def _features_of(name: str, result: torch.Tensor) -> int | None:
    """The features of an operation that makes new ones."""
    return result.ndim - 1 if name in _FEATURES_LAST else 1 if name in _FEATURES_SECOND else None


def _samples_of(name: str, args: Sequence[Any], known: _Known) -> int | None:
    """The samples of an operation that makes new features, and leaves the others alone."""
    return known.get(args[_INPUT[name]]) if name in _INPUT else None


def _followed(
    name: str, pointwise: bool, args: Sequence[Any], result: torch.Tensor, known: _Known
) -> int | None:
    """Where an axis is after an operation, if it is known where it was."""
    if pointwise:
        operands = [one for one in _tensors(args) if one.ndim == result.ndim]
        agreed = {known.get(one) for one in operands} - {None}
        return agreed.pop() if len(agreed) == 1 else None
    given = args[0] if args else None
    if not isinstance(given, torch.Tensor) or (axis := known.get(given)) is None:
        return None
    if name in _VIEWS:
        return _reshaped(given.shape, result.shape, axis)
    if name in _KEEP:
        return axis if given.ndim == result.ndim else None
    moved = _MOVES.get(name)
    return None if moved is None else moved(axis, given.ndim, args[1:])


def _tensors(args: Sequence[Any]) -> list[torch.Tensor]:
    """The tensors among arguments, also in a list of them."""
    found: list[torch.Tensor] = []
    for one in args:
        if isinstance(one, torch.Tensor):
            found.append(one)
        elif isinstance(one, tuple | list):
            found.extend(item for item in one if isinstance(item, torch.Tensor))
    return found


def _reshaped(before: Sequence[int], after: Sequence[int], axis: int) -> int | None:
    """Where an axis is after a reshape that leaves all axes up to it, or from it on, alone."""
    if tuple(before[: axis + 1]) == tuple(after[: axis + 1]):
        return axis
    rest = len(before) - axis
    if len(after) >= rest and tuple(before[-rest:]) == tuple(after[-rest:]):
        return len(after) - rest
    return None


def _transposed(axis: int, ndim: int, rest: Sequence[Any]) -> int:
    one, other = (int(dim) % ndim for dim in rest[:2])
    return {one: other, other: one}.get(axis, axis)


def _permuted(axis: int, ndim: int, rest: Sequence[Any]) -> int:
    return [int(dim) % ndim for dim in rest[0]].index(axis)


def _turned(axis: int, ndim: int, rest: Sequence[Any]) -> int:
    return 1 - axis


def _unsqueezed(axis: int, ndim: int, rest: Sequence[Any]) -> int:
    return axis + (int(rest[0]) % (ndim + 1) <= axis)


def _selected(axis: int, ndim: int, rest: Sequence[Any]) -> int | None:
    dim = int(rest[0]) % ndim
    return None if dim == axis else axis - (dim < axis)


_MOVES: dict[str, Callable[[int, int, Sequence[Any]], int | None]] = {
    "transpose": _transposed,
    "permute": _permuted,
    "t": _turned,
    "unsqueeze": _unsqueezed,
    "select": _selected,
}
