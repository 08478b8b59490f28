"""Names of layers and of the calls of a layer: exact names, globs, `name#k`, `!name`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import torch

from repscape.errors import InvalidParameterError, UnknownNameError

INPUT = ":input"
_NOT = "!"
_MOST_NAMES_SHOWN = 20
_WILD = "*?["
_NUMBER = re.compile(r"\.\d+(?=\.|$)")
_CALL_SUFFIX = re.compile(r"#(\d+)$")


@dataclass(frozen=True, order=True)
class Call:
    """The `index`-th call (from 0) of a layer within one forward pass.

    `layer` is the name of a submodule for what it gives, and `name:input` for what goes in.
    """

    layer: str
    index: int


@dataclass(frozen=True)
class Pattern:
    """What the user wrote, and the layers, or single calls of layers, that it means."""

    text: str
    sites: frozenset[tuple[str, int | None]]

    @property
    def layers(self) -> frozenset[str]:
        """The layers, without the number of the call."""
        return frozenset(layer for layer, _ in self.sites)

    def wants(self, call: Call) -> bool:
        """Whether the call is one of those that the user means."""
        return (call.layer, None) in self.sites or (call.layer, call.index) in self.sites


@dataclass(frozen=True)
class Selection:
    """The calls that the user asks for, as far as known before a forward pass.

    `aliases` are the canonical names of some layers, by which their representations go;
    `left_out` are those that are not meant although a pattern means them.
    """

    patterns: tuple[Pattern, ...]
    aliases: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[Pattern, ...] = ()

    @property
    def texts(self) -> tuple[str, ...]:
        """What the user wrote."""
        return tuple(pattern.text for pattern in (*self.patterns, *self.left_out))

    @property
    def sites(self) -> frozenset[tuple[str, int | None]]:
        """The layers, or single calls of layers, that are meant."""
        meant = frozenset().union(*(pattern.sites for pattern in self.patterns))
        out = frozenset().union(*(pattern.sites for pattern in self.left_out))
        return frozenset(site for site in meant - out if (site[0], None) not in out)

    def wants(self, call: Call) -> bool:
        """Whether any pattern wants the call, and none leaves it out."""
        return any(pattern.wants(call) for pattern in self.patterns) and not self._leaves_out(call)

    def _leaves_out(self, call: Call) -> bool:
        return any(pattern.wants(call) for pattern in self.left_out)

    def names(self, calls: Sequence[Call]) -> dict[Call, str]:
        """Name all calls of one forward pass, by the canonical name of the layer if it has one."""
        return call_names(calls, self.aliases)

    def among(self, calls: Sequence[Call]) -> tuple[Call, ...]:
        """Return the wanted ones of all calls of one forward pass, in execution order.

        Raises
        ------
        UnknownNameError
            If nothing that a pattern means is called. A glob may also match layers that are
            never called (containers, say); they are left out.
        InvalidParameterError
            If all that a pattern means is left out by others.
        """
        for pattern in self.patterns:
            meant = [call for call in calls if pattern.wants(call)]
            if not meant:
                raise UnknownNameError(_never_called(pattern, calls))
            if all(map(self._leaves_out, meant)):
                by = ", ".join(repr(one.text) for one in self.left_out)
                raise InvalidParameterError(
                    f"layer {pattern.text!r}: {by} leaves nothing of it: drop one of them"
                )
        return tuple(call for call in calls if self.wants(call))


def select_layers(
    module: torch.nn.Module, layers: str | Sequence[str], aliases: Mapping[str, str] | None = None
) -> Selection:
    """Resolve names and globs against the layers of a module.

    A layer is a submodule, named as `module.named_modules()` names it first; what goes into
    it is `name:input`. Globs are those of `fnmatch`, and `*` crosses dots. A trailing `#k`
    means the k-th call. `aliases` are canonical names (`block.3`) of layers; in a glob over
    them `*` stays between two dots, so `block.*` means the blocks and nothing inside them.
    What `!name` or `!glob` means is left out of the others, wherever it stands; without any
    other, of all layers.

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
    aliases = aliases or {}
    names = _canonical_names(module)
    owner = type(module).__name__
    chosen = [text for text in texts if not text.startswith(_NOT)] or ["*"]
    left_out = [text for text in texts if text.startswith(_NOT)]
    patterns = [_pattern(text, names, aliases, owner) for text in (*chosen, *left_out)]
    return Selection(tuple(patterns[: len(chosen)]), aliases, tuple(patterns[len(chosen) :]))


