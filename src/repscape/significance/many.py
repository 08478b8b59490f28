"""The nulls of many pairs: each representation is prepared once, within a memory budget."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from repscape.compute.arrays import row_blocks
from repscape.compute.mapped import return_freed
from repscape.compute.permuted_pairs import working_bytes
from repscape.errors import RepscapeError
from repscape.measures.base import Measure, Outcome
from repscape.measures.compared_nulls import NO_OTHERS, ComparedNulls
from repscape.significance.null import Null, nulls_of
from repscape.significance.permutations import Permutations
from repscape.significance.prepared import prepare_state

if TYPE_CHECKING:
    import numpy.typing as npt

Pairs = Sequence[tuple[int, int]]

_LARGE_ROWS = 512
"""With fewer samples, what preparing a state leaves in the allocator is small."""
_SCORE_BYTES = 128
"""A permuted score, its copies, and its share of the sums that it comes from, many times over."""


def null_pairs(
    measure: Measure[Any],
    values: Sequence[torch.Tensor | RepscapeError],
    labels: Sequence[npt.NDArray[Any] | None],
    pairs: Pairs,
    permutations: Permutations,
    memory_limit: int,
) -> list[Null | RepscapeError]:
    """The null of every pair (positions in `values`) of one map, or why there is none."""
    blocks = _Blocks(measure, values, labels, pairs, memory_limit)
    against: dict[tuple[int, int], torch.Tensor] = {}
    if isinstance(measure.core, ComparedNulls):
        against = dict.fromkeys(pairs, known_scores(_observed(measure, blocks)))
    found = dict(_nulls(measure, blocks, permutations, memory_limit, against))
    return [found[pair] for pair in pairs]


def known_scores(outcomes: Iterable[Outcome]) -> torch.Tensor:
    """Those of the outcomes that are finite scores, (T,) float64."""
    scores = [outcome for outcome in outcomes if not isinstance(outcome, RepscapeError)]
    found = torch.tensor(scores, dtype=torch.float64)
    return found[found.isfinite()]


def _observed(measure: Measure[Any], blocks: _Blocks) -> Iterator[Outcome]:
    for block, states in blocks:
        broken = {i: state for i, state in states.items() if isinstance(state, RepscapeError)}
        for a, b in block:
            if a not in broken and b not in broken:
                try:
                    yield measure.core.compare(states[a], states[b])
                except RepscapeError as reason:
                    yield reason


def iterate_nulls(
    measure: Measure[Any],
    values: Sequence[torch.Tensor | RepscapeError],
    labels: Sequence[npt.NDArray[Any] | None],
    pairs: Pairs,
    permutations: Permutations,
    memory_limit: int,
    against: Mapping[tuple[int, int], torch.Tensor],
) -> Iterator[tuple[tuple[int, int], Null | RepscapeError]]:
    """Yield every pair with its null, or why there is none, in an order of its own.

    The same permutations serve all pairs. States, with what permuting them holds, are prepared
    once if they fit into `memory_limit` together; otherwise blocks of them take turns, and those
    that two blocks share stay. A null
    holds its permuted scores: who keeps them all keeps pairs × permutations numbers. They compare
    exactly with the pair's own score and with those of `against`, if it has any for the pair.
    """
    blocks = _Blocks(measure, values, labels, pairs, memory_limit)
    return _nulls(measure, blocks, permutations, memory_limit, against)


def _nulls(
    measure: Measure[Any],
    blocks: _Blocks,
    permutations: Permutations,
    memory_limit: int,
    against: Mapping[tuple[int, int], torch.Tensor],
) -> Iterator[tuple[tuple[int, int], Null | RepscapeError]]:
    at_once = max(1, memory_limit // (_SCORE_BYTES * (1 + permutations.count)))
    for block, states in blocks:
        yield from _nulls_of_block(
            measure, states, block, permutations, memory_limit, at_once, against
        )


class _Blocks:
    """Blocks of pairs, each with the states of its representations or why there is none.

    They may be gone through again. What fits together is one block, whose states are then
    prepared once; of several, each time anew.
    """

    def __init__(
        self,
        measure: Measure[Any],
        values: Sequence[torch.Tensor | RepscapeError],
        labels: Sequence[npt.NDArray[Any] | None],
        pairs: Pairs,
        memory_limit: int,
    ) -> None:
        self._measure, self._values, self._labels = measure, values, labels
        self._working = _working_bytes(values, memory_limit)
        self._blocks = list(_blocks(measure, values, pairs, memory_limit))
        self._states: dict[int, Any] = {}

    def __iter__(self) -> Iterator[tuple[Pairs, Mapping[int, Any]]]:
        for block in self._blocks:
            used = {index for pair in block for index in pair}
            for index in self._states.keys() - used:
                del self._states[index]
            for index in sorted(used - self._states.keys()):
                self._states[index] = self._prepared(index)
            yield block, self._states

    def _prepared(self, index: int) -> Any:
        value = self._values[index]
        if isinstance(value, RepscapeError):
            return value
        try:
            return prepare_state(self._measure, value, self._labels[index], self._working)
        except RepscapeError as reason:
            return reason
        finally:
            if len(value) >= _LARGE_ROWS:
                return_freed()


def _nulls_of_block(
    measure: Measure[Any],
    states: Mapping[int, Any],
    block: Pairs,
    permutations: Permutations,
    memory_limit: int,
    at_once: int,
    against: Mapping[tuple[int, int], torch.Tensor],
) -> Iterator[tuple[tuple[int, int], Null | RepscapeError]]:
    """The nulls of all pairs of a block; `states` are those of its representations."""
    broken = {i: state for i, state in states.items() if isinstance(state, RepscapeError)}
    usable = sorted(states.keys() - broken.keys())
    at = {index: position for position, index in enumerate(usable)}
    kept = [states[index] for index in usable]
    scored = [pair for pair in block if pair[0] in at and pair[1] in at]
    for part in row_blocks(len(scored), at_once):
        places = [(at[a], at[b]) for a, b in scored[part]]
        others = [against.get(pair, NO_OTHERS) for pair in scored[part]]
        nulls = nulls_of(measure, kept, places, permutations, memory_limit, others)
        yield from zip(scored[part], nulls, strict=True)
    for a, b in block:
        if a in broken or b in broken:
            yield (a, b), broken[a] if a in broken else broken[b]


def _blocks(
    measure: Measure[Any],
    values: Sequence[torch.Tensor | RepscapeError],
    pairs: Pairs,
    memory_limit: int,
) -> Iterator[list[tuple[int, int]]]:
    """Pairs by chunks of first and of second sides, two chunks being within the limit."""
    size = {
        index: _bytes(measure, values[index])
        for index in sorted({index for pair in pairs for index in pair})
    }
    usable = memory_limit - _working_bytes(values, memory_limit)
    if sum(size.values()) <= usable:
        yield list(pairs)
        return
    chunk_of, chunk, held = {}, 0, 0
    for index, needed in size.items():
        if held and held + needed > usable // 2:
            chunk, held = chunk + 1, 0
        chunk_of[index] = chunk
        held += needed
    parts: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a, b in pairs:
        parts.setdefault((chunk_of[a], chunk_of[b]), []).append((a, b))
    yield from parts.values()


def _working_bytes(values: Sequence[torch.Tensor | RepscapeError], memory_limit: int) -> int:
    """What permuting or preparing holds for the time being: a matrix while formed, and sums."""
    n = max((len(value) for value in values if not isinstance(value, RepscapeError)), default=0)
    return min(32 * n * n + working_bytes(memory_limit), memory_limit // 2)


def _bytes(measure: Measure[Any], value: torch.Tensor | RepscapeError) -> int:
    if isinstance(value, RepscapeError):
        return 0
    n, d = value.shape
    return measure.core.state_bytes(n, d) + measure.core.null_bytes(n, d)
