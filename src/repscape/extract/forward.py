"""Forward passes over the batches of a window: the rows of every layer and pooling."""

from __future__ import annotations

import gc
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch

from repscape.errors import ModelFailedError
from repscape.extract.calls import CallRecorder
from repscape.extract.layers import Call
from repscape.extract.layouts import Layout
from repscape.extract.pooling import Pooling
from repscape.extract.rows import RowCollector, Rows, RowSpec, check_rows
from repscape.extract.state import isolated_forward, to_device
from repscape.extract.trace import Trace, dtype_name
from repscape.extract.windows import Pass, Prepared, in_order, passes

Site: TypeAlias = tuple[Call, str]
RowsOf: TypeAlias = dict[Site, Rows]

_OUT_OF_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True)
class Wanted:
    """What is asked of every pass.

    Attributes
    ----------
    calls : mapping of Call to Layout
        All calls that a pattern means.
    until : sequence of Call
        Those whose output is needed; the pass ends after the last of them.
    specs : mapping of (Call, pooling) to (name, RowSpec)
        The rows that each of them must give.
    """

    calls: Mapping[Call, Layout]
    until: Sequence[Call]
    specs: Mapping[Site, tuple[str, RowSpec]]


@dataclass(frozen=True)
class Forward:
    """Runs batches through a module and returns the pooled rows of the wanted calls."""

    recorder: CallRecorder
    poolings: Sequence[Pooling]
    device: torch.device | None
    allow_non_finite: bool = False

    def learn(self, batch: Pass) -> tuple[Trace, RowsOf]:
        """Run one whole pass, learning which calls there are."""
        collector = RowCollector(len(batch), self.poolings, batch.marks_of)
        with self._prepared(batch) as inputs:
            trace = self.recorder.learn(inputs, collector.receive)
        return trace, collector.rows

    def follow(self, batch: Pass, wanted: Wanted) -> RowsOf:
        """Run a pass until all that is wanted has come, and check it."""
        collector = RowCollector(len(batch), self.poolings, batch.marks_of)
        with self._prepared(batch) as inputs:
            self.recorder.follow(inputs, collector.receive, wanted.calls, wanted.until)
        self.check(batch, collector.rows, wanted)
        return collector.rows

    def check(self, batch: Pass, rows: RowsOf, wanted: Wanted) -> None:
        """Raise, naming layer and sample, if rows are not those expected, or not finite."""
        for site, (name, spec) in wanted.specs.items():
            counts = spec.counts(len(batch), batch.marks(site[0].layer))
            check_rows(name, rows[site], spec, batch.ids, counts, self.allow_non_finite)

    def window(self, prepared: Prepared, samples: int, size: int, wanted: Wanted) -> RowsOf:
        """Run all passes of a window of `samples`, in batches of at most `size`."""
        return self.passes(passes(prepared, size), samples, wanted)

    def passes(self, batches: Iterable[Pass], samples: int, wanted: Wanted) -> RowsOf:
        """Run the passes of a window of `samples`; the rows are in the order of the data."""
        parts: dict[Site, list[Any]] = {site: [] for site in wanted.specs}
        for batch in batches:
            rows = self.follow(batch, wanted)
            for site, found in parts.items():
                found.append((batch.places, rows[site]))
        return {site: in_order(found, samples) for site, found in parts.items()}

    @contextmanager
    def _prepared(self, batch: Pass) -> Iterator[Any]:
        try:
            with isolated_forward(self.device or torch.device("cpu"), seed=batch.seed):
                yield to_device(batch.inputs, self.device)
        except Exception as problem:
            where = f"in the batch of {len(batch)} that begins with sample {batch.ids[0].item()!r}"
            if len(batch) == 1:
                where = f"at sample {batch.ids[0].item()!r}"
            if _is_of_torch(problem):
                raise ModelFailedError(
                    f"{where}, with {_shapes(batch.inputs)}: {problem} (do the samples have the "
                    "size and type that the model takes?)"
                ) from problem
            problem.add_note(where)
            raise


def _is_of_torch(problem: Exception) -> bool:
    """Whether it is torch's refusal of sizes or types; what else a model raises is its own."""
    return type(problem) is RuntimeError and not is_out_of_memory(problem)


def _shapes(inputs: Any) -> str:
    if isinstance(inputs, Mapping):
        return ", ".join(f"{name} of {_shapes(inputs[name])}" for name in inputs)
    if isinstance(inputs, tuple | list):
        return ", ".join(map(_shapes, inputs))
    if not isinstance(inputs, torch.Tensor):
        return type(inputs).__name__
    return f"shape {tuple(inputs.shape)} ({dtype_name(inputs)})"


def is_out_of_memory(problem: BaseException) -> bool:
    """Whether a smaller batch may help."""
    if isinstance(problem, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(problem, RuntimeError) and any(
        words in str(problem).lower() for words in _OUT_OF_MEMORY
    )


def free_memory() -> None:
    """Give back what a failed pass held."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
