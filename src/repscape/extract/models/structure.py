"""Canonical names of layers, found by watching one small forward pass.

Nothing here knows an architecture by name. The *blocks* of a stack are the modules of the
outermost `ModuleList` that holds most of its weights, in the order in which they are called.
`embeddings` is what goes into the first of them, `block.i` what the i-th gives: the residual
stream. `final_norm` is the norm that follows the last block. Inside a block, `input_norm` is
the norm that is given the block's own input, `attention` is the projection that ends the
attention, before it is added to the stream, and `mlp` is what the feed-forward part gives.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from repscape.errors import InvalidParameterError
from repscape.extract.calls import first_tensor
from repscape.extract.layers import INPUT

_ATTENTION = ("attention", "attn")
_MLP = ("mlp", "moe", "ffn", "feedforward", "feed_forward")


@dataclass(frozen=True)
class CallSeen:
    """One call of one submodule: when it began and ended, what went in and what came out."""

    name: str
    index: int
    began: int
    ended: int
    given: torch.Tensor | None
    gave: torch.Tensor | None

    @property
    def site(self) -> str:
        """The name of this call as a layer."""
        return f"{self.name}#{self.index}"


@dataclass
class _Watch:
    clock: int = 0
    calls: list[CallSeen] = field(default_factory=list)
    open: dict[str, list[tuple[int, int, torch.Tensor | None]]] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def before(self, name: str, part: nn.Module, args: Any, kwargs: Any) -> None:
        given = first_tensor(args)
        given = first_tensor(kwargs) if given is None else given
        self.open.setdefault(name, []).append((self.clock, self.counts[name], given))
        self.counts[name] += 1
        self.clock += 1

    def after(self, name: str, part: nn.Module, args: Any, output: Any) -> None:
        began, index, given = self.open[name].pop()
        self.calls.append(CallSeen(name, index, began, self.clock, given, first_tensor(output)))
        self.clock += 1


def watch(module: nn.Module, run: Callable[[], Any]) -> list[CallSeen]:
    """Run a forward pass and return the calls of all submodules in the order they began.

    A network without values (on the device `meta`) makes the calls that it makes with them, as
    long as these follow from its configuration.
    """
    seen = _Watch()
    with ExitStack() as hooks:
        for name, part in module.named_modules():
            if name:
                before = partial(seen.before, name)
                for handle in (
                    part.register_forward_pre_hook(before, with_kwargs=True),
                    part.register_forward_hook(partial(seen.after, name)),
                ):
                    hooks.callback(handle.remove)
        valueless = any(weight.is_meta for weight in module.parameters())
        with torch.no_grad(), _WithoutValues() if valueless else nullcontext():
            run()
    return sorted(seen.calls, key=lambda call: call.began)


class _WithoutValues(TorchFunctionMode):
    """Where a network looks at a value that is not there, it sees true.

    That is what transformers ask: whether a mask hides nothing, whether no sample is packed.
    """

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if function in _LOOKS and args[0].is_meta:
            return True
        return function(*args, **(kwargs or {}))


_LOOKS = (torch.Tensor.__bool__, torch.Tensor.item)


def find_stacks(
    module: nn.Module, depth: int | None = None, called: Set[str] | None = None
) -> dict[str, frozenset[str]]:
    """The blocks of a module, by the prefix of their canonical names.

    The prefix is empty, unless the module has both an `encoder.` and a `decoder.`. A list of
    `depth` blocks, which is what a configuration says, goes before a heavier one. Only lists
    with modules among the `called` are looked at, if these are given.
    """
    lists = [one for one in _outermost_lists(module) if called is None or one.blocks & called]
    sides = {side: [one for one in lists if one.path.split(".")[0] == side] for side in _SIDES}
    if all(sides.values()):
        return {f"{side}.": _heaviest(sides[side], depth).blocks for side in _SIDES}
    return {"": _heaviest(lists, depth).blocks} if lists else {}


_SIDES = ("encoder", "decoder")


@dataclass(frozen=True)
class _Stack:
    path: str
    blocks: frozenset[str]
    weights: int


def _outermost_lists(module: nn.Module, path: str = "") -> Iterator[_Stack]:
    above = f"{path}." if path else ""
    found = {name: child for name, child in module.named_children() if _is_list(child)}
    stages = {name: part for name, part in found.items() if isinstance(part, nn.Sequential)}
    if len(stages) > 1:  # layer1, layer2, … of a residual network
        blocks = frozenset(above + name for name in stages)
        yield _Stack(path, blocks, sum(map(_weights, stages.values())))
    for name, child in module.named_children():
        where = above + name
        if name in found and not (len(stages) > 1 and name in stages):
            blocks = frozenset(f"{where}.{inner}" for inner, _ in child.named_children())
            yield _Stack(where, blocks, _weights(child))
        elif name not in found:
            yield from _outermost_lists(child, where)


def _weights(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def _is_list(parts: nn.Module) -> bool:
    """Whether it is a list of composed modules: not the layers of one small network in a row.

    What runs one after the other by itself may be a whole network; then its parts are not alike.
    """
    if not isinstance(parts, nn.ModuleList | nn.Sequential) or not len(parts):
        return False
    if isinstance(parts, nn.Sequential) and len({type(part) for part in parts}) > 1:
        return False
    return all(any(True for _ in part.children()) for part in parts)


def _heaviest(lists: Sequence[_Stack], depth: int | None) -> _Stack:
    return max(lists, key=lambda stack: (len(stack.blocks) == depth, stack.weights))


def name_layers(
    module: nn.Module, calls: Sequence[CallSeen], stacks: Mapping[str, frozenset[str]]
) -> dict[str, str]:
    """Canonical names, in the order of the forward pass, and the sites they stand for.

    The parts of a block have no names of their own where the block is a stage of several.
    """
    parts = dict(module.named_modules())
    repeated = {call.name for call in calls if call.index}
    found: dict[str, CallSeen | str] = {}
    for prefix, paths in stacks.items():
        blocks = [call for call in calls if call.name in paths]
        if not blocks:
            continue
        _refuse_time_first(blocks[0])
        found[f"{prefix}embeddings"] = _site(blocks[0], repeated, INPUT)
        for number, block in enumerate(blocks):
            inside = [c for c in calls if block.began < c.began and c.ended < block.ended]
            own = _parts_of_block(block, inside, parts)
            found |= {f"{prefix}block.{number}.{part}": call for part, call in own.items()}
            found[f"{prefix}block.{number}"] = block
        norm = _final_norm(blocks[-1], calls, parts)
        if norm is not None:
            found[f"{prefix}final_norm"] = norm
    return {
        name: site if isinstance(site, str) else _site(site, repeated)
        for name, site in found.items()
    }


def _refuse_time_first(block: CallSeen) -> None:
    """One sample was given; blocks that see it along another axis would be pooled wrongly."""
    if block.given is not None and block.given.ndim == 3 and block.given.shape[0] != 1:
        raise InvalidParameterError(
            f"the blocks of this model ({block.name!r}) take {tuple(block.given.shape)} for one "
            "sample: tokens come before samples, which cannot be pooled"
        )


def _site(call: CallSeen, repeated: set[str], suffix: str = "") -> str:
    return f"{call.name}{suffix}" + (f"#{call.index}" if call.name in repeated else "")


def _parts_of_block(
    block: CallSeen, inside: Sequence[CallSeen], parts: Mapping[str, nn.Module]
) -> dict[str, CallSeen]:
    found: dict[str, CallSeen] = {}
    if _is_stage(block, parts):
        return found
    norms = [c for c in inside if _is_norm(parts[c.name])]
    own = next((c for c in norms if _same(c.given, block.given)), None)
    if own is not None:
        found["input_norm"] = own
    attention = next((c for c in inside if _is_called(c, parts, _ATTENTION)), None)
    attended = [] if attention is None else _within(attention, inside)
    projection = _last_projection(attended, parts)
    if attention is not None and isinstance(parts[attention.name], nn.MultiheadAttention):
        projection = attention  # it calls no module for its projection
    if projection is not None:
        found["attention"] = projection
    mlp = _mlp(block, [c for c in inside if c not in attended and c is not attention], parts)
    if mlp is not None:
        found["mlp"] = mlp
    return found


def _mlp(
    block: CallSeen, rest: Sequence[CallSeen], parts: Mapping[str, nn.Module]
) -> CallSeen | None:
    shape = None if block.gave is None else block.gave.shape
    fitting = [c for c in rest if c.gave is not None and c.gave.shape == shape]
    named = next((c for c in fitting if _is_called(c, parts, _MLP)), None)
    return _last_projection(fitting, parts) if named is None else named


def _within(outer: CallSeen, calls: Sequence[CallSeen]) -> list[CallSeen]:
    return [c for c in calls if outer.began < c.began and c.ended < outer.ended]


def _last_projection(calls: Sequence[CallSeen], parts: Mapping[str, nn.Module]) -> CallSeen | None:
    projections = [c for c in calls if _is_projection(parts[c.name])]
    return max(projections, key=lambda call: call.ended, default=None)


def _is_projection(part: nn.Module) -> bool:
    """Whether a module is a matrix: a linear layer, or its transposed twin in GPT-2."""
    weight = getattr(part, "weight", None)
    matrix = isinstance(weight, torch.Tensor) and weight.ndim == 2
    return matrix and not any(True for _ in part.children()) and not isinstance(part, nn.Embedding)


def _is_norm(part: nn.Module) -> bool:
    return "norm" in type(part).__name__.lower() and not any(True for _ in part.children())


def _is_called(call: CallSeen, parts: Mapping[str, nn.Module], words: Sequence[str]) -> bool:
    own = f"{call.name.rpartition('.')[2]} {type(parts[call.name]).__name__}".lower()
    is_norm = _is_norm(parts[call.name])
    return not is_norm and any(word in own for word in words)


def _same(one: torch.Tensor | None, other: torch.Tensor | None) -> bool:
    """Whether two are the same numbers in memory, or would be if they had any."""
    if one is None or other is None or one.untyped_storage() is not other.untyped_storage():
        return False
    return bool(one.storage_offset() == other.storage_offset()) and one.shape == other.shape


def _is_stage(block: CallSeen, parts: Mapping[str, nn.Module]) -> bool:
    """Whether a block holds several blocks of one kind."""
    here = parts[block.name]
    inner = [list(one.children()) for one in (here, *here.children()) if _is_list(one)]
    return any(len(alike) > 1 and len(set(map(type, alike))) == 1 for alike in inner)


def _final_norm(
    last: CallSeen, calls: Sequence[CallSeen], parts: Mapping[str, nn.Module]
) -> CallSeen | None:
    """The first norm after the last block, among what stands beside the blocks or above them."""
    names = last.name.split(".")[:-1]
    above = {".".join(names[:count]) for count in range(len(names) + 1)}
    after = (c for c in calls if c.began > last.ended and c.name.rpartition(".")[0] in above)
    return next((c for c in after if _is_norm(parts[c.name])), None)
