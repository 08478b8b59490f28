"""Generic code over `prepare` and `compare`: many pairs, within a memory budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations_with_replacement
from numbers import Real
from typing import TYPE_CHECKING, Any

import torch

from repscape.compute.memory import Spare, show_bytes
from repscape.compute.precision import full_precision
from repscape.errors import (
    SQUARES_OVERFLOW,
    MemoryLimitError,
    RepscapeError,
    TooFewSamplesError,
    UndefinedScoreError,
)
from repscape.measures.base import Measure, Outcome, Request, Sweep

if TYPE_CHECKING:
    import numpy.typing as npt

Pairs = Sequence[tuple[int, int]]
Values = Sequence["torch.Tensor | RepscapeError"]
Labels = Sequence["npt.NDArray[Any] | None"]


def score_pairs(
    measures: Sequence[Measure[Any]],
    values: Values,
    pairs: Sequence[Pairs],
    memory_limit: int,
    progress: Callable[[int, int], None] | None,
    labels: Labels | None = None,
) -> list[list[Outcome]]:
    """Score, with each measure, its pairs (positions in `values`).

    Values that are errors already make all their pairs that error. Each representation is
    prepared once for each measure, unless the prepared states do not fit into half of
    `memory_limit` together: then blocks of representations take turns. `labels` are those of
    the samples as each representation knows them, for measures that need them.
    """
    known = [None] * len(values) if labels is None else labels
    found: list[dict[tuple[int, int], Outcome]] = [{} for _ in measures]
    total = sum(map(len, pairs))
    groups = _groups(measures)
    while groups:
        group = groups.pop(0)
        chosen, wanted = [measures[m] for m in group], [pairs[m] for m in group]
        every = list(dict.fromkeys(pair for part in wanted for pair in part))
        try:
            for block in _blocks(chosen, values, every, memory_limit // 2):
                parts = _within(block, wanted)
                with full_precision():
                    outcomes = _score_block(chosen, values, known, parts, memory_limit // 2)
                for m, part, scores in zip(group, parts, outcomes, strict=True):
                    found[m].update(zip(part, scores, strict=True))
                if progress is not None:
                    progress(sum(map(len, found)), total)
        except MemoryLimitError as reason:
            if len(group) > 1:
                # What does not fit together may fit one by one.
                groups = [[m] for m in group] + groups
                continue
            # What other measures and blocks found is kept.
            [m] = group
            found[m] = {pair: found[m].get(pair, reason) for pair in pairs[m]}
    return [[scores[pair] for pair in part] for scores, part in zip(found, pairs, strict=True)]


def _within(block: Pairs, wanted: Sequence[Pairs]) -> list[Pairs]:
    """Of the pairs of a block, those that each measure wants."""
    members = set(block)
    return [[pair for pair in part if pair in members] for part in wanted]


def _groups(measures: Sequence[Measure[Any]]) -> list[list[int]]:
    """Measures computed together: they derive from one thing, or share a sweep."""
    groups: dict[Any, list[int]] = {}
    for position, measure in enumerate(measures):
        together = _shared_key(measure) or measure.core.sweep
        groups.setdefault(together if together is not None else position, []).append(position)
    return list(groups.values())


def _shared_key(measure: Measure[Any]) -> Hashable | None:
    """Equal for measures whose states derive from one thing, their transforms included."""
    shared = measure.core.shared
    return None if shared is None else (measure.transforms, shared.key)


def _blocks(
    measures: Sequence[Measure[Any]], values: Values, pairs: Pairs, budget: int
) -> Iterator[list[tuple[int, int]]]:
    """Split the pairs so that the states that each part needs fit into the budget."""
    used = sorted({index for pair in pairs for index in pair})
    size = {index: _state_bytes(measures, values[index]) for index in used}
    if sum(size.values()) <= budget:
        yield list(pairs)
        return
    largest, second = ([*sorted(size.values(), reverse=True), 0])[:2]
    if largest + second > budget:
        fitting = _largest_fitting_n(measures, values, used, budget)
        raise MemoryLimitError(
            f"{measures[0].name}: the prepared states of two representations take "
            f"{show_bytes(largest + second)}, but half of memory_limit is {show_bytes(budget)}: "
            f"set memory_limit to at least {show_bytes(2 * (largest + second))}, or compare at "
            f"most {fitting} samples"
        )
    # A representation that needs a chunk of its own leaves less for the chunk beside it.
    chunk_of = _chunks(size, min(budget // 2, budget - largest))
    parts: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a, b in pairs:
        low, high = sorted((chunk_of[a], chunk_of[b]))
        parts.setdefault((low, high), []).append((a, b))
    for key in combinations_with_replacement(range(max(chunk_of.values()) + 1), 2):
        if key in parts:
            yield parts[key]


def _state_bytes(
    measures: Sequence[Measure[Any]], value: torch.Tensor | RepscapeError, n: int | None = None
) -> int:
    """What the states of one representation take, or would take with n samples."""
    if isinstance(value, RepscapeError):
        return 0
    rows, d = value.shape
    # What needs more samples is refused before anything is prepared.
    measures = [measure for measure in measures if measure.declared.minimum_n <= rows]
    n = rows if n is None else n
    states = len({m.transforms for m in measures if m.transforms}) * n * d * value.element_size()
    common: dict[Hashable, int] = {}
    for measure in measures:
        states += measure.core.state_bytes(n, d)
        shared = measure.core.shared
        if shared is not None:
            # Held once for all that derive from it; smaller ones are cut from the largest.
            common[_shared_key(measure), shared.size] = shared.bytes(n)
            states -= shared.bytes(n)
    return states + sum(common.values())


def _largest_fitting_n(
    measures: Sequence[Measure[Any]], values: Values, used: Sequence[int], budget: int
) -> int:
    """The most samples for which the states of any two representations fit."""

    def fits(n: int) -> bool:
        sizes = sorted(_state_bytes(measures, values[index], n) for index in used)
        return sum(sizes[-2:]) <= budget

    low, high = 0, max(len(value) for value in values if not isinstance(value, RepscapeError))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low


def _chunks(size: dict[int, int], budget: int) -> dict[int, int]:
    """Number consecutive chunks of representations, each within the budget (or alone)."""
    chunk_of, chunk, held = {}, 0, 0
    for index, needed in size.items():
        if held and held + needed > budget:
            chunk, held = chunk + 1, 0
        chunk_of[index] = chunk
        held += needed
    return chunk_of


def _score_block(
    measures: Sequence[Measure[Any]],
    values: Values,
    labels: Labels,
    pairs: Sequence[Pairs],
    memory_limit: int,
) -> list[list[Outcome]]:
    needed = {index for part in pairs for pair in part for index in pair}
    states_bytes = sum(_state_bytes(measures, values[index]) for index in needed)
    spare = Spare(memory_limit - states_bytes)
    # What the sweep will hold is free while the states are prepared.
    preparation = _Preparation(measures, values, labels, spare, memory_limit)
    todo = [
        Prepared.of(measure, part, partial(preparation.state, measure))
        for measure, part in zip(measures, pairs, strict=True)
    ]
    scores = _run([one.request for one in todo], memory_limit)
    return [one.merge(outcomes) for one, outcomes in zip(todo, scores, strict=True)]


@dataclass(frozen=True)
class Prepared:
    """The states that the pairs of one measure need, or why there is none; and what is left to do.

    Attributes
    ----------
    pairs
        All of them, by position in the values.
    states
        By position.
    request
        The pairs that have two states.
    """

    pairs: Pairs
    states: Mapping[int, Any]
    request: Request

    @classmethod
    def of(cls, measure: Measure[Any], pairs: Pairs, state: Callable[[int], Any]) -> Prepared:
        """Prepare what the pairs need by `state(position)`."""
        used = sorted({index for pair in pairs for index in pair})
        states = {index: state(index) for index in used}
        usable = [index for index in used if not isinstance(states[index], RepscapeError)]
        at = {index: position for position, index in enumerate(usable)}
        scored = [(at[a], at[b]) for a, b in pairs if a in at and b in at]
        return cls(
            pairs, states, Request(measure.core, [states[index] for index in usable], scored)
        )

    def merge(self, outcomes: Sequence[Outcome]) -> list[Outcome]:
        """The outcome of every pair, given those of the request."""
        scores = iter(outcomes)
        merged: list[Outcome] = []
        for pair in self.pairs:
            broken = [s for s in map(self.states.get, pair) if isinstance(s, RepscapeError)]
            merged.append(broken[0] if broken else finite(self.request.measure, next(scores)))
        return merged


class _Preparation:
    """The prepared states of several measures; what they have in common is formed once."""

    def __init__(
        self,
        measures: Sequence[Measure[Any]],
        values: Values,
        labels: Labels,
        spare: Spare,
        working: int,
    ) -> None:
        self.measures = measures
        self.spare = spare
        self.working = working
        self.values = values
        self.labels = labels
        self._transformed: dict[Hashable, torch.Tensor | RepscapeError] = {}
        self._formed: dict[Hashable, Any] = {}

    def state(self, measure: Measure[Any], index: int) -> Any:
        """The state of one representation, or why there is none."""
        value = self.values[index]
        if isinstance(value, RepscapeError):
            return value
        try:
            check_n(measure, value.shape[0])
            x = self._transform(measure, value, index)
            if isinstance(x, RepscapeError):
                return x
            if measure.core.shared is not None:
                return measure.core.derive(self._common(measure, x, index), x)
            if measure.core.needs_labels:
                return measure.core.prepare_labelled(x, self.labels[index])
            return measure.core.prepare_within(x, self.spare)
        except RepscapeError as reason:
            return reason

    def _common(self, measure: Measure[Any], x: torch.Tensor, index: int) -> Any:
        """What the measure derives its state from: the largest that any of the measures needs."""
        key = (_shared_key(measure), index)
        if key not in self._formed:
            same = [m for m in self.measures if _shared_key(m) == key[0]]
            able = [m.core.shared for m in same if m.declared.minimum_n <= x.shape[0]]
            largest = max((shared for shared in able if shared), key=lambda shared: shared.size)
            # A reason why there is none is not kept: each measure finds its own.
            self._formed[key] = largest.form(x, self.working)
        return self._formed[key]

    def _transform(
        self, measure: Measure[Any], x: torch.Tensor, index: int
    ) -> torch.Tensor | RepscapeError:
        key = (measure.transforms, index)
        if key not in self._transformed:
            self._transformed[key] = transformed(measure, x)
        return self._transformed[key]


def transformed(measure: Measure[Any], x: torch.Tensor) -> torch.Tensor | RepscapeError:
    """The values behind the measure's transforms, or why there are none."""
    try:
        for transform in measure.transforms:
            x = transform.apply(x)
    except RepscapeError as reason:
        return reason
    return x


