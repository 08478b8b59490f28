"""Image models of transformers: image processor in, patches or maps of features out."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch

from repscape.data.images import as_pil
from repscape.errors import InvalidParameterError, SampleError, UnavailableModelError
from repscape.extract.marks import Marks
from repscape.extract.models.base import LoadedModel, ModelInputs, Prepared
from repscape.extract.models.hf_towers import Tower
from repscape.extract.models.structure import CallSeen, find_stacks, name_layers, watch
from repscape.extract.models.weights import digest_of_text


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageModel(LoadedModel):
    """An image model, or the image tower of another model.

    Attributes
    ----------
    processor : transformers.BaseImageProcessor
    patch : (int, int) or None
        The size of a patch in pixels, if the model cuts images into patches.
    counts_prefix : bool
        Whether class token and registers count when all positions are pooled.
    """

    processor: Any
    config: Any
    patch: tuple[int, int] | None
    counts_prefix: bool

    def prepare(self, content: Any) -> Prepared:
        """Resize, crop and scale as the model's own processor does; see `LoadedModel.prepare`."""
        _refuse_text(content)
        pixels = self.processor(images=as_pil(content), return_tensors="pt")["pixel_values"][0]
        return Prepared(pixels)

    def collate(self, prepared: Sequence[Prepared]) -> ModelInputs:
        """Stack images of one size; see `LoadedModel.collate`."""
        pixels = torch.stack([one.content for one in prepared])
        return ModelInputs(self._arguments(pixels), self._marks(pixels))

    def _arguments(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        dtype = next(self.module.parameters()).dtype
        return {"pixel_values": pixels.to(dtype)}

    def _marks(self, pixels: torch.Tensor) -> Marks:
        if self.patch is None:
            return Marks()
        places = (pixels.shape[-2] // self.patch[0]) * (pixels.shape[-1] // self.patch[1])
        return Marks(prefix=self._prefix, places=places, counts_prefix=self.counts_prefix)

    @cached_property
    def _probe(self) -> tuple[torch.Tensor, list[CallSeen]]:
        gray = as_pil(np.full((3, 64, 64), 0.5, np.float32))
        pixels = self.processor(images=gray, return_tensors="pt")["pixel_values"]
        arguments = {k: v.to(self.device) for k, v in self._arguments(pixels).items()}
        return pixels, watch(self.module, lambda: self.module(**arguments))

    @cached_property
    def _prefix(self) -> int:
        """The positions before the patches where the blocks begin."""
        if self.patch is None:
            return 0
        pixels, calls = self._probe
        path = self._stacks[""]
        given = next(call.given for call in calls if call.name.rpartition(".")[0] == path)
        assert given is not None
        places = (pixels.shape[-2] // self.patch[0]) * (pixels.shape[-1] // self.patch[1])
        return max(0, given.shape[1] - places) if given.ndim == 3 else 0

    @cached_property
    def _stacks(self) -> dict[str, str]:
        side = self.module.model.vision_model if isinstance(self.module, Tower) else self.module
        found = find_stacks(side, getattr(self.config, "num_hidden_layers", None))
        inside = "model.vision_model." if isinstance(self.module, Tower) else ""
        return {prefix: inside + path for prefix, path in found.items()}

    def _find_aliases(self) -> Mapping[str, str]:
        stages = hasattr(self.config, "depths")
        names = name_layers(self.module, self._probe[1], self._stacks, stages=stages)
        return {**names, "features": "features"} if isinstance(self.module, Tower) else names


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelSequenceModel(ImageModel):
    """ImageGPT: a language model over the colours of pixels, each the nearest of 512 clusters.

    The sequence begins with the start token, and the last pixel is left out, as when the model
    was trained. A sample may be an image or the clusters of its pixels, row by row.
    """

    start: int

    def prepare(self, content: Any) -> Prepared:
        """Quantize the colours of an image, or take the clusters that are given."""
        _refuse_text(content)
        array = None if hasattr(content, "convert") else np.asarray(content)
        if array is None or array.dtype.kind == "f":
            array = np.asarray(self.processor(images=as_pil(content))["input_ids"][0])
        clusters = array.reshape(-1).astype(np.int64)
        length = int(self.config.n_positions)
        if len(clusters) != length or clusters.min() < 0 or clusters.max() >= self.start:
            raise SampleError(
                f"it is no image of {length} clusters from 0 to {self.start - 1}, but "
                f"{len(clusters)} numbers from {clusters.min()} to {clusters.max()}"
            )
        return Prepared(torch.from_numpy(np.concatenate([[self.start], clusters[:-1]])))

    def _arguments(self, pixels: torch.Tensor) -> dict[str, Any]:
        return {"input_ids": pixels, "use_cache": False}

    def _marks(self, pixels: torch.Tensor) -> Marks:
        everything = torch.ones(pixels.shape, dtype=torch.bool)
        return Marks(everything, everything, pixels)

    @cached_property
    def _probe(self) -> tuple[torch.Tensor, list[CallSeen]]:
        pixels = torch.zeros(1, 2, dtype=torch.int64)
        arguments = {"input_ids": pixels.to(self.device), "use_cache": False}
        return pixels, watch(self.module, lambda: self.module(**arguments))


def image_model(
    transformers: Any, whole: Any, place: Any, special_tokens: str | None, facts: dict[str, Any]
) -> ImageModel:
    """Build the model of images around the loaded network."""
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(place.path, **place.arguments)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UnavailableModelError(
            f"model {facts['name']!r}: its image processor cannot be loaded ({problem}): save it "
            "beside the weights, processor.save_pretrained(folder)"
        ) from problem
    if special_tokens not in (None, "include", "exclude"):
        raise InvalidParameterError(
            f"special_tokens={special_tokens!r}: an image model's class token and registers are "
            "part of it: 'include' or 'exclude' them"
        )
    base, settings = facts.pop("base"), facts.pop("settings")
    config = whole.config.vision_config if isinstance(base, Tower) else whole.config
    shown = {
        "processor": f"{type(processor).__name__} {digest_of_text(processor.to_json_string())}",
        "special_tokens": special_tokens or "include",
        **{name: value for name, value in settings.items() if value is not None},
    }
    common = dict(
        **facts,
        modality="image",
        module=base,
        preprocessing="; ".join(f"{name}={value}" for name, value in shown.items()),
        processor=processor,
        config=config,
        patch=_patch(config),
        counts_prefix=special_tokens != "exclude",
    )
    if "pixel_values" in inspect.signature(base.forward).parameters or isinstance(base, Tower):
        return ImageModel(**common)
    return PixelSequenceModel(**common, start=int(config.vocab_size) - 1)


def _patch(config: Any) -> tuple[int, int] | None:
    size = getattr(config, "patch_size", None)
    if size is None or not hasattr(config, "num_hidden_layers") or hasattr(config, "depths"):
        return None
    return (size, size) if isinstance(size, int) else (int(size[0]), int(size[1]))


def _refuse_text(content: Any) -> None:
    if isinstance(content, str | bytes):
        raise SampleError("it is text, but this model takes images")
