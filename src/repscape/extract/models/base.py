"""`load_model` and `LoadedModel`: a network with all that is needed to feed it a sample."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import inspect
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import torch

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean
from repscape.extract.layers import Selection, select_layers
from repscape.extract.marks import NOTHING_KNOWN, Marks
from repscape.extract.revision import digest_of_weights
from repscape.extract.state import to_device, usable_device

_PACKAGE = "repscape.extract.models"
_ENTRY_POINTS = "repscape.models"
_INSIDE_A_BLOCK = re.compile(r"(^|\.)block\.\d+\.")


@dataclass(frozen=True)
class Prepared:
    """One sample, ready to be put into a batch.

    Attributes
    ----------
    content : any
        What the model that prepared it needs of it.
    length : int
        Its tokens, or 1 where all samples are of one size.
    truncated : bool
        Whether it was longer than the model takes and was cut.
    """

    content: Any
    length: int = 1
    truncated: bool = False


@dataclass(frozen=True)
class ModelInputs:
    """The input of one forward pass, and what is known about its positions.

    Attributes
    ----------
    arguments : mapping of str to any, or tensor
        Keyword arguments of the module's forward, or its only argument.
    marks : Marks
        The mask, token ids, … of the (n, T) positions.
    decoder_marks : Marks, optional
        The same for the layers of the decoder of an encoder–decoder, where they differ.
    decoder : str
        How the names of these layers begin.
    """

    arguments: Mapping[str, Any] | torch.Tensor
    marks: Marks = NOTHING_KNOWN
    decoder_marks: Marks | None = None
    decoder: str = "decoder."

    @property
    def mask(self) -> torch.Tensor | None:
        """The tokens that count, (n, T) of bool."""
        return self.marks.mask

    @property
    def token_ids(self) -> torch.Tensor | None:
        """The tokens, (n, T)."""
        return self.marks.token_ids

    def marks_of(self, layer: str) -> Marks:
        """The marks of the positions of one layer (by the name of its module)."""
        if self.decoder_marks is not None and layer.startswith(self.decoder):
            return self.decoder_marks
        return self.marks

    def to(self, device: torch.device | None) -> ModelInputs:
        """The same on another device."""
        decoder = None if self.decoder_marks is None else self.decoder_marks.to(device)
        moved = to_device(self.arguments, device)
        return ModelInputs(moved, self.marks.to(device), decoder, self.decoder)


@dataclass(frozen=True, kw_only=True, eq=False)
class LoadedModel(ABC):
    """A network, the revision of its content, and what it does to a sample.

    Attributes
    ----------
    name : str
        What the user wrote.
    revision : str
        Content revision: a commit hash or a digest of the weights.
    modality : str
        What a sample is: `text`, `image`, `protein` or `array`.
    module : torch.nn.Module
        In evaluation mode, on its device.
    preprocessing : str
        All else that determines the numbers, printable: image transform, digest of the
        tokenizer, special tokens, the tower, …
    device : torch.device
        Where inputs go.
    tags : mapping of str to str
        What is known about it: architecture, parameters, …
    """

    name: str
    revision: str
    modality: str
    module: torch.nn.Module
    preprocessing: str
    device: torch.device
    tags: Mapping[str, str] = field(default_factory=dict)

    @abstractmethod
    def prepare(self, content: Any) -> Prepared:
        """Turn one sample into what the model takes, on the CPU; safe to call from threads.

        Raises
        ------
        SampleError
            If this sample cannot be prepared: another modality, empty, too long, unreadable.
        """

    @abstractmethod
    def collate(self, prepared: Sequence[Prepared]) -> ModelInputs:
        """Put samples together into the input of one forward pass, on the CPU."""

    @property
    def dtype(self) -> str:
        """The floating dtype of the weights, e.g. `float32`."""
        kinds = {str(p.dtype).removeprefix("torch.") for p in self.module.parameters()}
        return "+".join(sorted(kinds)) or "float32"

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Canonical names of layers, in the order of the forward pass, and what they stand for.

        A value is the name of a submodule, `name:input` for what goes into it, or `name#k`
        for its k-th call.
        """
        return self._find_aliases()

    def _find_aliases(self) -> Mapping[str, str]:
        return {}

    def layers(self) -> list[str]:
        """The canonical names of the layers in the order of the forward pass.

        The sites inside a block (`block.3.attention`, …) are not among them; `aliases` has
        all. Where the model has no canonical names: the names of its submodules.
        """
        whole = [name for name in self.aliases if not _INSIDE_A_BLOCK.search(name)]
        return whole or [name for name, _ in self.module.named_modules() if name]

    def resolve(self, layers: str | Sequence[str]) -> Selection:
        """Resolve canonical names, names of submodules and globs over either."""
        return select_layers(self.module, layers, self.aliases)


Loader: TypeAlias = Callable[..., LoadedModel]
Reviser: TypeAlias = Callable[[str, str, Mapping[str, Any]], str | None]


@dataclass(frozen=True)
class ModelSource:
    """A prefix of model names, and what loads a model of that name."""

    prefix: str
    load: Loader
    summary: str
    revise: Reviser | None = None


_SOURCES: dict[str, ModelSource] = {}


