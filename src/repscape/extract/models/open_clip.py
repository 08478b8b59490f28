"""Towers of OpenCLIP."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from repscape.errors import (
    InvalidParameterError,
    SampleError,
    UnknownNameError,
    did_you_mean,
)
from repscape.extract.marks import Marks
from repscape.extract.models.base import (
    LoadedModel,
    ModelInputs,
    Prepared,
    chosen_device,
    chosen_dtype,
    digest_of_content,
    drawing,
    model_source,
)
from repscape.extract.models.downloads import commit_on_hub, hub_errors
from repscape.extract.models.hf_towers import Tower
from repscape.extract.models.images import ImageModel, counts_prefix, described, square
from repscape.extract.models.structure import find_stacks, name_layers, watch
from repscape.extract.models.text_inputs import no_text
from repscape.extract.models.weights import FILES, digest_of_file, load_into
from repscape.extras import import_extra

_FEATURES = {"features": "features"}
_ON_HUB = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin", "open_clip_config.json")


class _OpenClipTower(Tower):
    """`features` is the output in the common space, before it is scaled to unit length."""

    methods: Mapping[str, str] = {"image": "encode_image", "text": "encode_text"}


@dataclass(frozen=True, kw_only=True, eq=False)
class OpenClipText(LoadedModel):
    """The text tower; texts are padded to its full context, as when it was trained."""

    tokenizer: Any
    overlong: str
    counts_special: bool

    def prepare(self, content: Any) -> Prepared:
        """Tokenize one text; see `LoadedModel.prepare`."""
        if not isinstance(content, str):
            raise SampleError(f"it is no text but a {type(content).__name__}")
        if not content.strip():
            raise SampleError(no_text(content))
        ids = self.tokenizer(content)[0]
        room = len(ids)
        length = len(self.tokenizer(content, context_length=8 * room)[0].nonzero())
        truncated = length > room
        if truncated and self.overlong == "refuse":
            raise SampleError(f"it has at least {length} tokens, and the model takes {room}")
        return Prepared(ids, room, truncated)

    def collate(self, prepared: Sequence[Prepared]) -> ModelInputs:
        """Stack; see `LoadedModel.collate`."""
        ids = torch.stack([one.content for one in prepared])
        attended = self._is_text(ids)
        counted = attended.clone()
        if not self.counts_special:
            counted[:, 0] = False
            last = (attended.cumsum(1) * attended).argmax(1)
            counted[torch.arange(len(ids)), last] = False
        return ModelInputs({"text": ids}, Marks(counted, attended, ids))

    def _is_text(self, ids: torch.Tensor) -> torch.Tensor:
        inner = getattr(self.tokenizer, "tokenizer", None)
        if inner is not None:
            return torch.ne(ids, inner.pad_token_id)
        end = ids.argmax(1, keepdim=True)  # the end of the text has the largest id
        return torch.le(torch.arange(ids.shape[1]), end)

    def _find_aliases(self) -> Mapping[str, str]:
        inputs: Any = self.collate([self.prepare("a")]).to(self.device).arguments
        calls = watch(self.module, lambda: self.module(**inputs))
        model = self.module.get_submodule("model")
        inside = "text" if hasattr(model, "text") else "transformer"
        stacks = find_stacks(model.get_submodule(inside))
        placed = {
            prefix: frozenset(f"model.{inside}.{path}" for path in paths)
            for prefix, paths in stacks.items()
        }
        return {**name_layers(self.module, calls, placed), **_FEATURES}


def _revise(name: str, written: str, options: Mapping[str, Any]) -> str | None:
    """The digest of the user's file of weights, or the commit of the published ones.

    Beside it stands the architecture, since two may share a repository.
    """
    library = import_extra("open_clip", "vision", f"the model {written!r}")
    weights, pretrained = options.get("weights"), options.get("pretrained", True)
    architecture, _, tag = name.partition("/")
    _check_names(library, architecture, tag, weights, pretrained, written)
    if weights is not None:
        return digest_of_file(weights, "open_clip", architecture)
    place = library.get_pretrained_cfg(architecture, tag).get("hf_hub") if pretrained else None
    if not place:
        return None
    repository, _, file = place.rpartition("/")
    with hub_errors(written):
        commit = commit_on_hub(repository, (file,) if file else _ON_HUB)
    return None if commit is None else f"{commit} {architecture}"


@model_source("open_clip", "OpenCLIP: open_clip:ViT-B-32/laion2b_s34b_b79k", _revise)
def load(
    name: str,
    written: str,
    *,
    tower: str | None = None,
    weights: str | None = None,
    pretrained: bool = True,
    seed: int = 0,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device | None = None,
    special_tokens: str | None = None,
    overlong: str = "truncate",
) -> LoadedModel:
    """Load one tower of a model of OpenCLIP.

    Parameters
    ----------
    name, written : str
        Architecture and published weights with a slash between, and what the user wrote.
    tower : str
        `image` or `text`; it has to be chosen.
    weights : str, optional
        A file of weights, `.safetensors` or `.pt`, instead of published ones.
    pretrained : bool
        False: weights drawn from `seed`, an untrained control.
    seed : int
        For `pretrained=False`.
    dtype, device
        See `load_model`.
    special_tokens : {"include", "exclude"}
        Whether class token, start and end count when all positions are pooled.
    overlong : {"truncate", "refuse"}
        What happens to a text that is longer than the context.
    """
    library = import_extra("open_clip", "vision", f"the model {written!r}")
    if tower not in ("image", "text"):
        raise InvalidParameterError(
            f"{written!r} has a tower for each modality: choose tower='image' or 'text' "
            f"(--model-option tower=image), not {tower!r}"
        )
    architecture, _, tag = name.partition("/")
    _check_names(library, architecture, tag, weights, pretrained, written)
    placed = chosen_device(device)
    remote = pretrained and weights is None
    with hub_errors(written, remote), _in_silence(), drawing(seed, placed):
        model, _, transform = library.create_model_and_transforms(
            architecture,
            pretrained=tag if remote else None,
            device=placed if placed.type == "meta" else "cpu",
        )
    if weights is not None:
        load_into(model, weights)
    module = _OpenClipTower(model, tower).eval().to(device=placed, dtype=chosen_dtype(dtype))
    includes = counts_prefix(special_tokens)
    asked = {"weights": weights, "pretrained": pretrained}
    common: dict[str, Any] = {
        "name": written,
        "revision": _revise(name, written, asked) or digest_of_content(model, placed),
        "module": module,
        "device": placed,
        "tags": {"architecture": architecture, "weights": tag or "own"},
    }
    if tower == "text":
        tokenizer = library.get_tokenizer(architecture)
        return OpenClipText(
            **common,
            modality="text",
            preprocessing=f"tower=text; tokenizer={type(tokenizer).__name__} of {architecture}; "
            f"special_tokens={special_tokens or 'include'}",
            tokenizer=tokenizer,
            overlong=overlong,
            counts_special=includes,
        )
    size = getattr(getattr(model.visual, "conv1", None), "kernel_size", None)
    in_a_row = hasattr(model.visual, "class_embedding")
    return ImageModel(
        **common,
        modality="image",
        preprocessing=f"tower=image; {described(transform, special_tokens)}",
        transform=transform,
        patch=square(size) if in_a_row and size is not None else None,
        counts_prefix=includes,
        inside="model.visual",
        argument="image",
        more_aliases=_FEATURES,
    )


@contextmanager
def _in_silence() -> Iterator[None]:
    """Without the log of the library, which says on the root logger what our errors say."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        yield
    finally:
        logging.disable(before)


def _check_names(
    library: Any, architecture: str, tag: str, weights: str | None, pretrained: bool, written: str
) -> None:
    if architecture not in library.list_models():
        hint = did_you_mean(architecture, library.list_models())
        raise UnknownNameError(f"model {written!r}: {hint}")
    known = library.list_pretrained_tags_by_model(architecture)
    if pretrained and weights is None and tag not in known:
        hint = did_you_mean(tag, known)
        raise UnknownNameError(f"model {written!r}: no weights {tag!r} for {architecture}: {hint}")
    if weights is not None and not weights.endswith(FILES):
        raise InvalidParameterError(f"weights={weights!r}: name a file ({', '.join(FILES)})")
