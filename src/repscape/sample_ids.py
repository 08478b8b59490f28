"""Sample ids: whole numbers or text, all different, compared by hashes of a few bytes each."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Ids: TypeAlias = npt.NDArray[Any]
_Words: TypeAlias = npt.NDArray[np.uint64]

_DIGEST_CHARACTERS = 16
_AT_ONCE = 4096
_GOLDEN = 0x9E3779B97F4A7C15


def as_ids(given: Any) -> Ids:
    """Return ids as an array of int64, or of str; whatever is neither becomes text."""
    ids = np.asarray(given)
    if ids.dtype.kind in "iu":
        return ids.astype(np.int64, copy=False)
    return ids if ids.dtype.kind == "U" else np.asarray([str(i) for i in ids.tolist()], np.str_)


def digest_ids(ids: Ids) -> str:
    """A short digest of ids in their order; 3 and "3" differ."""
    digest = hashlib.sha256(b"int" if ids.dtype.kind == "i" else b"str")
    for part in _pieces(ids):
        digest.update("".join(f"\x1f{identity}" for identity in part.tolist()).encode())
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def first_repeat(ids: Ids) -> tuple[int, int] | None:
    """The rows of the first id that comes again, or None; 8 bytes of memory for each id."""
    return first_repeat_among(lambda: [ids])


def first_repeat_among(parts: Callable[[], Iterable[Ids]]) -> tuple[int, int] | None:
    """The rows of the first id that comes again in parts of one list of ids, or None.

    `parts` is called a second time if hashes of two ids are equal, to look at the ids.
    """
    hashes = np.concatenate([_hashes(piece, 0) for ids in parts() for piece in _pieces(ids)])
    hashes.sort()
    again = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if not len(again):
        return None
    rows: dict[Any, int] = {}
    start = 0
    for ids in parts():
        for piece in _pieces(ids):
            for place in np.flatnonzero(np.isin(_hashes(piece, 0), again)).tolist():
                row = rows.setdefault(piece[place].item(), start + place)
                if row != start + place:
                    return row, start + place
            start += len(piece)
    return None


class SeenIds:
    """Ids that came so far, each by a hash of 16 bytes and its position.

    They are held in a few sorted runs, each at least twice as long as the next.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, ids: Ids) -> tuple[int, int] | None:
        """Note the next ids; return the positions of one that has come before, if there is one."""
        within = first_repeat(ids)
        if within is not None:
            return self._count + within[0], self._count + within[1]
        run = _Run.of(ids, self._count)
        for known in self._runs:
            found = known.find(run)
            if found is not None:
                return found
        self._count += len(ids)
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-2]) < 2 * len(self._runs[-1]):
            last = self._runs.pop()
            self._runs[-1] = self._runs[-1].merged(last)
        return None


@dataclass(frozen=True)
class _Run:
    """Hashes in ascending order of the first, and the positions of their ids."""

    first: _Words
    second: _Words
    positions: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.first)

    @classmethod
    def of(cls, ids: Ids, start: int) -> _Run:
        return cls(*_both_hashes(ids), np.arange(start, start + len(ids)))._sorted()

    def merged(self, other: _Run) -> _Run:
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Run(*map(np.concatenate, pairs))._sorted()

    def find(self, new: _Run) -> tuple[int, int] | None:
        """The positions, here and there, of the first id of `new` that is here."""
        begins = np.searchsorted(self.first, new.first, "left")
        ends = np.searchsorted(self.first, new.first, "right")
        alike = np.flatnonzero(ends > begins)
        for place in alike[np.argsort(new.positions[alike])].tolist():
            same = self.second[begins[place] : ends[place]] == new.second[place]
            if same.any():
                here = self.positions[begins[place] + int(same.argmax())]
                return int(here), int(new.positions[place])
        return None

    def _sorted(self) -> _Run:
        order = np.argsort(self.first, kind="stable")
        return _Run(self.first[order], self.second[order], self.positions[order])


def _both_hashes(ids: Ids) -> tuple[_Words, _Words]:
    first, second = (
        np.concatenate([_hashes(piece, lane) for piece in _pieces(ids)]) for lane in (0, 1)
    )
    return first, second


def _hashes(ids: Ids, lane: int) -> _Words:
    """A number of 64 bits for each id: itself, or Σ (letter k)·(random number k) modulo 2^64.

    Trailing zeros, with which NumPy fills texts up, change nothing.
    """
    if ids.dtype.kind == "i":
        return ids.astype(np.uint64)
    width = ids.dtype.itemsize // np.dtype(np.uint32).itemsize
    letters = np.ascontiguousarray(ids).view(np.uint32).reshape(len(ids), width)
    hashes: _Words = letters.astype(np.uint64) @ _random_numbers(letters.shape[1], lane)
    return hashes


def _random_numbers(count: int, lane: int) -> _Words:
    """The outputs of SplitMix64 (Steele, Lea and Flood 2014) from a fixed start, all odd."""
    x = 2 * np.arange(1, count + 1, dtype=np.uint64) + np.uint64(lane)
    x = x * np.uint64(_GOLDEN)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) | np.uint64(1)


def _pieces(ids: Ids) -> Iterator[Ids]:
    """Consecutive ids, few at once; one empty piece of none."""
    return (ids[start : start + _AT_ONCE] for start in range(0, max(1, len(ids)), _AT_ONCE))
