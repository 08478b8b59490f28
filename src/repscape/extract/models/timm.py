"""Image models of timm."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch

from repscape.errors import UnknownNameError, did_you_mean
from repscape.extract.models.base import (
    LoadedModel,
    chosen_device,
    chosen_dtype,
    digest_of_content,
    drawing,
    model_source,
)
from repscape.extract.models.downloads import commit_on_hub, hub_errors
from repscape.extract.models.images import (
    ImageModel,
    classifier_aliases,
    counts_prefix,
    described,
    square,
)
from repscape.extract.models.weights import digest_of_file, load_into
from repscape.extras import import_extra

_FILES = ("model.safetensors", "pytorch_model.bin", "config.json")
_ON_HUB = ("hf-hub:", "hf_hub:")


def _revise(name: str, written: str, options: Mapping[str, Any]) -> str | None:
    """The digest of the user's file of weights, or the commit of the published ones.

    Beside it stands the architecture, since two may share a repository.
    """
    library = _library(name, written)
    arguments = options.get("arguments") or {}
    printed = json.dumps(arguments, sort_keys=True, default=repr) if arguments else ""
    weights = options.get("weights")
    if weights is not None:
        return digest_of_file(weights, "timm", name, printed)
    if not options.get("pretrained", True):
        return None
    architecture, repository, files = _published(library, name)
    if repository is None:
        return None
    repository, _, at = repository.partition("@")
    with hub_errors(written):
        commit = commit_on_hub(repository, files, at or None)
    return None if commit is None else " ".join(filter(None, [commit, architecture, printed]))


def _published(library: Any, name: str) -> tuple[str, str | None, tuple[str, ...]]:
    """The full name of an architecture, and the repository and files of its weights."""
    if name.startswith(_ON_HUB):
        return "", name.partition(":")[2], _FILES
    config = library.models.get_pretrained_cfg(name)
    if config is None:
        return name, None, ()
    full = ".".join(filter(None, [config.architecture, config.tag]))
    files = (config.hf_hub_filename,) if config.hf_hub_filename else _FILES
    return full, config.hf_hub_id, files


@model_source("timm", "PyTorch Image Models: timm:vit_small_patch14_dinov2.lvd142m", _revise)
def load(
    name: str,
    written: str,
    *,
    weights: str | None = None,
    pretrained: bool = True,
    seed: int = 0,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device | None = None,
    special_tokens: str | None = None,
    arguments: dict[str, Any] | None = None,
) -> LoadedModel:
    """Load a model of timm with its own transform of images.

    Parameters
    ----------
    name, written : str
        The name in timm, and what the user wrote.
    weights : str, optional
        A file of weights, `.safetensors` or `.pt`, instead of the published ones.
    pretrained : bool
        False: weights drawn from `seed`, an untrained control.
    seed : int
        For `pretrained=False`.
    dtype, device
        See `load_model`.
    special_tokens : {"include", "exclude"}
        Whether class token and registers count when all positions are pooled.
    arguments : dict, optional
        Further arguments of `timm.create_model`, e.g. `{"img_size": 224}`.
    """
    library = _library(name, written)
    placed = chosen_device(device)
    published = pretrained and weights is None
    with hub_errors(written, published), drawing(seed, placed):
        module = library.create_model(name, pretrained=published, **(arguments or {}))
    if weights is not None:
        load_into(module, weights)
    module = module.eval().to(device=placed, dtype=chosen_dtype(dtype))
    config = library.data.resolve_model_data_config(module)
    size = getattr(getattr(module, "patch_embed", None), "img_size", None)
    if size is not None:  # the user may have asked for another than that of the weights
        config["input_size"] = (config["input_size"][0], *size)
    transform = library.data.create_transform(**config, is_training=False)
    prefix = getattr(module, "num_prefix_tokens", None)
    size = getattr(getattr(module, "patch_embed", None), "patch_size", None)
    count = str(sum(p.numel() for p in module.parameters()))
    asked = {"weights": weights, "pretrained": pretrained, "arguments": arguments}
    return ImageModel(
        name=written,
        revision=_revise(name, written, asked) or digest_of_content(module, placed),
        modality="image",
        module=module,
        preprocessing=described(transform, special_tokens),
        device=placed,
        tags={"architecture": name.partition(".")[0], "parameters": count},
        transform=transform,
        patch=None if prefix is None or size is None else square(size),
        prefix=prefix,
        counts_prefix=counts_prefix(special_tokens),
        more_aliases=classifier_aliases(module, _classifier(module)),
    )


def _library(name: str, written: str) -> Any:
    library = import_extra("timm", "vision", f"the model {written!r}")
    if not library.is_model(name.partition(".")[0]) and not name.startswith(_ON_HUB):
        known = library.list_models()
        raise UnknownNameError(f"model {written!r}: {did_you_mean(name.partition('.')[0], known)}")
    return library


def _classifier(module: Any) -> str | None:
    head = module.get_classifier() if hasattr(module, "get_classifier") else None
    return next((name for name, part in module.named_modules() if name and part is head), None)
