"""Windows: consecutive samples whose rows are handed on together, and their forward passes.

Within a window samples may be put into batches in any order; the rows come out in the order
of the data. Windows, and not batches, are the unit of resuming and of a memory back-off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from repscape.extract.batches import Batch, Batches, count_samples, read_batches
from repscape.extract.marks import Marks
from repscape.extract.rows import MarksOf, Rows, no_marks
from repscape.store import Columns

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Pass:
    """The samples of one forward pass.

    Attributes
    ----------
    places : (m,) int64 array
        Where they stand in their window.
    ids : (m,) array
    inputs : mapping, sequence or tensor
        What the module is called with.
    seed : int
        For layers that draw random numbers even in evaluation.
    marks_of : callable
        What is known of the positions of a layer.
    """

    places: npt.NDArray[np.int64]
    ids: Array
    inputs: Any
    seed: int
    marks_of: MarksOf = no_marks

    def __len__(self) -> int:
        return len(self.places)

    def marks(self, layer: str) -> Marks:
        """What is known of the positions of a layer."""
        return self.marks_of(layer)


class Prepared(Protocol):
    """The samples of a window, ready to be put into batches."""

    @property
    def columns(self) -> Mapping[str, Array]:
        """What became known of each sample when it was prepared (`truncated`)."""

    def places(self, size: int) -> Iterator[npt.NDArray[np.int64]]:
        """Which samples share a batch of at most `size`."""

    def batch(self, places: npt.NDArray[np.int64]) -> Pass:
        """Put these samples into one batch."""


@dataclass(frozen=True)
class Window:
    """Samples from number `start` on: all that is known without reading them."""

    start: int
    ids: Array
    labels: Array | None
    columns: Mapping[str, Array]
    prepare: Callable[[], Prepared]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def stop(self) -> int:
        """The number of samples up to and with this window."""
        return self.start + len(self)


class Feed(Protocol):
    """Where the windows come from."""

    @property
    def is_repeatable(self) -> bool:
        """Whether the windows may be asked for again, and batches be made smaller."""

    @property
    def total(self) -> int | None:
        """The number of samples, where it is known."""

    @property
    def columns(self) -> Columns:
        """Ids, labels and columns of all samples, where they stand in memory; or nothing."""

    def plan(self) -> dict[str, Any]:
        """How samples are put into batches: recorded with what is made."""

    def first_pass(self, few: int = 3) -> Pass | None:
        """A pass from which to learn what the model calls; None if there is no sample."""

    def windows(self, plan: Mapping[str, Any], shard_rows: int) -> Iterator[Window]:
        """The windows, of sizes that follow from the plan and from where shards end."""


class CallerFeed:
    """Batches as the caller made them: each is a window of one pass."""

    is_repeatable = False
    columns: Columns = MappingProxyType({})

    def __init__(self, batches: Batches) -> None:
        self._total = count_samples(batches)
        self._batches = read_batches(batches)
        self._first: Batch | None = next(self._batches, None)

    @property
    def total(self) -> int | None:
        """The number of samples, where the batches are a list."""
        return self._total

    def plan(self) -> dict[str, Any]:
        """The size of the first batch: other batches would give other last bits."""
        return {"batch_samples": 0 if self._first is None else len(self._first)}

    def first_pass(self, few: int = 3) -> Pass | None:
        """The first batch."""
        return None if self._first is None else _pass(self._first)

    def windows(self, plan: Mapping[str, Any], shard_rows: int) -> Iterator[Window]:
        """One window for each batch."""
        first = [] if self._first is None else [self._first]
        for batch in chain(first, self._batches):
            yield Window(batch.start, batch.ids, batch.labels, {}, _AsGiven(batch).itself)


@dataclass(frozen=True)
class _AsGiven:
    """A batch that is what it is, whatever the size asked for."""

    given: Batch
    columns: Mapping[str, Array] = field(default_factory=dict)

    def itself(self) -> Prepared:
        return self

    def places(self, size: int) -> Iterator[npt.NDArray[np.int64]]:
        yield np.arange(len(self.given))

    def batch(self, places: npt.NDArray[np.int64]) -> Pass:
        return _pass(self.given)


def passes(prepared: Prepared, size: int) -> Iterator[Pass]:
    """Put the samples of a window into batches of at most `size`."""
    return map(prepared.batch, prepared.places(size))


def _pass(batch: Batch) -> Pass:
    return Pass(np.arange(len(batch)), batch.ids, batch.inputs, batch.start)


def in_order(parts: list[tuple[npt.NDArray[np.int64], Rows]], samples: int) -> Rows:
    """Put the rows of the passes of one window into the order of the data.

    Parameters
    ----------
    parts : list of (places, Rows)
        For each pass, where its samples stand in the window, and their rows.
    samples : int
        The samples of the window.
    """
    if len(parts) == 1 and np.array_equal(parts[0][0], np.arange(samples)):
        return parts[0][1]
    counts = np.zeros(samples, np.int64)
    for places, rows in parts:
        counts[places] = rows.counts
    starts = np.cumsum(counts) - counts
    first = parts[0][1]
    values = np.empty((int(counts.sum()), first.values.shape[1]), first.values.dtype)
    columns = {n: np.empty(len(values), c.dtype) for n, c in first.columns.items()}
    for places, rows in parts:
        where = _rows_of(starts[places], rows.counts)
        values[where] = rows.values
        for name, column in columns.items():
            column[where] = rows.columns[name]
    return Rows(values, counts, columns)


def _rows_of(starts: npt.NDArray[np.int64], counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The rows from each start on, as many as counted: `starts[i] … starts[i] + counts[i] - 1`."""
    ends = np.cumsum(counts)
    within = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return np.repeat(starts, counts) + within
