"""Models of Hugging Face transformers, found by their configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from logging import LogRecord
from pathlib import Path
from typing import Any

import torch

from repscape.errors import InvalidParameterError, UnavailableModelError
from repscape.extract.models.base import (
    LoadedModel,
    chosen_device,
    chosen_dtype,
    digest_of_content,
    drawing,
    model_source,
)
from repscape.extract.models.downloads import commit_on_hub, hub_errors
from repscape.extract.models.hf_images import image_model
from repscape.extract.models.hf_texts import text_model
from repscape.extract.models.hf_towers import Tower, choose_tower
from repscape.extract.models.text_inputs import TextOptions
from repscape.extract.models.weights import digest_of_folder
from repscape.extras import import_extra

_COMMIT = re.compile(r"[0-9a-f]{40}")
_MODALITIES = {"pixel_values": "image", "input_ids": "text"}


@dataclass(frozen=True)
class Place:
    """Where a model is: a folder, or a repository of the hub at a revision."""

    path: str
    revision: str | None
    trust_remote_code: bool

    @property
    def folder(self) -> Path | None:
        """The folder, if it is one."""
        folder = Path(self.path).expanduser()
        return folder if folder.is_dir() else None

    @property
    def arguments(self) -> dict[str, Any]:
        """What every `from_pretrained` is given."""
        return {"revision": self.revision, "trust_remote_code": self.trust_remote_code}

    def commit(self, written: str, file: str) -> str | None:
        """The commit of the repository, looked up with a file that it has."""
        if _COMMIT.fullmatch(self.revision or ""):
            return self.revision
        with hub_errors(written):
            return commit_on_hub(self.path, (file,), self.revision)


def _revise(name: str, written: str, options: Mapping[str, Any]) -> str | None:
    """The digest of the folder, or the commit of the hub; untrained weights have to be drawn."""
    if not options.get("pretrained", True):
        return None
    trust = options.get("trust_remote_code", False)
    place = checked_place(name, options.get("revision"), trust)
    return digest_of_folder(place.folder) if place.folder else place.commit(written, "config.json")


@model_source(
    "hf", "Hugging Face transformers: hf:Qwen/Qwen3-0.6B, or a folder of save_pretrained", _revise
)
def load(
    name: str,
    written: str,
    *,
    revision: str | None = None,
    tower: str | None = None,
    dtype: str | torch.dtype = "float32",
    device: str | torch.device | None = None,
    device_map: Any = None,
    attention: str | None = None,
    pretrained: bool = True,
    seed: int = 0,
    trust_remote_code: bool = False,
    special_tokens: str | None = None,
    padding_side: str = "right",
    padding: str | None = None,
    max_length: int | None = None,
    truncation_side: str = "right",
    overlong: str = "truncate",
    part: str = "all",
    modality: str | None = None,
) -> LoadedModel:
    """Load a model of transformers and what prepares its inputs.

    Parameters
    ----------
    name : str
        A hub id or a folder.
    written : str
        What the user wrote.
    revision : str, optional
        Commit, branch or tag of the hub; what it stands for is recorded as a commit.
    tower : str, optional
        `image` or `text`, for a model of both, such as CLIP; it has to be chosen.
    dtype, device
        See `load_model`.
    device_map : str or dict, optional
        For models larger than one device; needs the package accelerate.
    attention : str, optional
        The implementation of attention (`eager`, `sdpa`, …), instead of the library's choice.
    pretrained : bool
        False: weights drawn from `seed`, an untrained control.
    seed : int
        For `pretrained=False`.
    trust_remote_code : bool
        Run the code that the model brings; for the hub only with a full commit as `revision`.
    special_tokens : {"include", "exclude", "omit"}
        Whether special tokens (of an image: class token and registers) count when tokens are
        pooled, are seen by the model but do not count, or are not even added. By default they
        count, but not for proteins.
    padding_side : {"right", "left"}
        Where shorter texts of a batch are padded. Padding changes no number.
    padding : {"longest", "max_length"}
        How far; by default to the longest, but to the full context for models that were
        trained so and look at the padding (SigLIP).
    max_length : int, optional
        The most tokens; by default what the model takes.
    truncation_side : {"right", "left"}
        Which end of a longer text is cut off.
    overlong : {"truncate", "refuse"}
        What happens to a longer text; truncated ones are counted.
    part : {"all", "prompt", "answer"}
        Which tokens count, where a sample is a prompt with its answer.
    modality : {"text", "protein"}, optional
        What a language model reads; by default proteins if its vocabulary is that of amino acids.
    """
    transformers = import_extra("transformers", "hub", f"the model {written!r}")
    if modality not in (None, "text", "protein"):
        raise InvalidParameterError(f"modality={modality!r}: give 'text' or 'protein'")
    place = checked_place(name, revision, trust_remote_code)
    placed = chosen_device(device)
    if device is not None and device_map is not None:
        raise InvalidParameterError(
            f"device={str(device)!r} and device_map={device_map!r}: give one of them"
        )
    with hub_errors(written, place.folder is None), quiet(transformers):
        config = transformers.AutoConfig.from_pretrained(place.path, **place.arguments)
        options: dict[str, Any] = {"dtype": chosen_dtype(dtype)}
        if attention is not None:
            options["attn_implementation"] = attention
        if device_map is not None:
            options["device_map"] = device_map
        drawn = None if pretrained else drawing(seed, placed)
        whole = _whole_model(transformers, config, place, options, drawn)
    whole.eval()
    if device_map is None:
        whole.to(placed)
    else:
        placed = whole.device
    texts = TextOptions(
        special_tokens, padding_side, padding, max_length, truncation_side, overlong, part
    )
    chosen = choose_tower(whole, tower, written)
    facts = {
        "name": written,
        "revision": _revision(place, written, whole, None if pretrained else placed),
        "device": placed,
        "tags": tags_of(config, whole),
        "base": chosen if isinstance(chosen, Tower) else _without_head(whole),
        "settings": {"tower": tower, "attention": attention},
    }
    with hub_errors(written, place.folder is None):
        if _takes_images(chosen, whole, written):
            return image_model(transformers, whole, place, special_tokens, facts)
        facts["modality"] = modality
        return text_model(transformers, whole, place, texts, facts)


def checked_place(name: str, revision: str | None, trust: bool) -> Place:
    """Say where a model is; code of the hub is only run at a commit, and a folder must exist."""
    place = Place(name, revision, trust)
    if trust and place.folder is None and not _COMMIT.fullmatch(revision or ""):
        raise InvalidParameterError(
            f"trust_remote_code=True for {name!r} runs code that somebody else can change at any "
            f"time: name the commit too, revision='…' (40 hexadecimal digits, not {revision!r})"
        )
    looks_like_a_path = name.startswith((".", "/", "~")) or name.count("/") > 1
    if place.folder is None and looks_like_a_path:
        raise UnavailableModelError(f"model {name!r}: there is no such folder")
    return place


def _whole_model(
    transformers: Any,
    config: Any,
    place: Place,
    options: dict[str, Any],
    drawn: AbstractContextManager[None] | None,
) -> Any:
    """The model with its language-modelling head if the checkpoint has one."""
    kind = transformers.AutoModel
    heads = transformers.models.auto.modeling_auto
    for head, mapping in (
        (transformers.AutoModelForCausalLM, heads.MODEL_FOR_CAUSAL_LM_MAPPING),
        (transformers.AutoModelForSeq2SeqLM, heads.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING),
    ):
        if type(config) in mapping and mapping[type(config)].__name__ in _architectures(config):
            kind = head
    if drawn is not None:
        with drawn:
            return kind.from_config(config, trust_remote_code=place.trust_remote_code, **options)
    model, report = kind.from_pretrained(
        place.path,
        config=config,
        output_loading_info=True,
        weights_only=True,
        **place.arguments,
        **options,
    )
    _refuse_missing_weights(model, report)
    return model


def _without_head(whole: Any) -> Any:
    """The part below the language-modelling head; all of it where there is none.

    `base_model` of a model without a head may be a part of its own that has that name.
    """
    return whole if whole.get_output_embeddings() is None else whole.base_model


def _refuse_missing_weights(model: Any, report: Any) -> None:
    """A layer without weights in the checkpoint is drawn at random: drop a pooler, or refuse."""
    missing = sorted(report["missing_keys"])
    unread = [key for key in missing if "pooler" not in key.split(".")]
    if unread or report.get("mismatched_keys"):
        shown = ", ".join(map(str, (unread or sorted(report["mismatched_keys"]))[:5]))
        raise UnavailableModelError(
            f"the checkpoint has no weights, or weights of another shape, for {shown}: they would "
            f"be drawn at random. It is not a whole {type(model).__name__}"
        )
    if missing:
        _without_head(model).pooler = None


def _architectures(config: Any) -> list[str]:
    return list(getattr(config, "architectures", None) or ())


def _takes_images(module: Any, whole: Any, written: str) -> bool:
    if isinstance(module, Tower):
        return module.takes == "image"
    if whole.main_input_name not in _MODALITIES:
        raise InvalidParameterError(
            f"{written!r} takes {whole.main_input_name}, neither text nor images: load the module "
            "yourself, and repscape.load_model(module, preprocess=…)"
        )
    pixels = _MODALITIES[whole.main_input_name] == "image"
    return pixels or bool(whole.config.model_type == "imagegpt")


def _revision(place: Place, written: str, whole: Any, drawn_on: torch.device | None) -> str:
    if drawn_on is not None:
        return digest_of_content(whole, drawn_on)
    if place.folder is not None:
        return digest_of_folder(place.folder)
    return place.commit(written, "config.json") or digest_of_content(whole, whole.device)


def tags_of(config: Any, whole: Any) -> dict[str, str]:
    """What is known about a network."""
    count = sum(p.numel() for p in whole.parameters())
    return {"architecture": str(config.model_type), "parameters": str(count)}


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Load without the library's bar over weight tensors and its report of those it drew.

    The report says that missing weights were drawn at random; here they are refused or left out
    (see `_refuse_missing_weights`). Both are as before afterwards.
    """
    logging = transformers.utils.logging
    loading = logging.get_logger("transformers.modeling_utils")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    loading.addFilter(_is_no_report)
    try:
        yield
    finally:
        loading.removeFilter(_is_no_report)
        if shown:
            logging.enable_progress_bar()


def _is_no_report(record: LogRecord) -> bool:
    return "LOAD REPORT" not in record.getMessage()
