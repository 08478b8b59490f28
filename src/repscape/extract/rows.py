"""From the outputs of one forward pass to checked rows on the CPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from repscape.errors import InvalidRepresentationError, NonFiniteError
from repscape.extract.batches import Batch
from repscape.extract.layers import Call
from repscape.extract.pooling import Pooling, can_pool
from repscape.extract.trace import TracedOutput, dtype_name


@dataclass(frozen=True)
class RowSpec:
    """The rows that each sample gives: the same for every batch.

    Attributes
    ----------
    per_sample, width : int
        Rows per sample, and features per row.
    dtype : numpy dtype
        float64 for outputs in float64, otherwise float32 (half precision is upcast).
    numbered : bool
        Whether the rows are positions `id/0`, `id/1`, … of a sample.
    """

    per_sample: int
    width: int
    dtype: np.dtype[Any]
    numbered: bool

    @classmethod
    def of(cls, output: TracedOutput, pooling: Pooling) -> RowSpec:
        """The rows that a pooling makes of outputs like this one."""
        shape = output.sample_shape
        if shape is None or not can_pool(shape):
            raise InvalidRepresentationError(
                f"layer {output.call.layer!r} gives {_said(shape)} for each sample: choose a "
                "layer that gives (samples, features), (samples, tokens, features) or "
                "(samples, channels, height, width)"
            )
        numbered = pooling.keeps_positions and len(shape) > 1
        return cls(*pooling.shape(shape), _stored_dtype(output.dtype), numbered)

    def row_ids(self, ids: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The ids of the rows of these samples."""
        if not self.numbered:
            return ids
        places = range(self.per_sample)
        return np.asarray([f"{i}/{place}" for i in ids.tolist() for place in places], np.str_)

    def row_labels(self, labels: npt.NDArray[Any] | None) -> npt.NDArray[Any] | None:
        """The labels of the rows of samples with these labels."""
        return None if labels is None else np.repeat(labels, self.per_sample)


class RowCollector:
    """Pools the outputs of one forward pass as they come.

    An output is pooled and copied within the hook, before a later layer can overwrite it in
    place (`ReLU(inplace=True)`), and so that no more than rows are held.
    """

    def __init__(self, batch: Batch, pooling: Pooling) -> None:
        self.rows: dict[Call, npt.NDArray[Any]] = {}
        self._batch = batch
        self._pooling = pooling

    def receive(self, call: Call, output: torch.Tensor) -> None:
        """Check the output of one call and keep its rows."""
        self._check(call, output)
        if output.device.type == "mps":
            output = output.cpu()  # that device has no float64, in which means are taken
        rows = self._pooling.reduce(output)
        own = np.empty(rows.shape, _stored_dtype(dtype_name(output)))
        torch.from_numpy(own).copy_(rows)
        self.rows[call] = own

    def _check(self, call: Call, output: torch.Tensor) -> None:
        if output.is_nested or output.layout != torch.strided:
            raise self._refused(call, "a nested or sparse tensor", "give batches without a mask")
        if not output.dtype.is_floating_point:
            raise self._refused(call, f"{output.dtype} numbers", "choose a layer of real features")
        shape = tuple(output.shape)
        if not can_pool(shape[1:]):
            wanted = "(samples, features), (samples, tokens, features) or (samples, channels, …)"
            raise self._refused(call, f"an output of shape {shape}", f"choose one that is {wanted}")
        if shape[0] != len(self._batch):
            raise self._refused(
                call,
                f"an output of shape {shape} for a batch of {len(self._batch)} samples",
                "its first axis must be the samples (batch_first=True)",
            )

    def _refused(self, call: Call, gave: str, mend: str) -> InvalidRepresentationError:
        return InvalidRepresentationError(f"layer {call.layer!r} gives {gave}: {mend}")


def _stored_dtype(dtype: str | None) -> np.dtype[Any]:
    return np.dtype(np.float64 if dtype == "float64" else np.float32)


def _said(shape: tuple[int, ...] | None) -> str:
    return "no tensor" if shape is None else f"a tensor of shape {shape}"


def check_rows(
    name: str, rows: npt.NDArray[Any], spec: RowSpec, batch: Batch, allow_non_finite: bool
) -> None:
    """Check the rows of one layer for one batch.

    Raises
    ------
    InvalidRepresentationError
        If they are not of the kind of the first batch.
    NonFiniteError
        If a value is NaN or infinite and that is not allowed.
    """
    count, width = rows.shape
    if (count, width) != (spec.per_sample * len(batch), spec.width) or rows.dtype != spec.dtype:
        raise InvalidRepresentationError(
            f"layer {name!r} changes its shape: {count // len(batch)} × {width} values "
            f"({rows.dtype}) for each sample of the batch that begins with "
            f"{batch.ids[0].item()!r}, but {spec.per_sample} × {spec.width} ({spec.dtype}) in "
            "the first batch: give inputs of one size, or pool with 'mean'"
        )
    if not allow_non_finite and not np.isfinite(rows).all():
        row, column = np.argwhere(~np.isfinite(rows))[0].tolist()
        raise NonFiniteError(
            f"layer {name!r} gives {rows[row, column]} for sample "
            f"{batch.ids[row // spec.per_sample].item()!r} (feature {column}): mend the model or "
            "the sample, or keep such values with allow_non_finite=True"
        )
