"""Sinks: where the rows of one layer go, in memory or shard by shard into a store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidParameterError, InvalidRepresentationError, SampleMismatchError
from repscape.extract.rows import RowSpec
from repscape.representation import Origin, Representation
from repscape.store import Columns, columns_of

if TYPE_CHECKING:
    from repscape.store import RepresentationWriter

Array = npt.NDArray[Any]

_MEND = "give a data_revision= or split= that names just these samples in this order"


@dataclass(frozen=True)
class Chunk:
    """The rows of one window."""

    values: Array
    ids: Array
    labels: Array | None
    columns: Mapping[str, Array] = field(default_factory=dict)


class SharedColumns:
    """Ids, labels and columns that several representations have in common, held once."""

    def __init__(self, known: Columns) -> None:
        self._by_rows: dict[int, Columns] = {len(known["ids"]): known} if known else {}

    @property
    def known(self) -> list[Columns]:
        """What there is to share."""
        return list(self._by_rows.values())

    def ids(self, ids: Array) -> Array:
        """The array that is known to hold these ids, or this one."""
        known = self._by_rows.get(len(ids), {}).get("ids", ids)
        same = known.dtype.kind == ids.dtype.kind and np.array_equal(known, ids)
        return known if same else ids

    def add(self, representation: Representation) -> Representation:
        """Share what this one has; return it."""
        known = self._by_rows.get(representation.n, {})
        self._by_rows[representation.n] = {**known, **columns_of(representation)}
        return representation


class Sink(Protocol):
    """Takes the rows of one layer, window after window, in the order of the data."""

    @property
    def samples_done(self) -> int:
        """How many samples are there already; their values need not be computed again."""

    @property
    def shards_done(self) -> int:
        """How many full shards are stored by now."""

    def append(self, chunk: Chunk) -> None:
        """Take the rows of the next window; rows that are there already are ignored."""

    def skip(self, ids: Array) -> None:
        """Pass over samples that are there already, checking that they are these."""

    def finish(self, shared: SharedColumns) -> Representation:
        """Return all rows; what they have in common with others is one array."""


class MemorySink:
    """Holds the rows in memory, in `chunks`, which may have those of `samples` samples."""

    shards_done = 0

    def __init__(self, origin: Origin, chunks: list[Chunk], samples: int) -> None:
        self._origin = origin
        self._chunks = chunks
        self.samples_done = samples

    def append(self, chunk: Chunk) -> None:
        """Take the rows of the next window."""
        self._chunks.append(chunk)

    def skip(self, ids: Array) -> None:
        """Pass over samples that it began with."""

    def finish(self, shared: SharedColumns) -> Representation:
        """Return all rows."""
        chunks = self._chunks
        labels = [chunk.labels for chunk in chunks if chunk.labels is not None]
        rep = Representation(
            np.concatenate([chunk.values for chunk in chunks]),
            shared.ids(np.concatenate([chunk.ids for chunk in chunks])),
            labels=np.concatenate(labels) if labels else None,
            columns={
                name: np.concatenate([chunk.columns[name] for chunk in chunks])
                for name in chunks[0].columns
            },
            origin=self._origin,
        )
        return shared.add(rep)


class StoredSink:
    """The layer is in the store already; only the samples are checked."""

    def __init__(self, stored: Representation, origin: Origin, numbered: bool, shards: int) -> None:
        self._stored = replace(stored, origin=origin)
        self.shards_done = shards
        self._known = KnownRows(lambda: iter([stored.sample_ids]), stored.n, numbered)
        self.samples_done = stored.n

    def append(self, chunk: Chunk) -> None:
        """By their key the values are those that are there; see `skip`."""
        raise AssertionError("a stored layer is not computed again")

    def skip(self, ids: Array) -> None:
        """Check that the next samples are these."""
        different = self._known.take(ids)
        if different is not None:
            row, was, now = different
            held = "no more samples" if was is None else f"sample {was!r} at row {row}"
            raise SampleMismatchError(
                f"{self._stored.name} is in the store under these revisions with {held}, "
                f"but now row {row} is sample {now!r}: {_MEND}"
            )

    def finish(self, shared: SharedColumns) -> Representation:
        """Return the stored rows."""
        if self._known.position != self._stored.n:
            raise SampleMismatchError(
                f"{self._stored.name} is in the store under these revisions with "
                f"{self._stored.n} rows, but the batches gave {self._known.position}: {_MEND}"
            )
        return self._stored


class StoringSink:
    """Streams the rows into the store; resumes where an interrupted run ended."""

    def __init__(
        self, writer: RepresentationWriter, origin: Origin, key: str, spec: RowSpec
    ) -> None:
        self._writer = writer
        self._origin = origin
        self._key = key
        self._known = KnownRows(writer.known_ids, writer.rows_done, spec.numbered)
        self._appended = 0
        self._steps = writer.plan_steps
        self.samples_done = self._known.whole_samples(spec.per_sample)

    @property
    def is_begun(self) -> bool:
        """Whether rows are there already."""
        return self._writer.rows_done > 0

    @property
    def shards_done(self) -> int:
        """How many full shards are stored by now."""
        return self._writer.rows_done // self._writer.shard_rows

    @property
    def shard_rows(self) -> int:
        """Rows of a shard, as recorded."""
        return self._writer.shard_rows

    @property
    def history(self) -> list[Any]:
        """The recorded plan and its changes, as plain values."""
        return [[step.from_row, dict(step.plan)] for step in self._steps]

    @property
    def plan(self) -> dict[str, Any]:
        """The recorded plan that holds for the next row."""
        row = self._known.position + self._appended
        return dict([step.plan for step in self._steps if step.from_row <= row][-1])

    def change_plan(self, plan: Mapping[str, Any]) -> None:
        """Record that another plan holds from the next row on; `plan` says which one does."""
        self._writer.change_plan(self._known.position + self._appended, plan)
        self._steps = self._writer.plan_steps

    def follow_batches(self, plan: Mapping[str, Any]) -> None:
        """Refuse batches of another size than those of an interrupted run.

        Batches that the caller makes cannot be made again in the recorded size, and other
        batches would give other last bits.
        """
        if self.plan == plan:
            return
        if self.is_begun:
            was, now = self.plan["batch_samples"], plan["batch_samples"]
            raise InvalidParameterError(
                f"the representation {self._key} was interrupted after {self._writer.rows_done} "
                f"rows, in batches of {was} samples, and now they have {now}: give batches of "
                f"{was}, or store.delete({self._key!r})"
            )
        self.change_plan(plan)

    def append(self, chunk: Chunk) -> None:
        """Take the rows of the next window; full shards are committed."""
        self._start()
        self._writer.append(chunk.values, chunk.ids, chunk.labels, chunk.columns)
        self._appended += len(chunk.ids)

    def skip(self, ids: Array) -> None:
        """Check that the next samples that are there are these."""
        different = self._known.take(ids)
        if different is not None:
            row, was, now = different
            raise InvalidRepresentationError(
                f"row {row} is stored as sample {was!r}, but now comes as {now!r}: give the "
                f"samples in the same order as before, or delete the key {self._key} and run again"
            )

    def finish(self, shared: SharedColumns) -> Representation:
        """Commit, and return the stored rows."""
        self._start()
        stored = shared.add(self._writer.commit(shared.known))
        return replace(stored, origin=self._origin)

    def _start(self) -> None:
        if not self._appended:
            self._writer.start_at(self._known.position)


class KnownRows:
    """Walks along the ids of rows that are stored, sample by sample.

    With `numbered` rows a sample `a` has the rows `a/0`, `a/1`, …, at least one.
    """

    def __init__(self, parts: Callable[[], Iterator[Array]], rows: int, numbered: bool) -> None:
        self._parts = parts
        self._rows = rows
        self._numbered = numbered
        self._following = parts()
        self._part: Array = np.asarray([], np.str_)
        self._first = 0
        self.position = 0

    def whole_samples(self, per_sample: int | None) -> int:
        """How many samples are surely there with all of their rows."""
        if per_sample is not None:
            return self._rows // per_sample
        begun = sum(int(np.char.endswith(part, "/0").sum()) for part in self._parts())
        return max(0, begun - 1)

    def take(self, ids: Array) -> tuple[int, Any, Any] | None:
        """Walk over these samples; return (row, stored, now) at the first that differs."""
        if not self._numbered and self.position < self._rows:
            self._here()
            stored = self._part[self.position - self._first :][: len(ids)]
            if np.array_equal(stored, ids):
                self.position += len(ids)
                return None
        for identity in ids.tolist():
            first = f"{identity}/0" if self._numbered else identity
            if self._here() != first:
                return self.position, self._here(), first
            self.position += 1
            place = 1
            while self._numbered and self._here() == f"{identity}/{place}":
                self.position, place = self.position + 1, place + 1
        return None

    def _here(self) -> Any:
        if self.position >= self._rows:
            return None
        while self.position >= self._first + len(self._part):
            self._first += len(self._part)
            self._part = next(self._following)
        return self._part[self.position - self._first].item()
