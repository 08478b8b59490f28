"""The loop of an extraction: window after window through the model and into the sinks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidRepresentationError, NonFiniteError
from repscape.extract.failures import Run, raise_failing_first, takes_any
from repscape.extract.forward import Forward, RowsOf, Site, Wanted, is_out_of_memory
from repscape.extract.layers import Selection
from repscape.extract.rows import Rows, RowSpec
from repscape.extract.runners import LocalRunner, Runner
from repscape.extract.sinks import Chunk, MemorySink, SharedColumns, Sink, StoredSink, StoringSink
from repscape.extract.source import Source
from repscape.extract.trace import Trace
from repscape.extract.windows import Feed, Pass, Window
from repscape.representation import Representation

if TYPE_CHECKING:
    from repscape.store import Store

Progress: TypeAlias = Callable[[int, int | None], None]
MakeRunner: TypeAlias = Callable[[Wanted], Runner]


@dataclass(frozen=True)
class Layer:
    """One wanted call and pooling: its name, the rows of a sample, and where they go."""

    site: Site
    name: str
    spec: RowSpec
    sink: Sink

    @property
    def is_stored(self) -> bool:
        """Whether all of it is in the store already."""
        return isinstance(self.sink, StoredSink)

    def take(self, window: Window, rows: Rows, kept: str | None, allow: bool) -> None:
        """Hand on the rows of a window."""
        columns = {**window.columns}
        if self.spec.numbered:
            columns = {n: np.repeat(c, rows.counts) for n, c in columns.items()}
        chunk = Chunk(
            self._kept(rows.values, kept, window, rows.counts, allow),
            self.spec.row_ids(window.ids, rows.counts),
            self.spec.row_labels(window.labels, rows.counts),
            {**columns, **rows.columns},
        )
        self.sink.append(chunk)

    def _kept(
        self,
        values: npt.NDArray[Any],
        dtype: str | None,
        window: Window,
        counts: npt.NDArray[np.int64],
        allow: bool,
    ) -> npt.NDArray[Any]:
        if dtype is None or values.dtype == dtype:
            return values
        with np.errstate(over="ignore"):
            kept = values.astype(dtype)
        if not allow and not np.isfinite(kept).all():
            row, column = np.argwhere(~np.isfinite(kept))[0].tolist()
            sample = int(np.searchsorted(counts.cumsum(), row, side="right"))
            raise NonFiniteError(
                f"layer {self.name!r} gives {values[row, column]:g} for sample "
                f"{window.ids[sample].item()!r} (feature {column}), more than {np.dtype(dtype)} "
                "holds: keep float32"
            )
        return kept


@dataclass(frozen=True)
class Carried:
    """What an earlier pass made, over data that begin with the same samples.

    Attributes
    ----------
    sources : mapping of pooling to Source
        Under which keys it is in the store, if there is one.
    until : str or int
        The first sample that is no longer the same, or in the same batch.
    chunks : mapping of (layer, pooling) to list of Chunk
        What is in memory, if there is no store.
    samples : int
        How many samples are in memory.
    """

    sources: Mapping[str, Source] = field(default_factory=dict)
    until: Any = None
    chunks: Mapping[tuple[str, str], list[Chunk]] = field(default_factory=dict)
    samples: int = 0


@dataclass(frozen=True)
class Extraction:
    """One pass over the data for all wanted layers of one module.

    With `finds_failing`, `run` raises `FailingSamplesError` for samples at which the network
    fails; the next extraction, without them, begins with what this one made, `carried` over.
    """

    forward: Forward
    selection: Selection
    sources: Mapping[str, Source]
    feed: Feed
    store: Store | None
    shard_rows: int
    kept: str | None = None
    beside: Mapping[str, Any] = field(default_factory=dict)
    make_runner: MakeRunner | None = None
    finds_failing: bool = False
    carried: Carried = field(default_factory=Carried)
    in_memory: dict[tuple[str, str], list[Chunk]] = field(default_factory=dict)

    def run(self, progress: Progress | None) -> dict[tuple[str, str], Representation]:
        """Consume the feed; return the representations by (name of the call, pooling)."""
        first = self.feed.first_pass()
        if first is None:
            raise InvalidRepresentationError("batches gave no sample: nothing to extract")
        trace, rows = self._trace(first)
        with ExitStack() as stack:
            shared = SharedColumns(self.feed.columns)
            layers = self._open(trace, first, shared, stack)
            stack.enter_context(self._said_if_interrupted(layers))
            calls = {call: trace.output(call).layout for call, _ in (x.site for x in layers)}
            for group in _by_plan(layers) if self.feed.is_repeatable else [layers]:
                missing = [layer for layer in group if not layer.is_stored]
                wanted = Wanted(
                    calls,
                    list(dict.fromkeys(layer.site[0] for layer in missing)),
                    {layer.site: (layer.name, layer.spec) for layer in missing},
                )
                if rows and not self.feed.is_repeatable:
                    self.forward.check(first, rows, wanted)
                learned = {} if self.feed.is_repeatable else rows
                self._extract(group, wanted, learned, progress)
            return {(x.name, x.site[1]): x.sink.finish(shared) for x in layers}

    @contextmanager
    def _said_if_interrupted(self, layers: Sequence[Layer]) -> Iterator[None]:
        """Let Ctrl-C say what is kept, and how to go on."""
        try:
            yield
        except KeyboardInterrupt as interruption:
            if self.store is None:
                interruption.add_note("nothing is kept, since no store was given")
            else:
                kept = sum(layer.sink.shards_done for layer in layers)
                interruption.add_note(
                    f"{kept} full shards of {len(layers)} layers are kept in {self.store.root}; "
                    "the same call or command goes on after them"
                )
            raise

    def _extract(
        self, layers: Sequence[Layer], wanted: Wanted, learned: RowsOf, progress: Progress | None
    ) -> None:
        """Run the windows; rows that were `learned` are those of the first."""
        missing = [layer for layer in layers if not layer.is_stored]
        done = min((layer.sink.samples_done for layer in missing), default=math.inf)
        sinks = [layer.sink for layer in missing]
        works = self._takes_any if self.finds_failing else None
        plan = JointPlan(self.feed, sinks, self.shard_rows, works)
        runner = (
            LocalRunner(self.forward, wanted)
            if self.make_runner is None or not missing
            else self.make_runner(wanted)
        )
        windows = self.feed.windows(plan.first, plan.shard_rows)
        if progress is not None and self.feed.is_repeatable:
            progress(0, self.feed.total)  # so that a bar knows its length from the start
        with runner:
            for window, rows in runner.run(windows, done, plan, learned):
                for layer in layers:
                    if rows is None or layer.is_stored:
                        layer.sink.skip(window.ids)
                    else:
                        allow = self.forward.allow_non_finite
                        layer.take(window, rows[layer.site], self.kept, allow)
                if progress is not None:
                    progress(window.stop, self.feed.total)

    def _trace(self, first: Pass) -> tuple[Trace, RowsOf]:
        """The trace from the store, or else from a whole pass, whose rows are returned too."""
        recipe = next(iter(self.sources.values())).trace_recipe
        if self.store is not None and self.store.has(recipe.key):
            return Trace.load(self.store, recipe), {}
        trace, rows = self._learn(first)
        if self.store is not None:
            trace.save(self.store, recipe)
        return trace, rows

    def _learn(self, first: Pass) -> tuple[Trace, RowsOf]:
        try:
            return self.forward.learn(first)
        except Exception as problem:
            if self.finds_failing and not is_out_of_memory(problem):
                raise_failing_first(self._windows(), len(first), self.forward.learn)
            smaller = self.feed.first_pass(1) if self.feed.is_repeatable else None
            if smaller is None or not is_out_of_memory(problem):
                raise
        return self.forward.learn(smaller)

    def _windows(self) -> Iterator[Window]:
        return self.feed.windows(self.feed.plan(), self.shard_rows)

    def _takes_any(self, run: Run) -> bool:
        return takes_any(self._windows(), run)

    def _open(
        self, trace: Trace, first: Pass, shared: SharedColumns, stack: ExitStack
    ) -> list[Layer]:
        layers, names = [], self.selection.names(trace.calls)
        for call in self.selection.among(trace.calls):
            for pooling in self.forward.poolings:
                name, output = names[call], trace.output(call)
                spec = RowSpec.of(output, pooling, first.marks(call.layer))
                sink = self._sink(self.sources[pooling.name], name, spec, shared, stack)
                layers.append(Layer((call, pooling.name), name, spec, sink))
        return layers

    def _sink(
        self, source: Source, name: str, spec: RowSpec, shared: SharedColumns, stack: ExitStack
    ) -> Sink:
        origin, recipe = source.origin(name), source.recipe(name)
        if self.store is None:
            chunks = self.carried.chunks.get((name, source.pooling), [])
            self.in_memory[name, source.pooling] = chunks
            return MemorySink(origin, chunks, self.carried.samples)
        if self.store.has(recipe.key):
            stored = self.store.load_representation(recipe.key, shared.known)
            shards = len(self.store.manifest(recipe.key).files)
            return StoredSink(shared.add(stored), origin, spec.numbered, shards)
        return self._storing(self.store, name, source, spec, stack)

    def _storing(
        self, store: Store, name: str, source: Source, spec: RowSpec, stack: ExitStack
    ) -> StoringSink:
        origin, recipe = source.origin(name), source.recipe(name)
        plan = self.feed.plan()
        if source.pooling in self.carried.sources:
            earlier = self.carried.sources[source.pooling].recipe(name)
            until = f"{self.carried.until}/0" if spec.numbered else self.carried.until
            store.carry_over(earlier, recipe, until)
        writer = store.representation_writer(
            recipe, origin, self.shard_rows, plan=plan, beside=self.beside
        )
        sink = StoringSink(stack.enter_context(writer), origin, recipe.key, spec)
        if not self.feed.is_repeatable:
            sink.follow_batches(plan)
        return sink


class JointPlan:
    """How samples are batched in one pass over the data: by the plan that is recorded.

    Layers that are written side by side follow one plan. Where their recorded plans differ
    (a run was killed while it recorded a back-off), the smallest batches hold for all.
    """

    def __init__(
        self,
        feed: Feed,
        sinks: Sequence[Sink],
        shard_rows: int,
        works: Callable[[Run], bool] | None,
    ) -> None:
        self.takes_any = works
        self._sinks = [sink for sink in sinks if isinstance(sink, StoringSink)]
        self._own = feed.plan()
        self.can_shrink = feed.is_repeatable
        begun = [sink for sink in self._sinks if sink.is_begun] or self._sinks
        self.first: Mapping[str, Any] = begun[0].plan if begun else self._own
        self.shard_rows = begun[0].shard_rows if begun else shard_rows
        window = int(self.first.get("window_samples", self.first["batch_samples"]))
        self.windows_in_shard = max(1, self.shard_rows // max(1, window))

    def batch_samples(self) -> int:
        """The samples of a batch from the next row on."""
        if not self._sinks:
            return int(self._own["batch_samples"])
        smallest = min(int(sink.plan["batch_samples"]) for sink in self._sinks)
        self._record(smallest)
        return smallest

    def shrink(self, size: int) -> int:
        """Record that batches of `size` do not fit into memory; return the next smaller."""
        self._own = {**self._own, "batch_samples": max(1, size // 2)}
        self._record(int(self._own["batch_samples"]))
        return self.batch_samples()

    def _record(self, size: int) -> None:
        for sink in self._sinks:
            if sink.plan["batch_samples"] != size:
                sink.change_plan({**sink.plan, "batch_samples": size})


def _by_plan(layers: Sequence[Layer]) -> Iterator[list[Layer]]:
    """Layers that can be computed in one pass over the data.

    Those that interrupted runs began with other batches go on by themselves, so that their
    last bits are those of an uninterrupted run. Whatever has not begun joins the first.
    """
    groups: dict[str, list[Layer]] = {}
    free = []
    for layer in layers:
        if isinstance(layer.sink, StoringSink) and layer.sink.is_begun:
            plan = json.dumps([layer.sink.history, layer.sink.shard_rows], sort_keys=True)
            groups.setdefault(plan, []).append(layer)
        else:
            free.append(layer)
    first, *others = groups.values() or [[]]
    yield [*free, *first]
    yield from others