def check_n(measure: Measure[Any], n: int) -> None:
    """Raise `TooFewSamplesError` if the measure needs more samples."""
    if n < measure.declared.minimum_n:
        raise TooFewSamplesError(
            f"{measure.name} needs at least {measure.declared.minimum_n} samples, and there "
            f"{'is' if n == 1 else 'are'} {n}"
        )


def _run(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """By the family's sweep where it has one and there is anything to do; else pair by pair."""
    found: list[list[Outcome]] = [[] for _ in requests]
    by_sweep: dict[Sweep | None, list[int]] = {}
    for position, request in enumerate(requests):
        if request.pairs:
            by_sweep.setdefault(request.measure.sweep, []).append(position)
    for sweep, positions in by_sweep.items():
        todo = [requests[position] for position in positions]
        try:
            results = list(map(pair_loop, todo)) if sweep is None else sweep(todo, memory_limit)
        except MemoryLimitError as reason:
            # Measures that share a table do not share the memory of each one's own sweep.
            results = [[reason for _ in request.pairs] for request in todo]
        for position, scores in zip(positions, results, strict=True):
            found[position] = scores
    return found


def finite(measure: Measure[Any], outcome: Outcome) -> Outcome:
    """The outcome, or the reason why there is none in place of what is no finite number."""
    if isinstance(outcome, RepscapeError):
        return outcome
    if not isinstance(outcome, Real):
        return UndefinedScoreError(
            f"{measure.name}: compare gave {outcome!r}, a {type(outcome).__name__}: it has to "
            "return a float"
        )
    if math.isfinite(outcome):
        return outcome
    return UndefinedScoreError(f"{measure.name} came out as {outcome}: {SQUARES_OVERFLOW}")


def pair_loop(request: Request) -> list[Outcome]:
    """Compare pair by pair: the reference that every sweep must equal."""
    return [_compare(request, a, b) for a, b in request.pairs]


def _compare(request: Request, a: int, b: int) -> Outcome:
    try:
        return request.measure.compare(request.states[a], request.states[b])
    except RepscapeError as reason:
        return reason
