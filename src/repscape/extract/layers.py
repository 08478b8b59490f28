"""Names of layers and of the calls of a layer: exact names, globs, `name#k`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

import torch

from repscape.errors import InvalidParameterError, UnknownNameError

_MOST_NAMES_SHOWN = 20
_CALL_SUFFIX = re.compile(r"#(\d+)$")


@dataclass(frozen=True, order=True)
class Call:
    """The `index`-th call (from 0) of a layer within one forward pass."""

    layer: str
    index: int


@dataclass(frozen=True)
class Pattern:
    """What the user wrote: a layer or a glob over layers, and possibly one call of it."""

    text: str
    stem: str
    index: int | None
    layers: frozenset[str]

    @property
    def is_glob(self) -> bool:
        """Whether the user wrote a glob and not the name of a layer."""
        return self.stem not in self.layers and any(c in self.stem for c in "*?[")

    def wants(self, call: Call) -> bool:
        """Whether the call is one of those that the user means."""
        return call.layer in self.layers and self.index in (None, call.index)


@dataclass(frozen=True)
class Selection:
    """The calls that the user asks for, as far as known before a forward pass."""

    patterns: tuple[Pattern, ...]

    def wants(self, call: Call) -> bool:
        """Whether any pattern wants the call."""
        return any(pattern.wants(call) for pattern in self.patterns)

    def among(self, calls: Sequence[Call]) -> tuple[Call, ...]:
        """Return the wanted ones of all calls of one forward pass, in execution order.

        Raises
        ------
        UnknownNameError
            If nothing that a pattern means is called. A glob may also match layers that are
            never called (containers, say); they are left out.
        """
        for pattern in self.patterns:
            if not any(map(pattern.wants, calls)):
                raise UnknownNameError(_never_called(pattern, calls))
        return tuple(call for call in calls if self.wants(call))


def select_layers(module: torch.nn.Module, layers: str | Sequence[str]) -> Selection:
    """Resolve names and globs against the layers of a module.

    A layer is a submodule, named as `module.named_modules()` names it first. Globs are
    those of `fnmatch`, and `*` crosses dots. A trailing `#k` means the k-th call.

    Raises
    ------
    UnknownNameError
        If a pattern matches no layer; the message lists the layers, near matches first.
    InvalidParameterError
        If no layer is asked for.
    """
    texts = [layers] if isinstance(layers, str) else list(layers)
    if not texts:
        raise InvalidParameterError('layers is empty: name at least one layer, or all with "*"')
    names = _canonical_names(module)
    return Selection(tuple(_pattern(text, names, type(module).__name__) for text in texts))


def call_names(calls: Sequence[Call]) -> dict[Call, str]:
    """Name all calls of one forward pass: `layer`, or `layer#k` where it is called again."""
    repeated = {call.layer for call in calls if call.index > 0}
    return {
        call: f"{call.layer}#{call.index}" if call.layer in repeated else call.layer
        for call in calls
    }


def _canonical_names(module: torch.nn.Module) -> dict[str, str]:
    """Every name of every submodule, to the first name of that submodule."""
    first: dict[torch.nn.Module, str] = {}
    names = {}
    for name, part in module.named_modules(remove_duplicate=False):
        if name:
            names[name] = first.setdefault(part, name)
    return names


def _pattern(text: str, names: Mapping[str, str], owner: str) -> Pattern:
    suffix = _CALL_SUFFIX.search(text)
    stem = text[: suffix.start()] if suffix else text
    matched = [stem] if stem in names else [name for name in names if fnmatchcase(name, stem)]
    if not matched:
        raise UnknownNameError(_matches_nothing(text, stem, sorted(set(names.values())), owner))
    layers = frozenset(names[name] for name in matched)
    return Pattern(text, stem, int(suffix[1]) if suffix else None, layers)


def _matches_nothing(text: str, stem: str, names: list[str], owner: str) -> str:
    if not names:
        return (
            f"layer {text!r}: {owner} has no layers inside it; to extract its own output, wrap "
            "it: torch.nn.Sequential(module), layers='0'"
        )
    near = difflib.get_close_matches(stem, names, n=5, cutoff=0.5)
    ordered = near + [name for name in names if name not in near]
    shown = ", ".join(ordered[:_MOST_NAMES_SHOWN])
    hidden = len(ordered) - _MOST_NAMES_SHOWN
    more = f", and {hidden} more" if hidden > 0 else ""
    return f"layer {text!r} matches nothing in {owner}; its layers are: {shown}{more}"


def _never_called(pattern: Pattern, calls: Sequence[Call]) -> str:
    counts = {layer: sum(call.layer == layer for call in calls) for layer in pattern.layers}
    called = {layer: count for layer, count in counts.items() if count}
    if pattern.index is not None and called:
        layer, count = sorted(called.items())[0]
        times = "once" if count == 1 else f"{count} times"
        return (
            f"layer {pattern.text!r} is never reached: {layer!r} is called {times} in one "
            f"forward pass; the calls of a layer are counted from #0"
        )
    some = list(dict.fromkeys(call.layer for call in calls))[:_MOST_NAMES_SHOWN]
    return (
        f"layer {pattern.text!r} is never called in a forward pass, so it has no output (a "
        f"container, or a part that this input does not use); called are: {', '.join(some)}"
    )
