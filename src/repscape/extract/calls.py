"""Record the outputs of layers during forward passes, and stop as early as possible."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from types import TracebackType
from typing import Any

import torch

from repscape.errors import InvalidRepresentationError
from repscape.extract.layers import INPUT, Call, Selection
from repscape.extract.layouts import Layout, LayoutReader
from repscape.extract.trace import Trace, TracedOutput

Receive = Callable[[Call, torch.Tensor, Layout], None]


class _EnoughError(BaseException):
    """Leaves a forward pass; no `except Exception` of a model may hold it up."""


class CallRecorder:
    """Hooks on every layer of a module, as a context manager.

    Every layer is hooked in every pass, whichever are asked for: some modules of torch take
    another, fused route (with other last bits) when nobody listens inside, and what one
    layer gives must not depend on which others were asked for.
    """

    def __init__(self, module: torch.nn.Module, selection: Selection) -> None:
        self._module = module
        self._selection = selection
        self._hooks = ExitStack()
        self._pass: _Learning | _Following | None = None

    def __enter__(self) -> CallRecorder:
        with ExitStack() as hooks:
            for name, part in self._module.named_modules():
                if name:
                    before = part.register_forward_pre_hook(
                        partial(self._before, name), with_kwargs=True
                    )
                    hooks.callback(before.remove)
                    after = part.register_forward_hook(partial(self._after, name))
                    hooks.callback(after.remove)
            self._hooks = hooks.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._hooks.close()

    def learn(self, inputs: Any, receive: Receive) -> Trace:
        """Run one whole forward pass; return all calls in the order in which they ended."""
        layouts = LayoutReader(self._module)
        learning = _Learning(self._selection, receive, layouts)
        for tensor in _all_tensors(inputs):
            layouts.axes.begin(tensor)
        with layouts.axes:
            self._forward(inputs, learning)
        return Trace(tuple(learning.outputs))

    def follow(
        self, inputs: Any, receive: Receive, calls: Mapping[Call, Layout], until: Collection[Call]
    ) -> None:
        """Run a forward pass until all calls of `until` have ended, in whatever order.

        `calls` are all wanted calls of the pass that was learned, with their layouts.

        Raises
        ------
        InvalidRepresentationError
            If a call does not come, or a wanted layer is called more often than was learned.
        """
        following = _Following(self._selection, receive, calls, set(until))
        try:
            self._forward(inputs, following)
        except _EnoughError:
            return
        call = min(following.missing)
        raise InvalidRepresentationError(
            f"call #{call.index} of layer {call.layer!r} does not happen for this batch, but "
            "did for the first: ask for layers that every batch calls equally often"
        )

    def _forward(self, inputs: Any, this: _Learning | _Following) -> None:
        self._pass = this
        try:
            if isinstance(inputs, Mapping):
                self._module(**inputs)
            elif isinstance(inputs, tuple | list):
                self._module(*inputs)
            else:
                self._module(inputs)
        finally:
            self._pass = None

    def _before(self, name: str, part: torch.nn.Module, args: Any, kwargs: Any) -> None:
        if self._pass is not None:
            given = first_tensor(args)
            self._pass.ended(name + INPUT, first_tensor(kwargs) if given is None else given, part)

    def _after(self, name: str, part: torch.nn.Module, args: Any, output: Any) -> None:
        if self._pass is not None:
            self._pass.ended(name, output, part, first_tensor(args))


class _Learning:
    """A whole pass: notes every call and hands on those that are wanted."""

    def __init__(self, selection: Selection, receive: Receive, layouts: LayoutReader) -> None:
        self.outputs: list[TracedOutput] = []
        self._selection = selection
        self._receive = receive
        self._layouts = layouts
        self._counts: Counter[str] = Counter()

    def ended(
        self,
        name: str,
        output: Any,
        part: torch.nn.Module,
        given: torch.Tensor | None = None,
    ) -> None:
        call = Call(name, self._counts[name])
        self._counts[name] += 1
        tensor = first_tensor(output)
        layout: Layout = "last"
        if tensor is not None and name.endswith(INPUT):
            layout = self._layouts.read_input(tensor, part)
        elif tensor is not None:
            layout = self._layouts.read(tensor, part, given)
        self.outputs.append(TracedOutput.of(call, tensor, layout))
        if self._selection.wants(call):
            self._receive(call, _tensor(call, output), layout)


class _Following:
    """A pass whose calls are known: hands on the missing ones, and leaves after the last."""

    def __init__(
        self,
        selection: Selection,
        receive: Receive,
        calls: Mapping[Call, Layout],
        missing: set[Call],
    ) -> None:
        self.missing = missing
        self._selection = selection
        self._receive = receive
        self._calls = calls
        self._counts: Counter[str] = Counter()

    def ended(
        self,
        name: str,
        output: Any,
        part: torch.nn.Module,
        given: torch.Tensor | None = None,
    ) -> None:
        call = Call(name, self._counts[name])
        self._counts[name] += 1
        if call in self.missing:
            self._receive(call, _tensor(call, output), self._calls[call])
            self.missing.discard(call)
            if not self.missing:
                raise _EnoughError
        elif call not in self._calls and self._selection.wants(call):
            raise InvalidRepresentationError(
                f"layer {name!r} is called at least {call.index + 1} times for this batch, but "
                f"{call.index} times for the first: ask for one call of it, '{name}#0'"
            )


def _tensor(call: Call, output: Any) -> torch.Tensor:
    tensor = first_tensor(output)
    if tensor is None:
        raise InvalidRepresentationError(
            f"layer {call.layer!r} gives {_said(output)}, with no tensor in it: choose a layer "
            "inside it, or the one after it"
        )
    return tensor


def _all_tensors(inputs: Any) -> list[torch.Tensor]:
    whole = [inputs, *_items(inputs)]
    return [one for one in whole if isinstance(one, torch.Tensor) and one.ndim > 0]


def first_tensor(output: Any) -> torch.Tensor | None:
    """Return the output if it is a tensor, or the first tensor directly inside it, or None.

    Looked into are tuples, lists, mappings and dataclasses, in their order. It is the hidden
    state of recurrent layers, of attention, and of the blocks of most language models.
    """
    if isinstance(output, torch.Tensor):
        return output
    return next((item for item in _items(output) if isinstance(item, torch.Tensor)), None)


def _items(output: Any) -> Iterable[Any]:
    if isinstance(output, tuple | list):
        return output
    if isinstance(output, Mapping):
        return output.values()
    if dataclasses.is_dataclass(output):
        return _fields(output)
    return ()


def _fields(output: Any) -> Iterator[Any]:
    return (getattr(output, field.name) for field in dataclasses.fields(output))


def _said(output: Any) -> str:
    inside = ", ".join(type(item).__name__ for item in _items(output))
    return f"a {type(output).__name__}" + (f" of ({inside})" if inside else "")
