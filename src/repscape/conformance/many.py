"""Do many scores at once equal those one by one, in any batches, tiles, orders and subsets?"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from repscape.compute.arrays import as_tensor
from repscape.compute.memory import parse_bytes
from repscape.conformance.subject import EXACT, Subject
from repscape.errors import MemoryLimitError, RepscapeError, UndefinedNullError
from repscape.measures.base import Outcome, Request
from repscape.pairwise import pair_loop, score_pairs

Scores = dict[tuple[int, int], Outcome]
_ORDERS = 3


def all_pairs(s: Subject) -> Iterator[str]:
    """All pairs at once equal the pairs one by one."""
    values, pairs = _pairs(s)
    yield from _differences(s, "all pairs", _scored(s, values, pairs, "2GiB"), _looped(s))


def batches(s: Subject) -> Iterator[str]:
    """So do they where small tiles, or a few representations at a time, are all that fits."""
    values, pairs = _pairs(s)
    wanted = _looped(s)
    two_states = 2 * s.measure.core.state_bytes(*values[0].shape)
    for limit in ("4MiB", "512KiB", 6 * two_states, 3 * two_states):
        found = _scored(s, values, pairs, limit)
        fitting = {p: v for p, v in found.items() if not isinstance(v, MemoryLimitError)}
        yield from _differences(s, f"memory_limit={limit}", fitting, wanted)
    for pair in pairs[:2]:
        yield from _differences(s, "alone", _scored(s, values, [pair], "2GiB"), wanted)


def permuted_states(s: Subject) -> Iterator[str]:
    """A permuted state, and the scores of many orders, are those of samples in other orders."""
    a, b = s.prepare(s.x), s.prepare(s.y)
    core = s.measure.core
    orders = torch.stack([torch.from_numpy(s.generator.permutation(s.n)) for _ in range(_ORDERS)])
    try:
        states = [core.permute(b, order) for order in orders]
    except UndefinedNullError:
        return
    together = core.permuted_scores(a, b, orders, parse_bytes("2GiB")).tolist()
    for order, state, at_once in zip(orders, states, together, strict=True):
        got = core.compare(a, state)
        yield from s.differs("permuted_scores against permute", at_once, got, EXACT)
        if core.needs_labels:
            continue  # they do not move with the values
        wanted = s.direct(s.x, s.rows(s.y, order.numpy()))
        if isinstance(wanted, float):
            yield from s.differs("permute against preparing again", got, wanted, EXACT)


def subsets_of_states(s: Subject) -> Iterator[str]:
    """The state of some of the samples, where it can be had, is as if there were no others."""
    core = s.measure.core
    if s.measure.transforms or core.needs_labels:
        return
    kept = s.n - s.n // 5
    rows = torch.from_numpy(s.generator.permutation(s.n)[:kept]).sort().values
    states = [core.prepare_for_subsets(as_tensor(v)) for v in (s.x, s.y)]
    parts = [core.subset(state, rows) for state in states]
    if any(part is None for part in parts):
        return
    got = core.compare(*parts)
    wanted = s.direct(*(s.rows(v, rows.numpy()) for v in (s.x, s.y)))
    if isinstance(wanted, RepscapeError):
        yield f"{kept} of the samples gave {got!r}, but without others {wanted!r}"
        return
    yield from s.differs(f"{kept} of the samples", got, wanted, EXACT)


def _pairs(s: Subject) -> tuple[list[torch.Tensor], list[tuple[int, int]]]:
    values = [as_tensor(v) for v in (s.x, s.y, s.z, s.fourth)]
    return values, [(a, b) for a in range(4) for b in range(4) if a != b]


def _looped(s: Subject) -> Scores:
    values, pairs = _pairs(s)
    request = Request(s.measure.core, [s.prepare(v) for v in values], pairs)
    return dict(zip(pairs, pair_loop(request), strict=True))


def _scored(
    s: Subject, values: list[torch.Tensor], pairs: list[tuple[int, int]], limit: str | int
) -> Scores:
    labels = [s.labels_for(s.n)] * len(values)
    [found] = score_pairs([s.measure], values, [pairs], parse_bytes(limit), None, labels)
    return dict(zip(pairs, found, strict=True))


def _differences(s: Subject, how: str, found: Scores, wanted: Scores) -> Iterator[str]:
    for pair, got in found.items():
        one = wanted[pair]
        if isinstance(one, RepscapeError):
            raise one
        if isinstance(got, RepscapeError):
            yield f"pair {pair}, {how}: {got} instead of {one!r}"
        else:
            yield from s.differs(f"pair {pair}, {how}", got, one, EXACT)