def model_source(
    prefix: str, summary: str, revise: Reviser | None = None
) -> Callable[[Loader], Loader]:
    """Decorator: `load(name, written, *, …)` loads the models whose names begin with `prefix:`.

    `name` is what follows the prefix and `written` all that the user wrote; the keyword-only
    parameters are the options. `revise(name, written, options)` gives the revision that the
    loaded model will have, or None where that takes loading it.
    """

    def register(load: Loader) -> Loader:
        _SOURCES[prefix] = ModelSource(prefix, load, summary, revise)
        return load

    return register


def model_sources() -> list[ModelSource]:
    """All sources of models, by prefix."""
    package = importlib.import_module(_PACKAGE)
    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{_PACKAGE}.{module.name}")
    for entry in importlib.metadata.entry_points(group=_ENTRY_POINTS):
        entry.load()
    return [_SOURCES[prefix] for prefix in sorted(_SOURCES)]


def load_model(name: str | torch.nn.Module, **options: Any) -> LoadedModel:
    """Load a network by name, with its preprocessing and the revision of its content.

    Parameters
    ----------
    name : str or torch.nn.Module
        `hf:` and a hub id or folder, `timm:…`, `torchvision:…`, `sentence-transformers:…`,
        `open_clip:ARCHITECTURE/WEIGHTS`, `python:package.module:function`; the path of a
        folder that `save_pretrained` wrote; or a module of your own, with the option
        `preprocess`, a function from one sample to a tensor.
    options
        Those of the source. All take `device` (by default a GPU if there is one) and `dtype`
        (by default float32, whatever the checkpoint holds).

    Returns
    -------
    LoadedModel
        In evaluation mode.

    Raises
    ------
    UnknownNameError
        If no source has this prefix or no model this name.
    InvalidParameterError
        If the source has no such option, or a value is not allowed.
    MissingExtraError
        If a package that the source needs is not installed.
    UnavailableModelError
        If the weights cannot be had: no such model, gated, no network, damaged.
    """
    if isinstance(name, torch.nn.Module):
        source = _source("module")
        _check_options(source, options)
        return source.load(name, None, **options)
    source, rest = check_name(name, options)
    return source.load(rest, name, **options)


def model_revision(name: str, **options: Any) -> str:
    """The content revision that `load_model(name, **options)` would give, found cheaply.

    Of what comes from the hub the commit is looked up, of files of weights a digest is taken;
    neither builds the network. Only where there is no other way the model is loaded: untrained
    weights, functions of one's own without `revision=`, published weights that are not on this
    machine yet.

    Parameters
    ----------
    name : str
    options
        Those of `load_model`.

    Returns
    -------
    str
        A commit or a digest: part of the key of whatever is extracted from the model.

    Raises
    ------
    UnknownNameError, InvalidParameterError, MissingExtraError, UnavailableModelError
        See `load_model`.
    """
    source, rest = check_name(name, options)
    known = None if source.revise is None else source.revise(rest, name, options)
    return load_model(name, **options).revision if known is None else known


def check_name(name: str, options: Mapping[str, Any]) -> tuple[ModelSource, str]:
    """The source that a name and options are for, and what the source calls the model.

    Nothing is loaded: raises `UnknownNameError` if no source has this prefix, and
    `InvalidParameterError` if the source has no such option.
    """
    prefix, colon, rest = name.partition(":")
    if Path(name).expanduser().is_dir():
        prefix, rest = "hf", name
    elif not colon:
        raise UnknownNameError(
            f"model {name!r}: there is no such folder, and it has no prefix that says where the "
            f"model is: {', '.join(_shown())}"
        )
    source = _source(prefix, name)
    _check_options(source, options)
    return source, rest


def _shown() -> list[str]:
    return [f"{source.prefix}:" for source in model_sources() if source.prefix != "module"]


def _source(prefix: str, name: str = "") -> ModelSource:
    known = {source.prefix: source for source in model_sources()}
    if prefix not in known or (prefix == "module" and name):
        near = difflib.get_close_matches(f"{prefix}:", _shown(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(_shown())}"
        raise UnknownNameError(f"model {name!r}: no models come from {prefix + ':'!r}: {hint}")
    return known[prefix]


def _check_options(source: ModelSource, options: Mapping[str, Any]) -> None:
    parameters = list(inspect.signature(source.load).parameters.values())[2:]
    allowed = [p.name for p in parameters]
    for option in options:
        if option not in allowed:
            raise InvalidParameterError(
                f"{source.prefix}: models have no option {option!r}: "
                f"{did_you_mean(option, allowed)}"
            )


def chosen_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or by default a GPU if there is one."""
    if device is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return usable_device(device)


@contextmanager
def drawing(seed: int, device: torch.device) -> Iterator[None]:
    """Within it, networks are built with weights drawn from the seed; on `meta`, with none."""
    if seed < 0:  # which torch would take for another
        raise InvalidParameterError(f"seed={seed}: give a whole number from 0 on")
    with torch.random.fork_rng(devices=[]), device if device.type == "meta" else nullcontext():
        torch.manual_seed(seed)
        yield


def digest_of_content(module: torch.nn.Module, device: torch.device) -> str:
    """The digest of the weights; on `meta` there are none, and the word that says so."""
    return "no weights" if device.type == "meta" else digest_of_weights(module)


def chosen_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """A floating dtype by its name."""
    if isinstance(dtype, torch.dtype):
        return dtype
    names = ("float32", "float16", "bfloat16", "float64")
    if dtype not in names:
        raise InvalidParameterError(f"dtype={dtype!r}: {did_you_mean(str(dtype), names)}")
    return getattr(torch, dtype)  # type: ignore[no-any-return]
