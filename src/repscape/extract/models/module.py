"""Models of the user's own: any module with a function that prepares a sample for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from repscape.errors import SampleError
from repscape.extract.models.base import (
    LoadedModel,
    ModelInputs,
    Prepared,
    chosen_device,
    model_source,
)
from repscape.extract.models.functions import described_function
from repscape.extract.revision import digest_of_weights


@dataclass(frozen=True, kw_only=True, eq=False)
class ModuleModel(LoadedModel):
    """A module that takes one tensor: a batch of what `preprocess` makes of the samples."""

    preprocess: Callable[[Any], Any]

    def prepare(self, content: Any) -> Prepared:
        """Apply the user's function; see `LoadedModel.prepare`."""
        if isinstance(content, str) and self.modality != "text":
            raise SampleError(f"it is text, but this model takes {self.modality}s")
        made = self.preprocess(content)
        if not isinstance(made, torch.Tensor):
            made = torch.from_numpy(np.asarray(made))
        return Prepared(made)

    def collate(self, prepared: Sequence[Prepared]) -> ModelInputs:
        """Stack tensors of one shape; see `LoadedModel.collate`."""
        first = prepared[0].content
        for one in prepared:
            if one.content.shape != first.shape:
                raise SampleError(
                    f"samples have shapes {tuple(first.shape)} and {tuple(one.content.shape)}: "
                    "preprocess must bring all to one"
                )
        stacked = torch.stack([one.content for one in prepared])
        if stacked.is_floating_point():
            stacked = stacked.to(next((p.dtype for p in self.module.parameters()), stacked.dtype))
        return ModelInputs(stacked)


def as_is(content: Any) -> torch.Tensor:
    """Take a sample that is an array already; floats as float32."""
    array = np.asarray(content)
    return torch.from_numpy(array.astype(np.float32) if array.dtype.kind == "f" else array)


@model_source("module", "a torch.nn.Module with a function that prepares one sample")
def load(
    module: torch.nn.Module,
    written: str | None,
    *,
    preprocess: Callable[[Any], Any] | None = None,
    preprocessing: str | None = None,
    modality: str = "array",
    name: str | None = None,
    revision: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> LoadedModel:
    """Wrap a module.

    Parameters
    ----------
    module : torch.nn.Module
        Called with one tensor, the samples along its first axis. It is put into evaluation mode.
    written : None
        It has no name that a user wrote.
    preprocess : callable, optional
        From the content of one sample to a tensor; by default an array is taken as it is.
    preprocessing : str, optional
        What `preprocess` does, for the key. By default its name with a digest of its text and of
        the values that it holds; change this when something else that it uses changes.
    modality : str
        What a sample is: `image`, `text`, `protein` or `array`.
    name, revision : str, optional
        By default the name of the class, and a digest of the weights.
    device, dtype
        By default those of the module.
    """
    from repscape.extract.models.base import chosen_dtype
    from repscape.extract.state import device_of

    placed = device_of(module) or torch.device("cpu") if device is None else chosen_device(device)
    module = module.eval().to(placed)
    if dtype is not None:
        module = module.to(chosen_dtype(dtype))
    function = as_is if preprocess is None else preprocess
    return ModuleModel(
        name=name or type(module).__name__,
        revision=revision or digest_of_weights(module),
        modality=modality,
        module=module,
        preprocessing=preprocessing or described_function(function),
        device=placed,
        preprocess=function,
    )
