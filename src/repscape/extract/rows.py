"""From the outputs of one forward pass to checked rows on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from repscape.errors import InvalidRepresentationError, NonFiniteError
from repscape.extract.layers import Call
from repscape.extract.layouts import Layout
from repscape.extract.marks import NOTHING_KNOWN, Marks
from repscape.extract.places import Places
from repscape.extract.pooling import Pooling, can_pool
from repscape.extract.trace import TracedOutput, dtype_name


@dataclass(frozen=True)
class Rows:
    """What one pooling makes of one layer for one batch.

    Attributes
    ----------
    values : array (r, d)
    counts : array of int64 (n,)
        How many rows each sample has.
    columns : mapping of str to array (r,)
        What is known of each row: `token_id`, where tokens are rows.
    """

    values: npt.NDArray[Any]
    counts: npt.NDArray[np.int64]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class RowSpec:
    """The rows that each sample gives: the same for every batch.

    Attributes
    ----------
    per_sample : int or None
        Rows per sample; None where a sample has as many as tokens that count.
    width : int
        Features per row.
    dtype : numpy dtype
        float64 for outputs in float64, otherwise float32 (half precision is upcast).
    numbered : bool
        Whether the rows are positions `id/0`, `id/1`, … of a sample.
    """

    per_sample: int | None
    width: int
    dtype: np.dtype[Any]
    numbered: bool

    @classmethod
    def of(cls, output: TracedOutput, pooling: Pooling, marks: Marks = NOTHING_KNOWN) -> RowSpec:
        """The rows that a pooling makes of outputs like this one."""
        shape = output.sample_shape
        if shape is None or not can_pool(shape):
            raise InvalidRepresentationError(
                f"layer {output.call.layer!r} gives {_said(shape)} for each sample: choose a "
                "layer that gives (samples, features), (samples, tokens, features) or "
                "(samples, channels, height, width)"
            )
        numbered = pooling.keeps_positions and len(shape) > 1
        per_sample: int | None = 1
        if numbered:
            per_sample = None if marks.mask is not None else _positions(output, shape, marks)
        width = pooling.width(shape, output.layout)
        return cls(per_sample, width, _stored_dtype(output.dtype), numbered)

    def counts(self, samples: int, marks: Marks = NOTHING_KNOWN) -> npt.NDArray[np.int64]:
        """How many rows each sample of a batch has, known before the forward pass."""
        if self.per_sample is not None:
            return np.full(samples, self.per_sample, np.int64)
        assert marks.mask is not None
        return np.asarray(marks.mask.sum(1).cpu(), dtype=np.int64)

    def row_ids(
        self, ids: npt.NDArray[Any], counts: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[Any]:
        """The ids of the rows of these samples."""
        if not self.numbered:
            return ids
        counts = self.counts(len(ids)) if counts is None else counts
        each = zip(ids.tolist(), counts.tolist(), strict=True)
        return np.asarray([f"{i}/{place}" for i, count in each for place in range(count)], np.str_)

    def row_labels(
        self, labels: npt.NDArray[Any] | None, counts: npt.NDArray[np.int64] | None = None
    ) -> npt.NDArray[Any] | None:
        """The labels of the rows of samples with these labels."""
        if labels is None or not self.numbered:
            return labels
        return np.repeat(labels, self.counts(len(labels)) if counts is None else counts)


MarksOf: TypeAlias = Callable[[str], Marks]


def no_marks(layer: str) -> Marks:
    """Nothing is known about the positions of any layer."""
    return NOTHING_KNOWN


class RowCollector:
    """Pools the outputs of one forward pass as they come.

    An output is pooled and copied within the hook, before a later layer can overwrite it in
    place (`ReLU(inplace=True)`), and so that no more than rows are held.
    """

    def __init__(
        self, samples: int, poolings: Sequence[Pooling], marks_of: MarksOf = no_marks
    ) -> None:
        self.rows: dict[tuple[Call, str], Rows] = {}
        self._samples = samples
        self._poolings = poolings
        self._marks_of = marks_of

    def receive(self, call: Call, output: torch.Tensor, layout: Layout) -> None:
        """Check the output of one call and keep its rows."""
        self._check(call, output, layout)
        if output.device.type == "mps":
            output = output.cpu()  # that device has no float64, in which means are taken
        marks = self._marks_of(call.layer).to(output.device)
        try:
            for pooling in self._poolings:
                places = self._places(pooling, output, layout, marks)
                self.rows[call, pooling.name] = self._pooled(pooling, places)
        except InvalidRepresentationError as problem:
            raise InvalidRepresentationError(f"layer {call.layer!r} gives {problem}") from problem

    def _places(
        self, pooling: Pooling, output: torch.Tensor, layout: Layout, marks: Marks
    ) -> Places:
        if layout == "unclear" and pooling.name == "flatten":
            layout = "last"
        return Places.of(output, layout, marks)

    def _pooled(self, pooling: Pooling, places: Places) -> Rows:
        rows = pooling.pool(places)
        own = np.empty(rows.shape, _stored_dtype(dtype_name(places.whole)))
        torch.from_numpy(own).copy_(rows)
        if not pooling.keeps_positions or places.is_vector:
            return Rows(own, np.ones(self._samples, np.int64))
        if places.counted is None:
            return Rows(own, np.full(self._samples, places.values.shape[1], np.int64))
        counts = np.asarray(places.counted.sum(1).cpu(), dtype=np.int64)
        if places.token_ids is None:
            return Rows(own, counts)
        return Rows(own, counts, {"token_id": places.token_ids[places.counted].cpu().numpy()})

    def _check(self, call: Call, output: torch.Tensor, layout: Layout) -> None:
        if output.is_nested or output.layout != torch.strided:
            raise self._refused(call, "a nested or sparse tensor", "give batches without a mask")
        if not output.dtype.is_floating_point:
            raise self._refused(call, f"{output.dtype} numbers", "choose a layer of real features")
        shape = tuple(output.shape)
        if not can_pool(shape[1:]):
            wanted = "(samples, features), (samples, tokens, features) or (samples, channels, …)"
            raise self._refused(call, f"an output of shape {shape}", f"choose one that is {wanted}")
        if shape[1 if layout == "sequence_first" else 0] != self._samples:
            raise self._refused(
                call,
                f"an output of shape {shape} for a batch of {self._samples} samples",
                "its first axis must be the samples: leave this layer out, of a glob with '!name'",
            )

    def _refused(self, call: Call, gave: str, mend: str) -> InvalidRepresentationError:
        return InvalidRepresentationError(f"layer {call.layer!r} gives {gave}: {mend}")


def _positions(output: TracedOutput, shape: tuple[int, ...], marks: Marks) -> int:
    probe = torch.zeros(()).expand(1, *shape)
    places = Places.of(probe, "last" if output.layout == "sequence_first" else output.layout, marks)
    return places.values.shape[1] if places.counted is None else int(places.counted.sum())


def _stored_dtype(dtype: str | None) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype == "float64" else np.float32)


def _said(shape: tuple[int, ...] | None) -> str:
    return "no tensor" if shape is None else f"a tensor of shape {shape}"


def check_rows(
    name: str,
    rows: Rows,
    spec: RowSpec,
    ids: npt.NDArray[Any],
    counts: npt.NDArray[np.int64],
    allow_non_finite: bool,
) -> None:
    """Check the rows of one layer for a batch of samples `ids`, `counts` of them expected each.

    Raises
    ------
    InvalidRepresentationError
        If they are not of the kind of the first batch.
    NonFiniteError
        If a value is NaN or infinite and that is not allowed.
    """
    values = rows.values
    same = values.shape[1] == spec.width and values.dtype == spec.dtype
    if not same or not np.array_equal(rows.counts, counts):
        raise InvalidRepresentationError(
            f"layer {name!r} changes its shape: {rows.counts[0]} × {values.shape[1]} values "
            f"({values.dtype}) for each sample of the batch that begins with "
            f"{ids[0].item()!r}, but {counts[0]} × {spec.width} ({spec.dtype}) in "
            "the first batch: give inputs of one size, or pool with 'mean'"
        )
    if not allow_non_finite and not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0].tolist()
        sample = int(np.searchsorted(counts.cumsum(), row, side="right"))
        raise NonFiniteError(
            f"layer {name!r} gives {values[row, column]} for sample "
            f"{ids[sample].item()!r} (feature {column}): mend the model or the sample, leave it "
            "out with on_error='skip', or keep such values with allow_non_finite=True"
        )
