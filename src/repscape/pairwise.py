"""Generic code over `prepare` and `compare`: many pairs, within a memory budget."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import combinations_with_replacement
from typing import TYPE_CHECKING, Any

import torch

from repscape.compute.memory import show_bytes
from repscape.compute.precision import full_precision
from repscape.errors import (
    MemoryLimitError,
    RepscapeError,
    TooFewSamplesError,
    UndefinedScoreError,
)
from repscape.measures.base import Measure, Outcome, Request

if TYPE_CHECKING:
    import numpy.typing as npt

Pairs = Sequence[tuple[int, int]]
Values = Sequence["torch.Tensor | RepscapeError"]
Labels = Sequence["npt.NDArray[Any] | None"]


def score_pairs(
    measures: Sequence[Measure[Any]],
    values: Values,
    pairs: Pairs,
    memory_limit: int,
    progress: Callable[[int, int], None] | None,
    labels: Labels | None = None,
) -> list[list[Outcome]]:
    """Score the pairs (positions in `values`) with every measure.

    Values that are errors already make all their pairs that error. Each representation is
    prepared once for each measure, unless the prepared states do not fit into half of
    `memory_limit` together: then blocks of representations take turns. `labels` are those of
    the samples as each representation knows them, for measures that need them.
    """
    known = [None] * len(values) if labels is None else labels
    found: list[dict[tuple[int, int], Outcome]] = [{} for _ in measures]
    total = len(measures) * len(pairs)
    for group in _groups(measures):
        chosen = [measures[m] for m in group]
        try:
            for block in _blocks(chosen, values, pairs, memory_limit // 2):
                with full_precision():
                    outcomes = _score_block(chosen, values, known, block, memory_limit // 2)
                for m, scores in zip(group, outcomes, strict=True):
                    found[m].update(zip(block, scores, strict=True))
                if progress is not None:
                    progress(sum(map(len, found)), total)
        except MemoryLimitError as reason:
            # What other measures and blocks found is kept.
            for m in group:
                found[m] = {pair: found[m].get(pair, reason) for pair in pairs}
    return [[scores[pair] for pair in pairs] for scores in found]


def _groups(measures: Sequence[Measure[Any]]) -> list[list[int]]:
    """Measures computed together: those that share a sweep, or prepared states; others alone."""
    groups: dict[Any, list[int]] = {}
    for position, measure in enumerate(measures):
        shared = measure.core.sweep or _state_key(measure)
        groups.setdefault(shared if shared is not None else position, []).append(position)
    return list(groups.values())


def _state_key(measure: Measure[Any]) -> Hashable | None:
    """Equal for measures with the same states, their transforms included."""
    shared = measure.core.shared_state
    return None if shared is None else (measure.transforms, shared)


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
    n = rows if n is None else n
    transformed = len({m.transforms for m in measures if m.transforms})
    # Measures with one state hold it once.
    distinct = {id(m) if (key := _state_key(m)) is None else key: m for m in measures}
    states = sum(m.core.state_bytes(n, d) for m in distinct.values())
    return states + transformed * n * d * value.element_size()


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
    pairs: Pairs,
    memory_limit: int,
) -> list[list[Outcome]]:
    used = sorted({index for pair in pairs for index in pair})
    transformed: dict[Any, torch.Tensor | RepscapeError] = {}
    shared: dict[Any, Any] = {}
    requests, states_of = [], []
    for measure in measures:
        states = {
            index: _prepare_once(shared, measure, values[index], labels[index], transformed, index)
            for index in used
        }
        states_of.append(states)
        usable = [index for index in used if not isinstance(states[index], RepscapeError)]
        at = {index: position for position, index in enumerate(usable)}
        scored = [(at[a], at[b]) for a, b in pairs if a in at and b in at]
        requests.append(Request(measure.core, [states[index] for index in usable], scored))
    scores = _run(requests, memory_limit)
    return [
        _merge(pairs, states, iter(outcomes))
        for states, outcomes in zip(states_of, scores, strict=True)
    ]


def _prepare_once(
    shared: dict[Any, Any],
    measure: Measure[Any],
    value: torch.Tensor | RepscapeError,
    labels: npt.NDArray[Any] | None,
    transformed: dict[Any, torch.Tensor | RepscapeError],
    index: int,
) -> Any:
    """`_prepare`, or the state that another measure with the same key has prepared already."""
    key = _state_key(measure)
    if key is not None and (key, index) in shared:
        return shared[key, index]
    state = _prepare(measure, value, labels, transformed, index)
    # A reason why there is no state names the measure, so each finds its own.
    if key is not None and not isinstance(state, RepscapeError):
        shared[key, index] = state
    return state


def _prepare(
    measure: Measure[Any],
    value: torch.Tensor | RepscapeError,
    labels: npt.NDArray[Any] | None,
    transformed: dict[Any, torch.Tensor | RepscapeError],
    index: int,
) -> Any:
    if isinstance(value, RepscapeError):
        return value
    try:
        _check_n(measure, value.shape[0])
        key = (measure.transforms, index)
        if key not in transformed:
            transformed[key] = _transform(measure, value)
        x = transformed[key]
        if isinstance(x, RepscapeError):
            return x
        if measure.core.needs_labels:
            return measure.core.prepare_labelled(x, labels)
        return measure.core.prepare(x)
    except RepscapeError as reason:
        return reason


def _transform(measure: Measure[Any], x: torch.Tensor) -> torch.Tensor | RepscapeError:
    try:
        for transform in measure.transforms:
            x = transform.apply(x)
    except RepscapeError as reason:
        return reason
    return x


def _check_n(measure: Measure[Any], n: int) -> None:
    if n < measure.declared.minimum_n:
        raise TooFewSamplesError(
            f"{measure.name} needs at least {measure.declared.minimum_n} samples, and there "
            f"{'is' if n == 1 else 'are'} {n}"
        )


def _run(requests: Sequence[Request], memory_limit: int) -> list[list[Outcome]]:
    """By the family's sweep where it has one and there is anything to do; else pair by pair."""
    todo = [request for request in requests if request.pairs]
    if not todo:
        return [[] for _ in requests]
    sweep = todo[0].measure.sweep
    results = iter(map(pair_loop, todo) if sweep is None else sweep(todo, memory_limit))
    return [
        [_finite(request, score) for score in next(results)] if request.pairs else []
        for request in requests
    ]


def _finite(request: Request, outcome: Outcome) -> Outcome:
    if isinstance(outcome, RepscapeError) or math.isfinite(outcome):
        return outcome
    return UndefinedScoreError(
        f"{request.measure.name} came out as {outcome}: the values are so large or so small that "
        "their squares overflow or vanish; bring them to a common scale first"
    )


def pair_loop(request: Request) -> list[Outcome]:
    """Compare pair by pair: the reference that every sweep must equal."""
    return [_compare(request, a, b) for a, b in request.pairs]


def _compare(request: Request, a: int, b: int) -> Outcome:
    try:
        return request.measure.compare(request.states[a], request.states[b])
    except RepscapeError as reason:
        return reason


def _merge(pairs: Pairs, states: dict[int, Any], scores: Iterator[Outcome]) -> list[Outcome]:
    merged: list[Outcome] = []
    for a, b in pairs:
        broken = [s for s in (states[a], states[b]) if isinstance(s, RepscapeError)]
        merged.append(broken[0] if broken else next(scores))
    return merged
