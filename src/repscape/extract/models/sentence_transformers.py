"""Sentence encoders of sentence-transformers: the tokens' layers and the sentence's embedding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import nn

from repscape.extract.models.base import (
    LoadedModel,
    chosen_device,
    chosen_dtype,
    digest_of_content,
    model_source,
)
from repscape.extract.models.downloads import hub_errors
from repscape.extract.models.hf import Place, checked_place, quiet, tags_of
from repscape.extract.models.hf_texts import TextModel, text_model
from repscape.extract.models.text_inputs import TextOptions
from repscape.extract.models.weights import digest_of_text, digest_of_tree
from repscape.extras import import_extra

_SENTENCE = "sentence_embedding"


class SentenceEncoder(nn.Module):
    """The modules of a sentence encoder; `sentence_embedding` is what they make of a text."""

    def __init__(self, modules: nn.Module) -> None:
        super().__init__()
        self.encoder = modules
        self.sentence_embedding = nn.Identity()

    def forward(self, **features: Any) -> torch.Tensor:
        """Run all modules and return the embedding (n, d)."""
        return self.sentence_embedding(self.encoder(features)[_SENTENCE])  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True, eq=False)
class SentenceModel(TextModel):
    """A sentence encoder; the prompt is put in front of every text."""

    prompt: str = ""

    @cached_property
    def takes(self) -> frozenset[str]:
        """The features that the tokenizer of the encoder gives."""
        return frozenset(self.tokenization.tokenizer.model_input_names)

    def prepare(self, content: Any) -> Any:
        """Tokenize the prompt with the text; see `LoadedModel.prepare`."""
        put = self.prompt + content if isinstance(content, str) and content.strip() else content
        return super().prepare(put)

    def _find_aliases(self) -> Mapping[str, str]:
        return {**super()._find_aliases(), _SENTENCE: _SENTENCE}


def _revise(name: str, written: str, options: Mapping[str, Any]) -> str | None:
    """The digest of the folder, or the commit of the hub."""
    trust = options.get("trust_remote_code", False)
    place = _place(name, options.get("revision"), trust)
    return digest_of_tree(place.folder) if place.folder else place.commit(written, "modules.json")


def _place(name: str, revision: str | None, trust: bool) -> Place:
    own = "sentence-transformers/" if "/" not in name and not Path(name).is_dir() else ""
    return checked_place(own + name, revision, trust)


@model_source(
    "sentence-transformers",
    "sentence-transformers: sentence-transformers:all-MiniLM-L6-v2",
    _revise,
)
def load(
    name: str,
    written: str,
    *,
    revision: str | None = None,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device | None = None,
    trust_remote_code: bool = False,
    prompt: str | None = None,
    special_tokens: str | None = None,
    max_length: int | None = None,
    overlong: str = "truncate",
) -> LoadedModel:
    """Load a sentence encoder.

    Parameters
    ----------
    name, written : str
        A hub id or a folder, and what the user wrote.
    revision, dtype, device, trust_remote_code, special_tokens, max_length, overlong
        See `hf.load`.
    prompt : str, optional
        What is put in front of every text; by default the model's own default prompt.
    """
    library = import_extra("sentence_transformers", "hub", f"the model {written!r}")
    transformers = import_extra("transformers", "hub", f"the model {written!r}")
    place = _place(name, revision, trust_remote_code)
    placed = chosen_device(device)
    with hub_errors(written, place.folder is None), quiet(transformers):
        encoder = library.SentenceTransformer(
            place.path,
            device=str(placed),
            model_kwargs={"dtype": chosen_dtype(dtype)} | _without_values(placed),
            **place.arguments,
        ).eval()
    first = encoder[0].auto_model
    options = TextOptions(
        special_tokens=special_tokens,
        overlong=overlong,
        max_length=encoder.max_seq_length if max_length is None else max_length,
    )
    default = encoder.prompts.get(encoder.default_prompt_name, "")
    chosen = default if prompt is None else prompt
    asked = {"revision": revision, "trust_remote_code": trust_remote_code}
    facts: dict[str, Any] = {
        "name": written,
        "revision": _revision(name, written, asked, encoder, placed),
        "device": placed,
        "tags": tags_of(first.config, first),
        "base": SentenceEncoder(encoder),
        "settings": {"prompt": chosen or None, "modules": _described(encoder)},
        "tokenizer": encoder.tokenizer,
        "kind": SentenceModel,
    }
    with hub_errors(written, place.folder is None):
        model = text_model(transformers, first, place, options, facts)
    return replace(model, prompt=chosen)  # type: ignore[call-arg]


def _without_values(device: torch.device) -> dict[str, Any]:
    """On the device `meta` no weight is read."""
    return {"device_map": {"": "meta"}} if device.type == "meta" else {}


def _revision(
    name: str, written: str, options: Mapping[str, Any], encoder: Any, device: torch.device
) -> str:
    known = None if device.type == "meta" else _revise(name, written, options)
    return known or digest_of_content(encoder, device)


def _described(encoder: Any) -> str:
    """The modules and their settings: how tokens are pooled, whether rows have unit length."""
    return digest_of_text(repr(encoder))
