"""What an operation of torch does to axes: where features and samples are in its result.

An axis is a sequence of factors, each of some role: `(("features", 12), ("features", 64))` is an
axis of 768 features that were split into heads and joined again, and `(("samples", 8),
("features", 12))` one of 8 samples × 12 heads. The product of the sizes is the length of the axis.
A rule gives the axes of the result, or None where it cannot say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import torch

Role: TypeAlias = Literal["samples", "features"] | None
Axis: TypeAlias = tuple[tuple[Role, int], ...]
AxesOf: TypeAlias = tuple[Axis, ...]
Find: TypeAlias = Callable[[Any], AxesOf | None]
"""The axes of an argument; None for weights and whatever does not come from the samples."""
Arguments: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[Arguments, torch.Tensor, Find], AxesOf | None]

_KEPT = (
    *("clone", "detach", "alias", "lift_fresh", "_to_copy", "contiguous", "fill_", "zero_"),
    *("native_layer_norm", "_fused_rms_norm", "native_group_norm", "native_batch_norm"),
    *("_native_batch_norm_legit_no_training", "cudnn_batch_norm", "miopen_batch_norm"),
    *("_softmax", "_log_softmax", "cumsum", "cumprod", "native_dropout", "dropout", "glu"),
    *("max_pool2d_with_indices", "max_pool3d_with_indices", "mkldnn_max_pool2d"),
    *("avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "_adaptive_avg_pool3d"),
    *("adaptive_max_pool2d", "adaptive_max_pool3d", "pixel_shuffle", "pixel_unshuffle"),
    *("upsample_nearest1d", "upsample_linear1d", "upsample_nearest2d", "upsample_bilinear2d"),
    *("upsample_bicubic2d", "_upsample_bilinear2d_aa", "_upsample_bicubic2d_aa"),
    *("constant_pad_nd", "reflection_pad1d", "reflection_pad2d", "replication_pad2d"),
    *("slice", "split", "split_with_sizes", "chunk", "narrow", "flip", "roll", "index_select"),
    *("gather", "sort", "topk", "repeat", "channel_shuffle", "native_channel_shuffle"),
    *("unsafe_split", "tril", "triu", "logcumsumexp", "log_sigmoid_forward", "rrelu_with_noise"),
    *("grid_sampler_2d", "grid_sampler_3d"),
    *("index_put", "index_put_", "index_copy", "index_add", "scatter", "scatter_add"),
    *("masked_fill", "masked_fill_", "masked_scatter", "slice_scatter", "select_scatter"),
)
_REDUCED = (
    *("sum", "mean", "amax", "amin", "max", "min", "var", "std", "var_mean", "logsumexp", "prod"),
    *("linalg_vector_norm", "norm", "any", "all", "argmax", "argmin", "median"),
)
_POINTWISE = ("where", "copy_", "hardswish", "hardswish_", "mish_", "_prelu_kernel", "polar")
"""Element by element, though torch does not say so of them."""
_ATTENTIONS = (
    "_scaled_dot_product_flash_attention_for_cpu",
    "_scaled_dot_product_flash_attention",
    "_scaled_dot_product_efficient_attention",
    "_scaled_dot_product_cudnn_attention",
    "_scaled_dot_product_fused_attention_overrideable",
)


def has(axis: Axis, role: Role) -> bool:
    """Whether an axis, or a factor of it, has this role."""
    return any(factor[0] == role for factor in axis)


def length(axis: Axis) -> int:
    """How long an axis is."""
    return math.prod(size for _, size in axis)


def plain(size: int, role: Role = None) -> Axis:
    """An axis of one factor."""
    return ((role, size),)


def aligned(operands: Sequence[tuple[AxesOf, Sequence[int]]], shape: Sequence[int]) -> AxesOf:
    """The axes of what is combined element by element, with broadcasting from the right.

    `operands` are the axes and shapes of those that come from samples. Where they disagree about
    an axis, nothing is known of it.
    """
    found: list[Axis] = []
    for place, size in enumerate(shape, start=-len(shape)):
        same = [
            axes[place] for axes, sizes in operands if len(axes) >= -place and sizes[place] == size
        ]
        said = [axis for axis in same if any(role for role, _ in axis)]
        kinds = {frozenset(role for role, _ in axis) for axis in said}
        found.append(said[0] if len(kinds) == 1 else plain(size))
    return tuple(found)


def resized(axis: Axis, size: int) -> Axis:
    """An axis that was cut, padded or pooled to another length."""
    roles = {role for role, _ in axis}
    if length(axis) == size:
        return axis
    return plain(size, roles.pop() if len(roles) == 1 else None)


def refactored(axes: AxesOf, before: Sequence[int], after: Sequence[int]) -> AxesOf:
    """The axes after a reshape: factors are split and joined in the order of the elements."""
    front = 0
    while front < min(len(before), len(after)) and before[front] == after[front]:
        front += 1
    back = 0
    while back < min(len(before), len(after)) - front and before[-1 - back] == after[-1 - back]:
        back += 1
    middle = [
        factor for axis in axes[front : len(axes) - back] for factor in axis if factor[1] != 1
    ]
    inside = _regrouped(middle, after[front : len(after) - back])
    return (*axes[:front], *inside, *(axes[-back:] if back else ()))


def _regrouped(factors: list[tuple[Role, int]], sizes: Sequence[int]) -> AxesOf:
    axes: list[Axis] = []
    rest = list(factors)
    for needed in sizes:
        taken: list[tuple[Role, int]] = []
        while needed > 1 and rest:
            role, size = rest.pop(0)
            if needed % size == 0:
                taken.append((role, size))
                needed //= size
            elif size % needed == 0:
                taken.append((role, needed))
                rest.insert(0, (role, size // needed))
                needed = 1
            else:
                return (*axes, *map(plain, sizes[len(axes) :]))
        axes.append(tuple(taken))
    return tuple(axes)


def _kept(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(_first(given))
    if axes is None or len(axes) != result.ndim:
        return None
    return tuple(map(resized, axes, result.shape))


def _viewed(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(first := _first(given))
    return None if axes is None else refactored(axes, first.shape, result.shape)


def _expanded(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(first := _first(given))
    return None if axes is None else aligned([(axes, first.shape)], result.shape)


def _pointwise(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    tensors = [one for one in tensors_in(given.values()) if one.ndim <= result.ndim]
    known = [(axes, one.shape) for one in tensors if (axes := find(one)) is not None]
    return aligned(known, result.shape) if known else None


def _joined(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    parts = [one for one in tensors_in([_first(given)]) if one.ndim == result.ndim]
    dim = given.get("dim", 0) % result.ndim
    known = [
        ((*axes[:dim], resized(axes[dim], result.shape[dim]), *axes[dim + 1 :]), result.shape)
        for one in parts
        if (axes := find(one)) is not None
    ]
    return aligned(known, result.shape) if known else None


def _stacked(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    dim = given.get("dim", 0) % result.ndim
    shape = (*result.shape[:dim], *result.shape[dim + 1 :])
    known = [
        (axes, shape) for one in tensors_in([_first(given)]) if (axes := find(one)) is not None
    ]
    if not known:
        return None
    axes = aligned(known, shape)
    return (*axes[:dim], plain(result.shape[dim]), *axes[dim:])


def _reduced(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(_first(given))
    dims = given.get("dim")
    if axes is None or dims is None:
        return None
    gone = {dim % len(axes) for dim in (dims if isinstance(dims, list | tuple) else [dims])}
    if len(axes) == result.ndim:
        return tuple(() if dim in gone else axis for dim, axis in enumerate(axes))
    return tuple(axis for dim, axis in enumerate(axes) if dim not in gone)


def _transposed(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(_first(given))
    if axes is None:
        return None
    moved = list(axes)
    one, other = given.get("dim0", 0), given.get("dim1", 1)
    if len(moved) > 1:
        moved[one], moved[other] = moved[other], moved[one]
    return tuple(moved)


def _permuted(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(_first(given))
    return None if axes is None else tuple(axes[dim] for dim in given["dims"])


def _unsqueezed(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(_first(given))
    dim = given["dim"] % result.ndim
    return None if axes is None else (*axes[:dim], (), *axes[dim:])


def _squeezed(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(first := _first(given))
    if axes is None:
        return None
    dims = given.get("dim", range(first.ndim))
    gone = {dim % first.ndim for dim in ([dims] if isinstance(dims, int) else dims)}
    return tuple(a for d, a in enumerate(axes) if d not in gone or first.shape[d] != 1)


def _selected(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(first := _first(given))
    dim = given.get("dim", 0) % first.ndim
    return None if axes is None else (*axes[:dim], *axes[dim + 1 :])


def _indexed(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    """`x[:, index]`, and rows of a table, which are an embedding."""
    table, indices = given["self"], given["indices"]
    places = [place for place, index in enumerate(indices) if index is not None]
    if len(places) != 1:
        return None
    (place,) = places
    index, axes = indices[place], find(table)
    if axes is None:
        looked_up = find(index) if place == 0 and table.ndim == 2 else None
        return None if looked_up is None else (*looked_up, plain(table.shape[1], "features"))
    width = index.ndim if index.dtype in (torch.bool, torch.uint8) else 1
    new = result.ndim - (len(axes) - width)
    return (*axes[:place], *map(plain, result.shape[place : place + new]), *axes[place + width :])


def _embedded(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(given["indices"])
    return None if axes is None else (*axes, plain(result.shape[-1], "features"))


def _convolved(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(_first(given))
    if axes is None or len(axes) != result.ndim:
        return None
    new = _made(axes[1], [axes[0], *axes[2:]], result.shape[1])
    return (axes[0], new, *map(resized, axes[2:], result.shape[2:]))


def _made(contracted: Axis, others: Sequence[Axis], size: int) -> Axis:
    """The axis that a product with weights makes of one: new features, or new places.

    It is the latter where the features are another axis (an MLP over the tokens).
    """
    mixes_places = not has(contracted, "features") and any(has(a, "features") for a in others)
    return plain(size, None if mixes_places else "features")


def _product(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    """(…, i, k) by (…, k, j); one of them may be weights, or both come from the samples."""
    left = given["mat1"] if "mat1" in given else given.get("batch1", given.get("self"))
    right = given.get("mat2", given.get("batch2"))
    one, other = find(left), find(right)
    if one is not None and other is not None:
        sides = [(one[:-2], left.shape[:-2]), (other[:-2], right.shape[:-2])]
        return (*aligned(sides, result.shape[:-2]), one[-2], other[-1])
    if one is not None:
        return (*one[:-1], _made(one[-1], one[:-1], result.shape[-1]))
    if other is not None:
        rest = (*other[:-2], other[-1])
        return (*other[:-2], _made(other[-2], rest, result.shape[-2]), other[-1])
    return None


def _linear(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(given["input"])
    return None if axes is None else (*axes[:-1], _made(axes[-1], axes[:-1], result.shape[-1]))


def _attended(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    query, value = find(given["query"]), find(given["value"])
    if query is None or value is None or result.ndim != len(value):
        return None
    known = [(query[:-1], result.shape[:-1])]
    return (*aligned(known, result.shape[:-1]), value[-1])


def _as_complex(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(given["self"])
    return None if axes is None else axes[:-1]


def _as_real(given: Arguments, result: torch.Tensor, find: Find) -> AxesOf | None:
    axes = find(given["self"])
    if axes is None:
        return None
    is_feature = bool(axes) and has(axes[-1], "features")
    return (*axes, plain(2, "features" if is_feature else None))


def _first(given: Arguments) -> Any:
    return next(iter(given.values()))


def tensors_in(values: Any) -> list[torch.Tensor]:
    """The tensors among arguments, also in a list of them."""
    found: list[torch.Tensor] = []
    for one in values:
        if isinstance(one, torch.Tensor):
            found.append(one)
        elif isinstance(one, tuple | list):
            found.extend(item for item in one if isinstance(item, torch.Tensor))
    return found


RULES: Mapping[str, Rule] = {
    **dict.fromkeys(_KEPT, _kept),
    **dict.fromkeys(_REDUCED, _reduced),
    **dict.fromkeys(("view", "_unsafe_view", "reshape", "_reshape_alias"), _viewed),
    **dict.fromkeys(("mm", "addmm", "bmm", "baddbmm"), _product),
    **dict.fromkeys(("convolution", "_convolution", "cudnn_convolution"), _convolved),
    **dict.fromkeys(_ATTENTIONS, _attended),
    **dict.fromkeys(("select", "unbind"), _selected),
    **dict.fromkeys(_POINTWISE, _pointwise),
    **dict.fromkeys(("transpose", "transpose_", "t"), _transposed),
    "pointwise": _pointwise,
    "linear": _linear,
    "embedding": _embedded,
    "index": _indexed,
    "expand": _expanded,
    "cat": _joined,
    "stack": _stacked,
    "permute": _permuted,
    "unsqueeze": _unsqueezed,
    "squeeze": _squeezed,
    "view_as_complex": _as_complex,
    "view_as_real": _as_real,
}
"""By the name of the operation; `pointwise` for all that torch says are."""
