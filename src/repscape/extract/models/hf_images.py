"""Image models of transformers: their image processor, and ImageGPT's sequences of pixels."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from repscape.data.images import as_pil
from repscape.errors import InvalidParameterError, SampleError, UnavailableModelError
from repscape.extract.marks import Marks
from repscape.extract.models.base import Prepared
from repscape.extract.models.hf_towers import Tower
from repscape.extract.models.images import ImageModel, counts_prefix, refuse_text, square
from repscape.extract.models.weights import digest_of_text


@dataclass(frozen=True, kw_only=True, eq=False)
class PixelSequenceModel(ImageModel):
    """ImageGPT: a language model over the colours of pixels, each the nearest of 512 clusters.

    The sequence begins with the start token, and the last pixel is left out, as when the model
    was trained. A sample may be an image or the clusters of its pixels, row by row.
    """

    start: int
    pixels: int

    def prepare(self, content: Any) -> Prepared:
        """Quantize the colours of an image, or take the clusters that are given."""
        refuse_text(content)
        array = None if hasattr(content, "convert") else np.asarray(content)
        if array is None or array.dtype.kind == "f" or array.ndim == 3:
            array = np.asarray(self.transform(as_pil(content)))
        clusters = array.reshape(-1).astype(np.int64)
        if len(clusters) != self.pixels or clusters.min() < 0 or clusters.max() >= self.start:
            raise SampleError(
                f"it is no image of {self.pixels} clusters from 0 to {self.start - 1}, but "
                f"{len(clusters)} numbers from {min(clusters, default=0)} to "
                f"{max(clusters, default=0)}"
            )
        return Prepared(torch.from_numpy(np.concatenate([[self.start], clusters[:-1]])))

    def _arguments(self, pixels: torch.Tensor) -> dict[str, Any]:
        return {"input_ids": pixels, "use_cache": False}

    def _marks(self, pixels: torch.Tensor) -> Marks:
        everything = torch.ones(pixels.shape, dtype=torch.bool)
        return Marks(everything, everything, pixels)

    def _gray(self) -> torch.Tensor:
        return torch.zeros(1, 2, dtype=torch.int64)


def image_model(
    transformers: Any, whole: Any, place: Any, special_tokens: str | None, facts: dict[str, Any]
) -> ImageModel:
    """Build the model of images around the loaded network."""
    processor = _processor(transformers, place, facts["name"])
    base, settings = facts.pop("base"), facts.pop("settings")
    is_tower = isinstance(base, Tower)
    config = whole.config.vision_config if is_tower else whole.config
    shown = {
        "processor": f"{type(processor).__name__} {digest_of_text(processor.to_json_string())}",
        "special_tokens": special_tokens or "include",
        **{name: value for name, value in settings.items() if value is not None},
    }
    common: dict[str, Any] = dict(
        **facts,
        modality="image",
        module=base,
        preprocessing="; ".join(f"{name}={value}" for name, value in shown.items()),
        counts_prefix=counts_prefix(special_tokens),
        depth=getattr(config, "num_hidden_layers", None),
    )
    if "noise" in inspect.signature(base.forward).parameters:
        raise InvalidParameterError(
            f"{facts['name']!r} hides patches at random, as when it was trained, so that it gives "
            "other features each time: load it from timm, e.g. timm:vit_base_patch16_224.mae"
        )
    if is_tower or whole.main_input_name == "pixel_values":
        return ImageModel(
            **common,
            transform=lambda image: processor(images=image, return_tensors="pt")["pixel_values"][0],
            patch=_patch(config),
            inside="model.vision_model" if is_tower else "",
            argument="pixel_values",
            more_aliases={"features": "features"} if is_tower else {},
        )
    return PixelSequenceModel(
        **common,
        transform=lambda image: processor(images=image)["input_ids"][0],
        start=int(config.vocab_size) - 1,
        pixels=int(config.n_positions),
    )


def _processor(transformers: Any, place: Any, name: str) -> Any:
    try:
        return transformers.AutoImageProcessor.from_pretrained(place.path, **place.arguments)
    except (OSError, ValueError, KeyError, TypeError) as problem:
        raise UnavailableModelError(
            f"model {name!r}: its image processor cannot be loaded ({problem}): save it beside "
            "the weights, processor.save_pretrained(folder)"
        ) from problem


def _patch(config: Any) -> tuple[int, int] | None:
    size = getattr(config, "patch_size", None)
    in_a_row = hasattr(config, "num_hidden_layers") and not hasattr(config, "depths")
    return square(size) if size is not None and in_a_row else None
