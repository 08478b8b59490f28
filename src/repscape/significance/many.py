"""The nulls of many pairs: each representation is prepared once, within a memory budget."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch

from repscape.errors import RepscapeError
from repscape.measures.base import Measure
from repscape.significance.null import Null, nulls_of
from repscape.significance.permutations import Permutations
from repscape.significance.prepared import prepare_state

if TYPE_CHECKING:
    import numpy.typing as npt

Pairs = Sequence[tuple[int, int]]


def null_pairs(
    measure: Measure[Any],
    values: Sequence[torch.Tensor | RepscapeError],
    labels: Sequence[npt.NDArray[Any] | None],
    pairs: Pairs,
    permutations: Permutations,
    memory_limit: int,
) -> list[Null | RepscapeError]:
    """The null of every pair (positions in `values`), or why there is none.

    The same permutations serve all pairs. States, with what permuting them holds, are prepared
    once if they fit into `memory_limit` together; otherwise blocks of them take turns.
    """
    found: dict[tuple[int, int], Null | RepscapeError] = {}
    for block in _blocks(measure, values, pairs, memory_limit):
        used = sorted({index for pair in block for index in pair})
        states = {index: _state(measure, values[index], labels[index]) for index in used}
        broken = {i: state for i, state in states.items() if isinstance(state, RepscapeError)}
        usable = [index for index in used if index not in broken]
        at = {index: position for position, index in enumerate(usable)}
        scored = [pair for pair in block if pair[0] in at and pair[1] in at]
        nulls = nulls_of(
            measure,
            [states[index] for index in usable],
            [(at[a], at[b]) for a, b in scored],
            permutations,
            memory_limit,
        )
        found.update(zip(scored, nulls, strict=True))
        for a, b in block:
            if a in broken or b in broken:
                found[a, b] = broken[a] if a in broken else broken[b]
    return [found[pair] for pair in pairs]


def _state(
    measure: Measure[Any], value: torch.Tensor | RepscapeError, labels: npt.NDArray[Any] | None
) -> Any:
    if isinstance(value, RepscapeError):
        return value
    try:
        return prepare_state(measure, value, labels)
    except RepscapeError as reason:
        return reason


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
    if sum(size.values()) <= memory_limit:
        yield list(pairs)
        return
    chunk_of, chunk, held = {}, 0, 0
    for index, needed in size.items():
        if held and held + needed > memory_limit // 2:
            chunk, held = chunk + 1, 0
        chunk_of[index] = chunk
        held += needed
    parts: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for a, b in pairs:
        parts.setdefault((chunk_of[a], chunk_of[b]), []).append((a, b))
    yield from parts.values()


def _bytes(measure: Measure[Any], value: torch.Tensor | RepscapeError) -> int:
    if isinstance(value, RepscapeError):
        return 0
    n, d = value.shape
    return measure.core.state_bytes(n, d) + measure.core.null_bytes(n, d)
