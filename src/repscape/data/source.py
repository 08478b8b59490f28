"""`DataSource`: samples with stable ids, read one by one when they are needed."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from repscape.data.subsets import draw_rows
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    MissingExtraError,
    SampleError,
    did_you_mean,
)
from repscape.sample_ids import as_ids, digest_ids, first_repeat

_MISSING = ("", None)


class Reader(Protocol):
    """Reads the content of one sample; safe to call from several threads.

    A list is one. A reader raises `SampleError` (or whatever its library raises) for a sample
    that cannot be read.
    """

    def __len__(self) -> int:
        """The number of samples."""

    def __getitem__(self, row: int, /) -> Any:
        """The content of the sample in this row."""


@dataclass(frozen=True)
class Sample:
    """One sample: its id, what a model is given, its label and its metadata."""

    id: str | int
    content: Any
    label: Any | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class DataSource:
    """Samples in a fixed order, with ids that stay with them on every machine.

    Ids, labels and metadata stand in memory; contents are read one by one.

    Attributes
    ----------
    name : str
        A short name for tables and figures, e.g. `folder:photos`.
    ids : (n,) array of str or int64
        One distinct id for each sample.
    readers : mapping of modality to Reader
        What each sample is: `"image"` (a PIL image or a float array (C, H, W) in [0, 1]),
        `"text"`, `"protein"` (str), `"array"`. An image with its caption has two modalities.
    find_revision : callable
        Returns the content revision: a commit, or a digest of the files and of the options
        that decide what is read from them. It may take long, so it is called when needed.
    split : str
        Which part of the data set this is.
    labels : (n,) array, optional
        The class of each sample.
    columns : mapping of name to (n,) array
        Metadata; it travels along into representations.
    modality : str, optional
        The modality that is read; by default the first of `readers`.
    rows : (n,) int64 array, optional
        Where the readers have these samples, if this is a subset.
    written : str, optional
        What the user wrote, for messages, e.g. `folder:new/photos`; by default the name.

    Raises
    ------
    InvalidRepresentationError
        If an id comes twice (both rows are named), or labels or columns have another length.
    """

    name: str
    ids: npt.NDArray[Any]
    readers: Mapping[str, Reader]
    find_revision: Callable[[], str]
    split: str = "all"
    labels: npt.NDArray[Any] | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    modality: str = ""
    rows: npt.NDArray[np.int64] | None = None
    written: str = ""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "written", self.written or self.name)
        put(self, "ids", _checked_ids(self.ids, self.written))
        put(self, "modality", self.modality or next(iter(self.readers)))
        if self.labels is not None:
            put(self, "labels", as_column(self.labels))
        columns = {name: as_column(column) for name, column in self.columns.items()}
        put(self, "columns", MappingProxyType(columns))
        beside = {"labels": self.labels, **columns}
        for what, values in beside.items():
            if values is not None and len(values) != len(self.ids):
                raise InvalidRepresentationError(
                    f"{self.written}: {len(values)} {what} for {len(self.ids)} samples: give one "
                    "each"
                )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> Sample:
        """Read one sample; raises `SampleError`, naming it, if that fails."""
        place = row if self.rows is None else int(self.rows[row])
        identity = self.ids[row].item()
        try:
            content = self.readers[self.modality][place]
        except (MissingExtraError, MemoryError):
            raise
        except SampleError as problem:
            raise SampleError(f"sample {identity!r} of {self.written}: {problem}") from problem
        except Exception as problem:
            raise SampleError(
                f"sample {identity!r} of {self.written} cannot be read "
                f"({type(problem).__name__}: {problem})"
            ) from problem
        label = None if self.labels is None else self.labels[row].item()
        columns = {name: column[row].item() for name, column in self.columns.items()}
        return Sample(identity, content, label, columns)

    def __iter__(self) -> Iterator[Sample]:
        return (self[row] for row in range(len(self)))

    @cached_property
    def revision(self) -> str:
        """The content revision; another modality than the first is named after a `+`."""
        first = next(iter(self.readers))
        suffix = "" if self.modality == first else f"+{self.modality}"
        return self.find_revision() + suffix

    def view(self, modality: str) -> DataSource:
        """Return the same samples, with the same ids, in another modality.

        Raises `InvalidParameterError`, saying which there are, if there is no such modality.
        """
        if modality not in self.readers:
            there = " and ".join(f"{name!r}" for name in self.readers)
            mend = "choose a model that takes those, or other data"
            if modality == "image" and list(self.readers) == ["array"]:
                mend = "if they are images, say modality='image' (--data-option modality=image)"
            raise InvalidParameterError(
                f"{self.written} has no samples of modality {modality!r}, only {there}: {mend}"
            )
        return replace(self, modality=modality)

    def subset(
        self,
        *,
        first: int | None = None,
        random: int | None = None,
        per_class: int | None = None,
        ids: Sequence[Any] | None = None,
        rows: Sequence[int] | npt.NDArray[Any] | None = None,
        seed: int = 0,
    ) -> DataSource:
        """Return some of the samples; `split` says which.

        Draws come from a hash of (data set, split, seed, sample id): they are the same on
        every machine, and nested (the 1,000 are within the 10,000).

        Parameters
        ----------
        first : int
            The first n samples.
        random : int
            n samples, drawn without replacement, in the order of the data.
        per_class : int
            n samples of each class, drawn without replacement, in the order of the data.
        ids : sequence
            These samples, in this order.
        rows : sequence of int
            The samples in these rows, in this order.
        seed : int
            Of `random` and `per_class`.

        Raises
        ------
        InvalidParameterError
            If not exactly one of them is given, there are fewer samples, or no labels.
        SampleMismatchError
            If there is no sample of such an id.
        """
        chosen, said = draw_rows(
            self, {"first": first, "random": random, "per_class": per_class}, ids, rows, seed
        )
        return self._rows(chosen, said)

    def without(self, ids: Collection[str]) -> DataSource:
        """Return the samples but those with these ids (as text); `split` says which are missing.

        Raises `InvalidParameterError` if none is left.
        """
        kept = [row for row, identity in enumerate(self.ids.tolist()) if str(identity) not in ids]
        if not kept:
            raise InvalidParameterError(f"{self.written}: no sample is left")
        missing = digest_ids(np.asarray(sorted(ids)))
        return self._rows(np.asarray(kept, dtype=np.int64), f"without={missing}")

    def _rows(self, chosen: npt.NDArray[np.int64], said: str) -> DataSource:
        return replace(
            self,
            ids=self.ids[chosen],
            labels=None if self.labels is None else self.labels[chosen],
            columns={name: column[chosen] for name, column in self.columns.items()},
            rows=chosen if self.rows is None else self.rows[chosen],
            split=f"{self.split}[{said}]",
        )

    def __repr__(self) -> str:
        return (
            f"DataSource({self.name!r}, n={len(self)}, modality={self.modality!r}, "
            f"split={self.split!r})"
        )


def _checked_ids(given: Any, name: str) -> npt.NDArray[Any]:
    """Return ids as an array of str or int64; refuse those that come twice, quoting them."""
    ids = as_ids(given)
    if not len(ids):
        raise InvalidRepresentationError(f"{name} has no samples")
    if (rows := first_repeat(ids)) is not None:
        more = len(ids) - len(np.unique(ids)) - 1
        raise InvalidRepresentationError(
            f"{name}: sample id {ids[rows[0]].item()!r} comes twice, in rows {rows[0]} and "
            f"{rows[1]}{f' (and {more} more repeats)' if more else ''}: ids must differ"
        )
    return ids


def as_column(given: Any) -> npt.NDArray[Any]:
    """Return labels or metadata as an array of numbers, booleans or text."""
    column = np.asarray(given)
    if column.dtype.kind in "iu":
        return column.astype(np.int64, copy=False)
    if column.dtype.kind in "fbU":
        return column
    texts = ["" if value in _MISSING else str(value) for value in column.tolist()]
    return np.asarray(texts, dtype=np.str_)


def choose_split(name: str, split: str | None, known: Sequence[str]) -> str:
    """Return the split, or the only one there is; raise, listing them, if there is none such."""
    if split is None and len(known) == 1:
        return known[0]
    if split is None:
        raise InvalidParameterError(
            f"{name} has the splits {', '.join(map(repr, known))}: choose one with split="
        )
    if split not in known:
        raise InvalidParameterError(f"{name} has no split {split!r}: {did_you_mean(split, known)}")
    return split