def call_names(calls: Sequence[Call], aliases: Mapping[str, str] | None = None) -> dict[Call, str]:
    """Name all calls of one forward pass: `layer`, or `layer#k` where it is called again."""
    repeated = {call.layer for call in calls if call.index > 0}
    canonical: dict[tuple[str, int | None], str] = {}
    for name, site in (aliases or {}).items():
        canonical.setdefault(_split(site), name)
    named = {}
    for call in calls:
        layer = canonical.get((call.layer, None), call.layer)
        numbered = f"{layer}#{call.index}" if call.layer in repeated else layer
        named[call] = canonical.get((call.layer, call.index), numbered)
    return named


def _canonical_names(module: torch.nn.Module) -> dict[str, str]:
    """Every name of every submodule, to the first name of that submodule."""
    first: dict[torch.nn.Module, str] = {}
    names = {}
    for name, part in module.named_modules(remove_duplicate=False):
        if name:
            names[name] = first.setdefault(part, name)
    return names


def _pattern(
    text: str, names: Mapping[str, str], aliases: Mapping[str, str], owner: str
) -> Pattern:
    stem, index = _split(text.removeprefix(_NOT))
    sites = [_split(aliases[name]) for name in _matching_aliases(stem, aliases)]
    if not sites:
        module, colon, ending = stem.partition(":")
        inside = [module] if module in names else [n for n in names if fnmatchcase(n, module)]
        sites = [(names[name] + colon + ending, None) for name in inside]
    if not sites or stem.partition(":")[2] not in ("", INPUT.removeprefix(":")):
        known = [*aliases, *sorted(set(names.values()) - set(aliases))]
        raise UnknownNameError(_matches_nothing(text, stem, known, owner))
    if index is not None:
        sites = [(layer, index) for layer, own in sites if own in (None, index)]
    return Pattern(text, frozenset(sites))


def _matching_aliases(stem: str, aliases: Mapping[str, str]) -> list[str]:
    if stem in aliases:
        return [stem]
    parts = stem.split(".")
    return [
        alias
        for alias in aliases
        if stem != "*"
        and len(between := alias.split(".")) == len(parts)
        and all(map(fnmatchcase, between, parts))
    ]


def _split(text: str) -> tuple[str, int | None]:
    """Split `layer#k` into the layer and the number of the call."""
    suffix = _CALL_SUFFIX.search(text)
    return (text[: suffix.start()], int(suffix[1])) if suffix else (text, None)


def _matches_nothing(text: str, stem: str, names: list[str], owner: str) -> str:
    if not names:
        return (
            f"layer {text!r}: {owner} has no layers inside it; to extract its own output, wrap "
            "it: torch.nn.Sequential(module), layers='0'"
        )
    near = difflib.get_close_matches(stem, names, n=5, cutoff=0.5)
    hint = ""
    if set(stem) & set(_WILD):  # as a glob would be: block.* for block.0, block.1, …
        globs = list(dict.fromkeys(_NUMBER.sub(".*", name) for name in names if "." in name))
        meant = difflib.get_close_matches(stem, globs, n=1, cutoff=0.6)
        if meant and meant[0] != stem:
            hint = f" (did you mean {meant[0]!r}?)"
    ordered = near + [name for name in names if name not in near]
    shown = ", ".join(ordered[:_MOST_NAMES_SHOWN])
    hidden = len(ordered) - _MOST_NAMES_SHOWN
    more = f", and {hidden} more" if hidden > 0 else ""
    return f"layer {text!r} matches nothing in {owner}{hint}; its layers are: {shown}{more}"


def _never_called(pattern: Pattern, calls: Sequence[Call]) -> str:
    counts = {layer: sum(call.layer == layer for call in calls) for layer in pattern.layers}
    called = {layer: count for layer, count in counts.items() if count}
    if called:
        layer, count = sorted(called.items())[0]
        times = "once" if count == 1 else f"{count} times"
        return (
            f"layer {pattern.text!r} is never reached: {layer!r} is called {times} in one "
            f"forward pass; the calls of a layer are counted from #0"
        )
    layers = dict.fromkeys(c.layer for c in calls if not c.layer.endswith(INPUT))
    some = list(layers)[:_MOST_NAMES_SHOWN]
    return (
        f"layer {pattern.text!r} is never called in a forward pass, so it has no output (a "
        f"container, or a part that this input does not use); called are: {', '.join(some)}"
    )
