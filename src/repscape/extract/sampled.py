"""Samples of a data source, prepared by workers and put into batches by length."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from repscape.data.source import DataSource
from repscape.errors import InvalidParameterError, MissingExtraError, SampleError
from repscape.extract import windows
from repscape.extract.models.base import LoadedModel, Prepared
from repscape.extract.windows import Pass, Window
from repscape.store import Columns, named_columns

BATCH_SAMPLES = 64
SORTED_SAMPLES = 1024
TRUNCATED = "truncated"
_SEQUENCES = ("text", "protein")
_MOST_WORKERS = 8


@dataclass(frozen=True)
class SampleFeed:
    """Feeds the samples of a data source to a model.

    Texts differ in length, so they are sorted by it within windows of 1,024 samples: batches
    then hold little padding. Other samples are batched in the order of the data.
    """

    model: LoadedModel
    source: DataSource
    batch_samples: int
    pool: ThreadPoolExecutor
    is_repeatable: bool = True

    def __post_init__(self) -> None:
        if self.batch_samples < 1:
            raise InvalidParameterError(f"batch_size={self.batch_samples}: give at least 1")

    @property
    def total(self) -> int:
        """The number of samples."""
        return len(self.source)

    @property
    def columns(self) -> Columns:
        """Ids, labels and metadata of all samples."""
        return named_columns(self.source.ids, self.source.labels, self.source.columns)

    @property
    def sorts(self) -> bool:
        """Whether samples differ in length."""
        return self.model.modality in _SEQUENCES

    def plan(self) -> dict[str, Any]:
        """Samples of a batch and of a window."""
        window = max(SORTED_SAMPLES, self.batch_samples) if self.sorts else self.batch_samples
        return {"batch_samples": self.batch_samples, "window_samples": window}

    def first_pass(self, few: int = 3) -> Pass | None:
        """The first few samples; three are enough to tell their axis from others."""
        few = min(few, len(self.source), self.batch_samples)
        return next(windows.passes(self._prepare(0, few), few))

    def windows(self, plan: Mapping[str, Any], shard_rows: int) -> Iterator[Window]:
        """Windows that end where a shard of one row for each sample ends, or before."""
        for start, stop in window_edges(len(self.source), int(plan["window_samples"]), shard_rows):
            rows = slice(start, stop)
            labels = self.source.labels
            columns = {name: column[rows] for name, column in self.source.columns.items()}
            yield Window(
                start,
                self.source.ids[rows],
                None if labels is None else labels[rows],
                columns,
                partial(self._prepare, start, stop),
            )

    def _prepare(self, start: int, stop: int) -> PreparedSamples:
        prepare = partial(prepare_sample, self.model, self.source)
        samples = list(self.pool.map(prepare, range(start, stop)))
        return PreparedSamples(self.model, self.source.ids[start:stop], start, samples, self.sorts)


@dataclass(frozen=True)
class PreparedSamples:
    """The samples of one window; see `windows.Prepared`."""

    model: LoadedModel
    ids: npt.NDArray[Any]
    start: int
    samples: Sequence[Prepared]
    sorts: bool

    @cached_property
    def columns(self) -> Mapping[str, npt.NDArray[Any]]:
        """Which samples were cut, if the model takes sequences."""
        if not self.sorts:
            return {}
        return {TRUNCATED: np.asarray([sample.truncated for sample in self.samples], np.bool_)}

    def places(self, size: int) -> Iterator[npt.NDArray[np.int64]]:
        """Batches of at most `size`, the longest samples first."""
        order = np.arange(len(self.samples))
        if self.sorts:
            lengths = np.asarray([sample.length for sample in self.samples])
            order = np.argsort(-lengths, kind="stable")
        return (order[first : first + size] for first in range(0, len(order), size))

    def batch(self, places: npt.NDArray[np.int64]) -> Pass:
        """Put these samples into one batch."""
        inputs = self.model.collate([self.samples[place] for place in places.tolist()])
        seed = self.start + int(places[0])
        return Pass(places, self.ids[places], inputs.arguments, seed, inputs.marks_of)


def prepare_sample(model: LoadedModel, source: DataSource, row: int) -> Prepared:
    """Read and prepare one sample.

    Raises `SampleError`, naming it, whatever went wrong with it.
    """
    sample = source[row]
    try:
        return model.prepare(sample.content)
    except (MissingExtraError, MemoryError):
        raise
    except Exception as problem:
        said = str(problem) if isinstance(problem, SampleError) else repr(problem)
        raise SampleError(f"sample {sample.id!r} of {source.written}: {said}") from problem


def window_edges(samples: int, window: int, shard_rows: int) -> Iterator[tuple[int, int]]:
    """The first and last sample of each window; every full shard ends with a window.

    >>> list(window_edges(10, 4, 6))
    [(0, 4), (4, 6), (6, 10)]
    """
    start = 0
    while start < samples:
        shard_end = (start // shard_rows + 1) * shard_rows
        stop = min(start + window, shard_end, samples)
        yield start, stop
        start = stop


def default_workers() -> int:
    """How many threads read and prepare samples: those that the machine can spare."""
    spare = (os.cpu_count() or 1) - 1
    return max(1, min(_MOST_WORKERS, spare))


_: type[windows.Prepared] = PreparedSamples  # it is one
