"""`Pairs`: which models one table of scores holds, so that a later one adds only what is new.

A study wants every pair out of a set of models. The first time, one table (or one per block of
models) holds them all. When models are added, the tables that are there stay as they are, and
one more holds the pairs that are new.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Any, TypeAlias

from repscape.compute.tile_groups import Division

Pair: TypeAlias = "frozenset[str]"


@dataclass(frozen=True)
class Pairs:
    """A set of unordered pairs of keys, a key with itself included.

    Attributes
    ----------
    within
        All pairs of these, and each with itself.
    rows, columns
        Each of the rows with each of the columns.
    further
        These.
    division
        How the sweep over the tiles of these pairs is divided among tasks; None if one task does
        it all.
    """

    within: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    further: tuple[tuple[str, str], ...] = field(default=())
    division: Division | None = None

    def __iter__(self) -> Iterator[tuple[str, str]]:
        yield from combinations_with_replacement(self.within, 2)
        for row in self.rows:
            for column in self.columns:
                yield row, column
        yield from self.further

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key that stands in a pair, once, in order of appearance."""
        sides = (*self.rows, *self.columns, *(key for pair in self.further for key in pair))
        return tuple(dict.fromkeys((*self.within, *sides)))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        known: dict[str, Any] = {
            "within": list(self.within),
            "rows": list(self.rows),
            "columns": list(self.columns),
            "further": [list(pair) for pair in self.further],
        }
        return known if self.division is None else known | {"division": self.division.to_dict()}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Pairs:
        """Inverse of `to_dict`."""
        return cls(
            tuple(known["within"]),
            tuple(known["rows"]),
            tuple(known["columns"]),
            tuple((a, b) for a, b in known["further"]),
            Division.from_dict(known["division"]) if "division" in known else None,
        )


def all_pairs(keys: Sequence[str], group: int | None = None) -> list[Pairs]:
    """All pairs of these keys, in one part or in blocks of `group` keys a side."""
    if group is None or group >= len(keys):
        return [Pairs(within=tuple(keys))]
    blocks = [tuple(keys[start : start + group]) for start in range(0, len(keys), group)]
    return [
        Pairs(within=a) if a is b else Pairs(rows=a, columns=b)
        for a, b in combinations_with_replacement(blocks, 2)
    ]


def cover(keys: Sequence[str], known: Iterable[Pairs], group: int | None = None) -> list[Pairs]:
    """Parts that together hold all pairs of these keys.

    Parameters
    ----------
    keys
        In the order of the study.
    known
        The parts that are there already, in an order that depends on nothing but them. Those
        that hold a pair that is wanted and that no earlier one holds are taken as they are.
    group
        See `all_pairs`; for the pairs that are left.
    """
    wanted = set(keys)
    known = [part for part in known if not wanted.isdisjoint(part.keys)]
    if not known:
        return all_pairs(keys, group)
    missing = {frozenset(pair) for pair in combinations_with_replacement(keys, 2)}
    parts = []
    for part in known:
        held = {frozenset(pair) for pair in part} & missing
        if held:
            parts.append(part)
            missing -= held
            if not missing:
                return parts
    return parts + _rest(keys, missing, group)


def _rest(keys: Sequence[str], missing: set[Pair], group: int | None) -> list[Pairs]:
    """The pairs that no part holds: all of new keys, new with old, and what remains."""
    if len(missing) == len(keys) * (len(keys) + 1) // 2:
        return all_pairs(keys, group)
    count = dict.fromkeys(keys, 0)
    for pair in missing:
        for key in pair:
            count[key] += 1
    new = [key for key in keys if count[key] == len(keys)]
    old = [key for key in keys if count[key] < len(keys)]
    further = [pair for pair in combinations_with_replacement(old, 2) if frozenset(pair) in missing]
    parts = all_pairs(new, group) if group and new else []
    if new and not parts:
        return [Pairs(tuple(new), tuple(new) if old else (), tuple(old), tuple(further))]
    for start in range(0, len(old) if new else 0, group or 1):
        columns = tuple(old[start : start + (group or 1)])
        parts += [
            Pairs(rows=tuple(new[at : at + (group or 1)]), columns=columns)
            for at in range(0, len(new), group or 1)
        ]
    return parts + ([Pairs(further=tuple(further))] if further else [])
