"""`RepresentationWriter`: rows stream in, full shards are committed, a killed run resumes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from repscape.errors import (
    CorruptArtefactError,
    InvalidParameterError,
    InvalidRepresentationError,
    StoreError,
)
from repscape.representation import Origin, Representation
from repscape.sample_ids import first_repeat_among
from repscape.store.arrays import Buffer, join
from repscape.store.atomic import flush_directory, link_or_copy, publish_first, replace_file
from repscape.store.directory import RECORD_STEM, ArtefactDirectory, remove
from repscape.store.manifest import FileEntry, Manifest, json_bytes, library_versions
from repscape.store.representations import (
    IDS,
    VALUES,
    Columns,
    load_representation,
    representation_buffers,
)

if TYPE_CHECKING:
    from repscape.representation import Values
    from repscape.tasks import Recipe

DEFAULT_SHARD_ROWS = 4096
_PLAN_STEM = "plan-"

_Chunk = dict[str, Buffer]


@dataclass(frozen=True)
class PlanStep:
    """The plan of batches that holds from row `from_row` on."""

    from_row: int
    plan: Mapping[str, Any]


class RepresentationWriter:
    """Streams the rows of one representation into the store, shard by shard.

    Every shard of `shard_rows` rows is committed as soon as it is full. A run that was killed
    is resumed by opening a writer for the same recipe and appending from row `rows_done` on.
    Several layers are written in lock step by one writer each: start all of them with
    `start_at(min(writer.rows_done for writer in writers))`; a writer that is ahead checks the
    ids of the rows that it already has and ignores them.

    The plan of batches is recorded before the first row. Whoever opens the artefact later, to
    resume it or at the same time, gets the recorded plan and shard size instead of its own and
    has to follow them, so that the bytes do not depend on interruptions.

    Use it as a context manager. Leaving it without `commit`, also by an exception or Ctrl-C,
    loses only the rows after the last full shard.
    """

    def __init__(
        self,
        directory: ArtefactDirectory,
        recipe: Recipe,
        origin: Origin,
        shard_rows: int = DEFAULT_SHARD_ROWS,
        plan: Mapping[str, Any] | None = None,
        beside: Mapping[str, Any] | None = None,
    ) -> None:
        if shard_rows < 1:
            raise InvalidParameterError(f"shard_rows={shard_rows}: give a positive number of rows")
        self._directory = directory
        self._recipe = recipe
        self._origin = origin
        self._beside = dict(beside or {})
        self._pending: list[_Chunk] = []
        self._pending_rows = 0
        self._read: tuple[str, npt.NDArray[Any]] | None = None
        self._committed: Manifest | None = None
        self._shards: list[FileEntry] = []
        if self._adopt_if_committed():
            shard_rows = directory.manifest().beside.get("shard_rows", shard_rows)
        else:
            directory.create()
            start = {"from_row": 0, "plan": dict(plan or {}), "shard_rows": shard_rows}
            shard_rows = self._record_plan_step(0, start)["shard_rows"]
            self._shards = self._find_shards()
        self._shard_rows = shard_rows
        self._position = self.rows_done
        self._has_appended = False

    @property
    def rows_done(self) -> int:
        """How many rows are in committed shards; a resumed run continues with this row."""
        return sum(_rows(entry) for entry in self._shards)

    def known_ids(self) -> Iterator[npt.NDArray[Any]]:
        """The ids of the rows in committed shards, shard by shard; see `rows_done`."""
        for index in range(len(self._shards)):
            yield self._ids_of(index)

    @property
    def is_committed(self) -> bool:
        """Whether the whole artefact is committed, by this writer or another process."""
        return self._committed is not None or self._directory.is_committed

    @property
    def shard_rows(self) -> int:
        """The rows of a full shard, as recorded by the first writer of this artefact."""
        return self._shard_rows

    @property
    def plan(self) -> dict[str, Any]:
        """The recorded plan of batches that holds for the next row."""
        return self.plan_at(self._position)

    def plan_at(self, row: int) -> dict[str, Any]:
        """The recorded plan of batches that holds for a row: the last one from it or before."""
        return dict([step.plan for step in self.plan_steps if step.from_row <= row][-1])

    @property
    def plan_steps(self) -> tuple[PlanStep, ...]:
        """The recorded plan and its changes, in the order in which they were recorded."""
        if self._committed is not None:
            steps = self._committed.beside["plan"]
        else:
            recorded = sorted(self._directory.path.glob(f"{_PLAN_STEM}*[0-9].json"))
            steps = [self._read_plan_step(path) for path in recorded]
        return tuple(PlanStep(step["from_row"], step["plan"]) for step in steps)

    def change_plan(self, from_row: int, plan: Mapping[str, Any]) -> None:
        """Record that another plan holds from a row on, e.g. after a memory back-off.

        Read `plan` afterwards and follow it: another process may have recorded its own first.
        Nothing happens if the artefact is committed already.
        """
        if not self._adopt_if_committed():
            step = {"from_row": from_row, "plan": dict(plan)}
            self._record_plan_step(len(self.plan_steps), step)

    def take_over(self, earlier: RepresentationWriter, until: Any) -> None:
        """Begin with the full shards of another representation that has the same first rows.

        Its shards are taken up to the one that holds the row with the id `until`. Nothing
        happens if this representation was begun by another plan, or shards of another size. A
        take-over that was interrupted is completed.
        """
        if self._adopt_if_committed() or earlier.shard_rows != self._shard_rows:
            return
        steps = earlier.plan_steps
        if any(own != other for own, other in zip(self.plan_steps, steps, strict=False)):
            return
        for index, ids in enumerate(earlier.known_ids()):
            if len(ids) < self._shard_rows or until in ids.tolist():
                break
            if index < len(self._shards):
                continue
            for step in steps[len(self.plan_steps) :]:
                if step.from_row < (index + 1) * self._shard_rows:
                    self.change_plan(step.from_row, step.plan)
            entry = earlier._shards[index]
            self._directory.share(entry, earlier._directory)
            if (record := earlier._record_path(index)).exists():
                link_or_copy(record, self._record_path(index))
            else:  # it is whole
                replace_file(self._record_path(index), json_bytes(entry.to_dict()))
            self._shards.append(entry)
        flush_directory(self._directory.path)
        self._position = self.rows_done

    def start_at(self, row: int) -> None:
        """Say that the first row to be appended is number `row`, at most `rows_done`."""
        if self._has_appended or not 0 <= row <= self.rows_done:
            raise InvalidParameterError(
                f"start_at({row}): call it before the first append, with a row from 0 to "
                f"rows_done={self.rows_done}"
            )
        self._position = row

    def append(
        self,
        values: Values,
        ids: Sequence[Any] | npt.NDArray[Any],
        labels: Sequence[Any] | npt.NDArray[Any] | None = None,
        columns: Mapping[str, Any] | None = None,
    ) -> None:
        """Take the next m rows, and commit every shard that they fill.

        Parameters
        ----------
        values : (m, d) array or tensor
        ids : (m,) sequence of str or int
        labels : (m,) sequence, optional
        columns : mapping of name to (m,) sequence, optional

        Raises
        ------
        InvalidRepresentationError
            If the rows are not of the kind of the rows before (d, dtype, ids, labels, columns),
            or a row that the store already has comes with another id.
        StoreNotWritableError
            If the disk is full or read-only; the shards committed so far stay.
        """
        chunk = Representation(values, ids, labels=labels, columns=columns or {})  # type: ignore[arg-type]
        buffers = representation_buffers(chunk)
        self._check_kind(buffers)
        self._has_appended = True
        there = min(max(self.rows_done - self._position, 0), chunk.n)
        self._check_known(chunk.sample_ids[:there])
        self._position += chunk.n
        if there == chunk.n:
            return
        if self._committed is not None:
            raise StoreError(
                f"{self._directory.path} is committed with {self.rows_done} rows, but a row "
                "after the last was appended: the recipe must name all that decides the samples"
            )
        # The caller may use its memory for the next batch, so the rows are copied.
        self._pending.append(
            {k: Buffer(b.dtype, np.array(b.data[there:])) for k, b in buffers.items()}
        )
        self._pending_rows += chunk.n - there
        while self._pending_rows >= self._shard_rows:
            self._commit_shard()

    def commit(self, share: Sequence[Columns] = ()) -> Representation:
        """Write the last shard and the manifest, and return the stored representation.

        If another process has committed this key first, its rows are returned and this
        writer's are discarded. Ids, labels and columns that equal one of `share` are that array.
        """
        if self._position < self.rows_done:
            raise StoreError(
                f"{self._directory.path} has {self.rows_done} rows in committed shards, but "
                f"this run ended after {self._position}: the recipe must name all that decides "
                f"the samples, or delete the key {self._recipe.key} and run again"
            )
        if not self._adopt_if_committed():
            self._commit_whole()
        for record in self._directory.path.glob(f"{RECORD_STEM}*[0-9].json"):
            remove(record)
        return load_representation(self._directory, share)

    def __enter__(self) -> RepresentationWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pending, self._pending_rows = [], 0

    def _commit_shard(self) -> None:
        if self._adopt_if_committed():
            return
        index = len(self._shards)
        entry = self._write_shard(self._shard_rows)
        replace_file(self._record_path(index), json_bytes(entry.to_dict()))

    def _write_shard(self, rows: int) -> FileEntry:
        first, rest = _split(self._pending, rows)
        whole = {name: join((chunk[name] for chunk in first), rows) for name in first[0]}
        stem = f"{RECORD_STEM}{len(self._shards):06d}"
        entry = self._directory.write_arrays(stem, whole, paged=VALUES)
        self._shards.append(entry)
        self._pending, self._pending_rows = rest, self._pending_rows - rows
        return entry

    def _commit_whole(self) -> None:
        if self._pending_rows:
            self._write_shard(self._pending_rows)
        if not self._shards:
            raise InvalidRepresentationError(
                f"no row was appended to the representation {self._recipe.key}: nothing to commit"
            )
        self._check_distinct()
        steps = [{"from_row": step.from_row, "plan": dict(step.plan)} for step in self.plan_steps]
        manifest = Manifest(
            recipe=self._recipe,
            files=tuple(self._shards),
            metadata={"origin": self._origin.to_dict()},
            beside={**self._beside, "plan": steps, "shard_rows": self._shard_rows},
            versions=library_versions(),
        )
        self._adopt(self._directory.commit(manifest))

    def _adopt_if_committed(self) -> bool:
        if self._committed is not None:
            return True
        if not self._directory.is_committed:
            return False
        self._adopt(self._directory.manifest())
        return True

    def _adopt(self, manifest: Manifest) -> None:
        listed = {entry.name for entry in manifest.files}
        for entry in self._shards:
            if entry.name not in listed:
                remove(self._directory.path / entry.name)
        self._committed = manifest
        self._shards = list(manifest.files)
        self._pending, self._pending_rows = [], 0

    def _find_shards(self) -> list[FileEntry]:
        """The shards to continue from: those up to the first that is missing or broken."""
        shards: list[FileEntry] = []
        while True:
            record = self._record_path(len(shards))
            try:
                entry = FileEntry.from_dict(json.loads(record.read_bytes()))
                self._directory.verified(entry)
            except (FileNotFoundError, ValueError, KeyError, TypeError, CorruptArtefactError):
                return shards  # these rows are made anew; nothing broken is kept
            shards.append(entry)

    def _record_plan_step(self, index: int, step: Mapping[str, Any]) -> dict[str, Any]:
        path = self._directory.path / f"{_PLAN_STEM}{index:06d}.json"
        publish_first(path, json_bytes(step))
        return self._read_plan_step(path)

    def _read_plan_step(self, path: Path) -> dict[str, Any]:
        try:
            step: dict[str, Any] = json.loads(path.read_bytes())
        except ValueError as problem:
            raise self._directory.corrupt(path.name, f"the plan is broken: {problem}") from problem
        return step

    def _record_path(self, index: int) -> Path:
        return self._directory.path / f"{RECORD_STEM}{index:06d}.json"

    def _check_kind(self, buffers: Mapping[str, Buffer]) -> None:
        if self._pending:
            known = {name: buffer.spec for name, buffer in self._pending[0].items()}
        elif self._shards:
            known = dict(self._shards[0].arrays)
        else:
            return
        before = {name: (spec.dtype, spec.shape[1:]) for name, spec in known.items()}
        now = {name: (b.dtype, b.data.shape[1:]) for name, b in buffers.items()}
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise InvalidRepresentationError(
                    f"row {self._position}: {name!r} is {_said(now.get(name))}, but in the rows "
                    f"before it is {_said(before.get(name))}: all rows need the same"
                )

    def _check_known(self, ids: npt.NDArray[Any]) -> None:
        """Refuse ids of rows from `_position` on that are stored under other ids."""
        first, checked = 0, 0
        for index in range(len(self._shards)):
            if checked == len(ids):
                return
            last = first + _rows(self._shards[index])
            if last > self._position:
                begin = self._position + checked - first
                stored = self._ids_of(index)[begin:][: len(ids) - checked]
                self._check_same(stored, ids[checked : checked + len(stored)], first + begin)
                checked += len(stored)
            first = last

    def _check_same(self, stored: npt.NDArray[Any], ids: npt.NDArray[Any], first: int) -> None:
        if not np.array_equal(stored, ids):
            row = int(np.flatnonzero(stored != ids)[0])
            raise InvalidRepresentationError(
                f"row {first + row} is stored as sample {stored[row].item()!r}, but now "
                f"comes as {ids[row].item()!r}: give the samples in the same order as before, or "
                f"delete the key {self._recipe.key} and run again"
            )

    def _check_distinct(self) -> None:
        rows = first_repeat_among(self.known_ids)
        if rows is not None:
            ids = np.concatenate(list(self.known_ids()))
            raise InvalidRepresentationError(
                f"sample id {ids[rows[0]].item()!r} stands at rows {rows[0]} and {rows[1]}: "
                "ids must differ"
            )

    def _ids_of(self, index: int) -> npt.NDArray[Any]:
        entry = self._shards[index]
        if self._read is not None and self._read[0] == entry.name:
            return self._read[1]
        try:
            self._read = entry.name, self._directory.buffers(entry, [IDS])[IDS].data
            return self._read[1]
        except CorruptArtefactError:
            # Whoever commits first discards the others' shards; then its own are the ones.
            if self._committed is not None or not self._adopt_if_committed():
                raise
            return self._ids_of(index)


def _split(chunks: list[_Chunk], rows: int) -> tuple[list[_Chunk], list[_Chunk]]:
    """The chunks with the first `rows` rows, and those with the rest, without a copy."""
    first: list[_Chunk] = []
    for place, chunk in enumerate(chunks):
        there = len(chunk[IDS].data)
        if there > rows:
            head = {name: buffer[:rows] for name, buffer in chunk.items()}
            tail = {name: buffer[rows:] for name, buffer in chunk.items()}
            return ([*first, head] if rows else first), [tail, *chunks[place + 1 :]]
        first.append(chunk)
        rows -= there
    return first, []


def _rows(entry: FileEntry) -> int:
    return entry.arrays[IDS].shape[0]


def _said(kind: tuple[str, tuple[int, ...]] | None) -> str:
    if kind is None:
        return "absent"
    dtype, rest = kind
    return f"{dtype} of width {rest[0]}" if rest else dtype
