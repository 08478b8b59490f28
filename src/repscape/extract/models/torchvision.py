"""Image models of torchvision."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import torch

from repscape.errors import (
    InvalidParameterError,
    UnknownNameError,
    did_you_mean,
)
from repscape.extract.models.base import (
    LoadedModel,
    chosen_device,
    chosen_dtype,
    digest_of_content,
    drawing,
    model_source,
)
from repscape.extract.models.downloads import hub_errors
from repscape.extract.models.images import (
    ImageModel,
    classifier_aliases,
    counts_prefix,
    described,
    square,
)
from repscape.extract.models.weights import FILES, digest_of_file, load_into
from repscape.extras import import_extra


def _revise(name: str, written: str, options: Mapping[str, Any]) -> str | None:
    """The digest of the file of weights, if it is on this machine."""
    weights = options.get("weights", "DEFAULT")
    _, chosen = _weights(name, weights, written)
    if weights.endswith(FILES):
        return digest_of_file(weights, "torchvision", name)
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlparse(chosen.url).path).name
    if not options.get("pretrained", True) or not file.is_file():
        return None
    return digest_of_file(file, "torchvision", name)


@model_source("torchvision", "torchvision: torchvision:resnet50", _revise)
def load(
    name: str,
    written: str,
    *,
    weights: str = "DEFAULT",
    pretrained: bool = True,
    seed: int = 0,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device | None = None,
    special_tokens: str | None = None,
) -> LoadedModel:
    """Load a model of torchvision with the transform of its weights.

    Parameters
    ----------
    name, written : str
        The name in torchvision, and what the user wrote.
    weights : str
        Which of the published weights (`DEFAULT`, `IMAGENET1K_V1`, …), or a file of weights,
        `.safetensors` or `.pt`; then the transform is that of the default weights.
    pretrained : bool
        False: weights drawn from `seed`, an untrained control.
    seed : int
        For `pretrained=False`.
    dtype, device
        See `load_model`.
    special_tokens : {"include", "exclude"}
        Whether a class token counts when all positions are pooled.
    """
    models, chosen = _weights(name, weights, written)
    is_file = weights.endswith(FILES)
    placed = chosen_device(device)
    remote = pretrained and not is_file
    with hub_errors(written, remote), drawing(seed, placed):
        module = models.get_model(name, weights=chosen if remote else None)
    if is_file:
        load_into(module, weights)
    module = module.eval().to(device=placed, dtype=chosen_dtype(dtype))
    transform = chosen.transforms()
    count = str(sum(p.numel() for p in module.parameters()))
    asked = {"weights": weights, "pretrained": pretrained}
    return ImageModel(
        name=written,
        revision=_revise(name, written, asked) or digest_of_content(module, placed),
        modality="image",
        module=module,
        preprocessing=described(transform, special_tokens),
        device=placed,
        tags={"architecture": name, "parameters": count},
        transform=transform,
        patch=square(module.patch_size) if hasattr(module, "class_token") else None,
        counts_prefix=counts_prefix(special_tokens),
        more_aliases=classifier_aliases(module, _classifier(module)),
    )


def _weights(name: str, weights: str, written: str) -> tuple[Any, Any]:
    """torchvision's models, and the published weights chosen; of a file the default ones."""
    models = import_extra("torchvision", "vision", f"the model {written!r}").models
    if name not in models.list_models():
        raise UnknownNameError(f"model {written!r}: {did_you_mean(name, models.list_models())}")
    published = models.get_model_weights(name)
    chosen = "DEFAULT" if weights.endswith(FILES) else weights
    if chosen not in published.__members__:
        hint = did_you_mean(weights, published.__members__)
        raise InvalidParameterError(f"weights={weights!r} for {written!r}: {hint}")
    return models, published[chosen]


def _classifier(module: torch.nn.Module) -> str | None:
    """The last linear layer, by torchvision's own order of definition."""
    linear = [n for n, part in module.named_modules() if isinstance(part, torch.nn.Linear)]
    return linear[-1] if linear else None
