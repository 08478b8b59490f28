"""`Trace`: which layers one forward pass of a model calls, in which order, giving what."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repscape.extract.layers import Call
from repscape.extract.layouts import Layout

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Recipe

TRACE_KIND = "trace"
TRACE_VERSION = 5


def dtype_name(tensor: torch.Tensor) -> str:
    """The dtype of a tensor without the name of the library: `float32`."""
    return str(tensor.dtype).removeprefix("torch.")


@dataclass(frozen=True)
class TracedOutput:
    """The output of one call: shape of one sample and dtype, or None where it is no tensor.

    `layout` says which of its axes holds the features.
    """

    call: Call
    sample_shape: tuple[int, ...] | None
    dtype: str | None
    layout: Layout = "last"

    @classmethod
    def of(cls, call: Call, tensor: torch.Tensor | None, layout: Layout) -> TracedOutput:
        """Describe a tensor, or the lack of one (a nested tensor has no shape)."""
        if tensor is None or tensor.is_nested or tensor.ndim == 0:
            return cls(call, None, None)
        axes = (
            tensor.shape[:1] + tensor.shape[2:] if layout == "sequence_first" else tensor.shape[1:]
        )
        return cls(call, tuple(axes), dtype_name(tensor), layout)


@dataclass(frozen=True)
class Trace:
    """All calls of one forward pass, in the order in which they ended.

    It is learned from one whole pass and kept in the store, so that a resumed extraction
    knows the layers' calls, names and shapes before it runs the model.
    """

    outputs: tuple[TracedOutput, ...]

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """The calls alone."""
        return tuple(output.call for output in self.outputs)

    def output(self, call: Call) -> TracedOutput:
        """What is known about the output of a call."""
        return self.outputs[self.calls.index(call)]

    def save(self, store: Store, recipe: Recipe) -> None:
        """Write the trace into a store."""
        arrays = {
            "layers": np.asarray([call.layer for call in self.calls], dtype=np.str_),
            "indices": np.asarray([call.index for call in self.calls], dtype=np.int64),
        }
        outputs = [[one.sample_shape, one.dtype, one.layout] for one in self.outputs]
        store.write_arrays(recipe, arrays, metadata={"outputs": outputs})

    @classmethod
    def load(cls, store: Store, recipe: Recipe) -> Trace:
        """Inverse of `save`."""
        arrays: dict[str, Any] = dict(store.read_arrays(recipe.key))
        outputs = store.manifest(recipe.key).metadata["outputs"]
        calls = map(Call, arrays["layers"].tolist(), arrays["indices"].tolist())
        return cls(
            tuple(
                TracedOutput(call, None if shape is None else tuple(shape), dtype, layout)
                for call, (shape, dtype, layout) in zip(calls, outputs, strict=True)
            )
        )
