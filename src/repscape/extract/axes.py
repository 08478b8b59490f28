"""Which axes of the tensors of a forward pass are features and samples, operation by operation.

A layer of torch's own says which axis of its output holds the features; the samples are the first
axis of what goes into the network. What happens to an axis afterwards is read off the operations
themselves (`axis_rules`): a permutation moves it, a reshape splits and joins it, a product of two
activations takes one axis of each, sums and other element by element operations keep it. So a
module that turns a tensor around is seen to do so, also where two axes have one length. After an
operation of which nothing is known the axes are lost, until new features are made.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from repscape.extract.axis_rules import RULES, AxesOf, Find, Role, has, length, plain, tensors_in


@dataclass(frozen=True)
class Followed:
    """What is known of the axes of a tensor that comes from the samples.

    Attributes
    ----------
    axes : tuple of Axis
    is_lost : bool
        Whether it had features, and they were summed up or it is unknown where they are now.
    """

    axes: AxesOf
    is_lost: bool = False

    @cached_property
    def features(self) -> list[int]:
        """The axes that are features, or heads or other parts of them."""
        return [
            place
            for place, axis in enumerate(self.axes)
            if has(axis, "features") and not has(axis, "samples")
        ]

    @property
    def samples(self) -> int | None:
        """The axis of the samples, if it is known and nothing else is in it."""
        found = [
            place
            for place, axis in enumerate(self.axes)
            if axis and all(role == "samples" for role, _ in axis)
        ]
        return found[0] if len(found) == 1 else None

    def putting(self, role: Role, place: int) -> Followed:
        """The same with one axis of this role, and no other of it."""
        axes = [plain(length(axis)) if has(axis, role) else axis for axis in self.axes]
        axes[place] = plain(length(axes[place]), role)
        return Followed(tuple(axes))


class Axes(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch lacks types here
    """While it is entered, notes for every tensor that comes from the samples where its axes are.

    Attributes
    ----------
    known : mapping of tensor to Followed
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch lacks types here
        self.known: MutableMapping[torch.Tensor, Followed] = WeakTensorKeyDictionary()

    def begin(self, given: torch.Tensor) -> None:
        """Say that a tensor goes into the network: its first axis are the samples."""
        first, *others = given.shape
        self.known[given] = Followed((plain(first, "samples"), *map(plain, others)))

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operation, and note where the axes of its result are."""
        name, parameters = _signature(func)
        given = {**dict(zip(parameters, args, strict=False)), **(kwargs or {})}
        before = {
            id(one): found
            for one in tensors_in(given.values())
            if (found := self.known.get(one)) is not None
        }  # before it runs, since it may work in place
        result = func(*args, **(kwargs or {}))
        if not before:
            return result

        def find(argument: Any) -> AxesOf | None:
            found = before.get(id(argument))
            return None if found is None else found.axes

        for one in result if isinstance(result, tuple | list) else (result,):
            if isinstance(one, torch.Tensor) and one.layout == torch.strided:
                self.known[one] = _after(name, given, one, find, before.values())
        return result


@cache
def _signature(func: Any) -> tuple[str, tuple[str, ...]]:
    """The rule that an operation follows, and the names of its parameters."""
    schema = func._schema
    is_pointwise = torch.Tag.pointwise in func.tags
    name = "pointwise" if is_pointwise else schema.name.partition("::")[2]
    return name, tuple(argument.name for argument in schema.arguments)


def _after(
    name: str,
    given: Mapping[str, Any],
    result: torch.Tensor,
    find: Find,
    before: Iterable[Followed],
) -> Followed:
    rule = RULES.get(name)
    axes = None if rule is None else rule(given, result, find)
    if axes is None or len(axes) != result.ndim:
        axes = tuple(map(plain, result.shape))
    followed = Followed(axes)
    if followed.features or not any(one.features or one.is_lost for one in before):
        return followed
    return Followed(axes, is_lost=True)
