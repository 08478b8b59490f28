"""Batches as the caller yields them: checked, with their position in the data."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from repscape.errors import InvalidParameterError, InvalidRepresentationError
from repscape.sample_ids import SeenIds, as_ids

Batches: TypeAlias = Iterable[Sequence[Any]]
_FORM = "yield (ids, inputs) or (ids, inputs, labels), with one id for each sample"


@dataclass(frozen=True)
class Batch:
    """Some samples: those from number `start` on, in the order of the data."""

    start: int
    ids: npt.NDArray[Any]
    inputs: Any
    labels: npt.NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def stop(self) -> int:
        """The number of samples up to and with this batch."""
        return self.start + len(self)


def read_batches(batches: Batches) -> Iterator[Batch]:
    """Check and number the batches; those without a sample are left out.

    Raises
    ------
    InvalidParameterError
        If an item is not (ids, inputs) or (ids, inputs, labels); if only some have labels.
    InvalidRepresentationError
        If an id comes twice, or text and whole numbers are mixed.
    """
    seen = SeenIds()
    kind, labelled = "", False
    for item in batches:
        batch = _read(item, len(seen))
        if not len(batch):
            continue
        if not len(seen):
            kind, labelled = batch.ids.dtype.kind, batch.labels is not None
        if batch.ids.dtype.kind != kind:
            raise InvalidRepresentationError(
                f"the batch from sample {batch.start} on mixes text and whole numbers as ids "
                f"(it begins with {batch.ids[0].item()!r}): use one or the other"
            )
        if (batch.labels is not None) != labelled:
            raise InvalidParameterError(
                f"the batch that begins with sample {batch.ids[0].item()!r} has "
                f"{'no ' if labelled else ''}labels, unlike those before: give all or none"
            )
        if (repeat := seen.add(batch.ids)) is not None:
            raise InvalidRepresentationError(
                f"sample id {batch.ids[repeat[1] - batch.start].item()!r} comes twice, as samples "
                f"{repeat[0]} and {repeat[1]}: ids must differ"
            )
        yield batch


def count_samples(batches: Batches) -> int | None:
    """The number of samples where it is known before the batches are made, or None."""
    if isinstance(batches, list | tuple):
        return sum(len(item[0]) for item in batches)
    return None


def _read(item: Any, start: int) -> Batch:
    if not isinstance(item, tuple | list) or len(item) not in (2, 3):
        size = f" of {len(item)}" if isinstance(item, tuple | list) else ""
        raise InvalidParameterError(
            f"batches gave a {type(item).__name__}{size}: {_FORM}; texts, images or arrays, one "
            "sample each, become data by load_data(…)"
        )
    ids = _as_ids(item[0])
    labels = _as_array(item[2]) if len(item) == 3 and item[2] is not None else None
    if labels is not None and labels.shape != ids.shape:
        raise InvalidParameterError(
            f"the batch from sample {start} on has {len(ids)} ids, but labels of shape "
            f"{labels.shape}: give one label for each sample"
        )
    return Batch(start, ids, item[1], labels)


def _as_ids(given: Any) -> npt.NDArray[Any]:
    ids = _as_array(given)
    if ids.ndim != 1 or (ids.size and ids.dtype.kind == "f"):
        raise InvalidParameterError(
            f"batches gave ids of shape {ids.shape} and type {ids.dtype}: {_FORM}"
        )
    return as_ids(ids)


def _as_array(given: Any) -> npt.NDArray[Any]:
    if isinstance(given, torch.Tensor):
        return np.asarray(given.detach().cpu())
    return np.asarray(given if isinstance(given, np.ndarray | str) else list(given))
