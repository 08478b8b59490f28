"""Sinks: where the rows of one layer go, in memory or shard by shard into a store."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidParameterError, SampleMismatchError
from repscape.extract.rows import RowSpec
from repscape.representation import Origin, Representation

if TYPE_CHECKING:
    from repscape.store import RepresentationWriter

    Array = npt.NDArray[Any]


_MEND = "give a data_revision= or split= that names just these samples in this order"


class Sink(Protocol):
    """Takes the rows of one layer, batch after batch, in the order of the data."""

    @property
    def samples_done(self) -> int:
        """How many samples are there already; their values need not be computed again."""

    def append(self, values: Array, ids: Array, labels: Array | None) -> None:
        """Take the rows of the next batch; rows that are there already are ignored."""

    def skip(self, ids: Array, labels: Array | None) -> None:
        """Pass over rows that are there already, checking that they are these samples."""

    def finish(self) -> Representation:
        """Return all rows."""


class MemorySink:
    """Holds the rows in memory."""

    samples_done = 0

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._values: list[Array] = []
        self._ids: list[Array] = []
        self._labels: list[Array] = []

    def append(self, values: Array, ids: Array, labels: Array | None) -> None:
        """Take the rows of the next batch."""
        self._values.append(values)
        self._ids.append(ids)
        if labels is not None:
            self._labels.append(labels)

    def skip(self, ids: Array, labels: Array | None) -> None:
        """Nothing is there before the extraction, so nothing can be skipped."""
        raise AssertionError("a sink in memory starts empty")

    def finish(self) -> Representation:
        """Return all rows."""
        return Representation(
            np.concatenate(self._values),
            np.concatenate(self._ids),
            labels=np.concatenate(self._labels) if self._labels else None,
            origin=self._origin,
        )


class StoredSink:
    """The layer is in the store already; only the samples are checked."""

    def __init__(self, stored: Representation, origin: Origin) -> None:
        self._stored = replace(stored, origin=origin)
        self._position = 0
        self.samples_done = stored.n

    def append(self, values: Array, ids: Array, labels: Array | None) -> None:
        """Check the ids; by their key the values are those that are there."""
        self.skip(ids, labels)

    def skip(self, ids: Array, labels: Array | None) -> None:
        """Check that the next rows are these samples."""
        stored = self._stored.sample_ids[self._position : self._position + len(ids)].tolist()
        for row, (was, now) in enumerate(zip_longest(stored, ids.tolist()), self._position):
            if was != now:
                held = "no more samples" if was is None else f"sample {was!r} at row {row}"
                raise SampleMismatchError(
                    f"{self._stored.name} is in the store under these revisions with {held}, "
                    f"but now row {row} is sample {now!r}: {_MEND}"
                )
        self._position += len(ids)

    def finish(self) -> Representation:
        """Return the stored rows."""
        if self._position != self._stored.n:
            raise SampleMismatchError(
                f"{self._stored.name} is in the store under these revisions with "
                f"{self._stored.n} rows, but the batches gave {self._position}: {_MEND}"
            )
        return self._stored


class StoringSink:
    """Streams the rows into the store; resumes where an interrupted run ended."""

    def __init__(
        self,
        writer: RepresentationWriter,
        key: str,
        origin: Origin,
        spec: RowSpec,
        batch_samples: int,
    ) -> None:
        _follow_plan(writer, key, batch_samples)
        self._writer = writer
        self._origin = origin
        self._no_value = np.zeros((), spec.dtype)
        self._width = spec.width
        self.samples_done = writer.rows_done // (spec.per_sample or 1)
        writer.start_at(0)

    def append(self, values: Array, ids: Array, labels: Array | None) -> None:
        """Take the rows of the next batch; full shards are committed."""
        self._writer.append(values, ids, labels)

    def skip(self, ids: Array, labels: Array | None) -> None:
        """Let the writer check the ids; it looks at no value of a row that it has."""
        self._writer.append(np.broadcast_to(self._no_value, (len(ids), self._width)), ids, labels)

    def finish(self) -> Representation:
        """Commit, and return the stored rows."""
        return replace(self._writer.commit(), origin=self._origin)


def _follow_plan(writer: RepresentationWriter, key: str, batch_samples: int) -> None:
    """Other batches would give other last bits: an interrupted run goes on with its own."""
    plan, recorded = {"batch_samples": batch_samples}, dict(writer.plan_steps[-1].plan)
    if recorded == plan:
        return
    if writer.rows_done:
        raise InvalidParameterError(
            f"the representation {key} was interrupted after {writer.rows_done} rows, in "
            f"batches of {recorded['batch_samples']} samples, and now they have {batch_samples}: "
            f"give batches of {recorded['batch_samples']}, or store.delete({key!r})"
        )
    writer.change_plan(0, plan)
