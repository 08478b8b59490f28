"""`ArrayData`: a data set small enough to stand in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    import torch

    Batch: TypeAlias = "tuple[npt.NDArray[Any], torch.Tensor, npt.NDArray[Any]]"


@dataclass(frozen=True, eq=False)
class ArrayData:
    """Samples in memory with stable ids, their labels, and a content revision.

    Attributes
    ----------
    name : str
        Name of the data set.
    split : str
        Which part of it this is.
    ids : (n,) array of str
        One distinct id for each sample; it stays with the sample in every subset.
    inputs : (n, …) float32 array
        What a model is given.
    labels : (n,) int64 array
        The class of each sample.
    preprocessing : str
        What was done to the inputs, in words.
    """

    name: str
    split: str
    ids: npt.NDArray[np.str_]
    inputs: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    preprocessing: str

    def __len__(self) -> int:
        return len(self.ids)

    @cached_property
    def revision(self) -> str:
        """A digest of the bytes: of the ids, the inputs and the labels, in their order."""
        digest = hashlib.sha256("\x1f".join(self.ids.tolist()).encode())
        for array in (self.inputs, self.labels):
            digest.update(f"\x1e{array.dtype.str}{array.shape}\x1e".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()[:40]

    def rows(self, rows: npt.NDArray[np.int64], split: str) -> ArrayData:
        """Return the samples in these rows, in this order, as the part called `split`."""
        return replace(
            self,
            split=split,
            ids=self.ids[rows],
            inputs=self.inputs[rows],
            labels=self.labels[rows],
        )

    def batches(self, size: int = 256) -> Iterator[Batch]:
        """Yield `(ids, inputs, labels)` for each `size` samples in order; the last may be smaller.

        Raises `InvalidParameterError` if `size` is below one.
        """
        if size < 1:
            raise InvalidParameterError(f"batches of size={size}: give at least 1")
        return self._batches(size)

    def _batches(self, size: int) -> Iterator[Batch]:
        import torch

        for start in range(0, len(self), size):
            part = slice(start, start + size)
            yield self.ids[part], torch.from_numpy(self.inputs[part]), self.labels[part]
