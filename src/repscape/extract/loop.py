"""The loop of an extraction: batch after batch through the model and into the sinks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from repscape.errors import InvalidRepresentationError
from repscape.extract.batches import Batch
from repscape.extract.calls import CallRecorder
from repscape.extract.layers import Call, Selection
from repscape.extract.layouts import Layout
from repscape.extract.pooling import Pooling
from repscape.extract.rows import RowCollector, Rows, RowSpec, check_rows
from repscape.extract.sinks import MemorySink, Sink, StoredSink, StoringSink
from repscape.extract.source import Source
from repscape.extract.state import isolated_forward, to_device
from repscape.extract.trace import Trace
from repscape.representation import Representation

if TYPE_CHECKING:
    from repscape.store import Store

Progress: TypeAlias = Callable[[int, int | None], None]
RowsOf: TypeAlias = dict[Call, Rows]


@dataclass(frozen=True)
class Forward:
    """Runs batches through a module and returns the pooled rows of the wanted calls."""

    recorder: CallRecorder
    pooling: Pooling
    device: torch.device | None

    def learn(self, batch: Batch) -> tuple[Trace, RowsOf]:
        """Run one whole pass, learning which calls there are."""
        collector = RowCollector(len(batch), [self.pooling])
        with self._prepared(batch) as inputs:
            trace = self.recorder.learn(inputs, collector.receive)
        return trace, self._rows(collector)

    def follow(self, batch: Batch, calls: Mapping[Call, Layout], until: Sequence[Call]) -> RowsOf:
        """Run a pass until the calls `until` have ended; `calls` are all that are wanted."""
        collector = RowCollector(len(batch), [self.pooling])
        with self._prepared(batch) as inputs:
            self.recorder.follow(inputs, collector.receive, calls, until)
        return self._rows(collector)

    def _rows(self, collector: RowCollector) -> RowsOf:
        return {call: rows for (call, _), rows in collector.rows.items()}

    @contextmanager
    def _prepared(self, batch: Batch) -> Iterator[Any]:
        try:
            with isolated_forward(self.device or torch.device("cpu"), seed=batch.start):
                yield to_device(batch.inputs, self.device)
        except Exception as problem:
            problem.add_note(
                f"in the batch of {len(batch)} that begins with sample {batch.ids[0].item()!r}"
            )
            raise


@dataclass(frozen=True)
class Layer:
    """One wanted call: its name, the rows of a sample, and where they go."""

    call: Call
    name: str
    spec: RowSpec
    sink: Sink

    @property
    def is_stored(self) -> bool:
        """Whether all of it is in the store already."""
        return isinstance(self.sink, StoredSink)

    def take(self, batch: Batch, rows: Rows | None, allow_non_finite: bool) -> None:
        """Hand on the rows of a batch, or pass over them where they are there already."""
        counts = self.spec.counts(len(batch))
        ids = self.spec.row_ids(batch.ids, counts)
        labels = self.spec.row_labels(batch.labels, counts)
        if rows is None:
            self.sink.skip(ids, labels)
            return
        check_rows(self.name, rows, self.spec, batch.ids, counts, allow_non_finite)
        self.sink.append(rows.values, ids, labels)


@dataclass(frozen=True)
class Extraction:
    """One forward pass over the data for all wanted layers of one module."""

    forward: Forward
    selection: Selection
    source: Source
    store: Store | None
    shard_rows: int
    allow_non_finite: bool

    def run(
        self, batches: Iterator[Batch], total: int | None, progress: Progress | None
    ) -> dict[str, Representation]:
        """Consume the batches and return the representations by the names of the calls."""
        first = next(batches, None)
        if first is None:
            raise InvalidRepresentationError("batches gave no sample: nothing to extract")
        trace, rows = self._trace(first)
        with ExitStack() as stack:
            layers = self._open(trace, first, stack)
            calls = {layer.call: trace.output(layer.call).layout for layer in layers}
            missing = [layer for layer in layers if not layer.is_stored]
            until = [layer.call for layer in missing]
            done = min((layer.sink.samples_done for layer in missing), default=math.inf)
            for batch in chain([first], batches):
                if batch.stop <= done:
                    rows = {}
                elif batch is not first or not rows:
                    rows = self.forward.follow(batch, calls, until)
                for layer in layers:
                    wanted = None if layer.is_stored else rows.get(layer.call)
                    layer.take(batch, wanted, self.allow_non_finite)
                if progress is not None:
                    progress(batch.stop, total)
            return {layer.name: layer.sink.finish() for layer in layers}

    def _trace(self, first: Batch) -> tuple[Trace, RowsOf]:
        """The trace from the store, or else from a whole pass, whose rows are returned too."""
        recipe = self.source.trace_recipe
        if self.store is not None and self.store.has(recipe.key):
            return Trace.load(self.store, recipe), {}
        trace, rows = self.forward.learn(first)
        if self.store is not None:
            trace.save(self.store, recipe)
        return trace, rows

    def _open(self, trace: Trace, first: Batch, stack: ExitStack) -> list[Layer]:
        layers, names = [], self.selection.names(trace.calls)
        for call in self.selection.among(trace.calls):
            name, spec = names[call], RowSpec.of(trace.output(call), self.forward.pooling)
            layers.append(Layer(call, name, spec, self._sink(name, spec, len(first), stack)))
        return layers

    def _sink(self, name: str, spec: RowSpec, batch_samples: int, stack: ExitStack) -> Sink:
        origin, recipe = self.source.origin(name), self.source.recipe(name)
        if self.store is None:
            return MemorySink(origin)
        if self.store.has(recipe.key):
            return StoredSink(self.store.load_representation(recipe.key), origin)
        writer = self.store.representation_writer(
            recipe,
            origin,
            self.shard_rows,
            plan={"batch_samples": batch_samples},
            beside={"device": str(self.forward.device or "cpu")},
        )
        return StoringSink(stack.enter_context(writer), recipe.key, origin, spec, batch_samples)
