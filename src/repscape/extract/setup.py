"""From what the user gave to `extract`, a model and data, to what the loop needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from repscape.data.load_data import load_data
from repscape.data.source import DataSource
from repscape.errors import InvalidParameterError, InvalidRepresentationError, did_you_mean
from repscape.extract.batches import Batches
from repscape.extract.layers import Selection, select_layers
from repscape.extract.models.base import LoadedModel, load_model
from repscape.extract.sampled import BATCH_SAMPLES, SampleFeed, default_workers
from repscape.extract.source import Source, weights_dtype
from repscape.extract.state import device_of, evaluating
from repscape.extract.windows import CallerFeed, Feed

if TYPE_CHECKING:
    from repscape.store import Store

ModelLike: TypeAlias = str | LoadedModel | torch.nn.Module
DataLike: TypeAlias = str | DataSource | Batches
ON_ERROR = ("stop", "skip")
OUTPUT_DTYPES = ("float32", "float16")


@dataclass(frozen=True)
class Setup:
    """What one extraction works on.

    `source` says where the representations come from, for one pooling; `skipped` are the
    samples that were left out, with the reasons.
    """

    module: torch.nn.Module
    selection: Selection
    feed: Feed
    source: Source
    device: torch.device | None
    model: LoadedModel | None = None
    data: DataSource | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)

    def pooled(self, pooling: str) -> Source:
        """Where the representations of one pooling come from."""
        return replace(self.source, pooling=pooling)

    def without(self, skipped: Mapping[str, str]) -> Setup:
        """The same without some samples, which are listed and named by the split.

        Raises `InvalidRepresentationError` if no sample is left.
        """
        if not skipped:
            return self
        assert self.data is not None
        assert isinstance(self.feed, SampleFeed)
        if len(skipped) == len(self.data):
            raise InvalidRepresentationError(
                f"none of the {len(skipped)} samples of {self.data.written} can be used; the "
                f"first: {next(iter(skipped.values()))}"
            )
        data = self.data.without(skipped)
        split = f"{self.source.split}{data.split.removeprefix(self.data.split)}"
        return replace(
            self,
            feed=replace(self.feed, source=data),
            source=replace(self.source, split=split),
            data=data,
            skipped={str(i): skipped[str(i)] for i in self.data.ids.tolist() if str(i) in skipped},
        )


@dataclass(frozen=True)
class Options:
    """How `extract` was asked to go about it; see there."""

    device: torch.device | None
    store: Store | None
    batch_size: int | None
    workers: int | None
    on_error: str

    def __post_init__(self) -> None:
        if self.on_error not in ON_ERROR:
            raise InvalidParameterError(
                f"on_error={self.on_error!r}: {did_you_mean(self.on_error, ON_ERROR)}"
            )
        if self.workers is not None and self.workers < 1:
            raise InvalidParameterError(f"workers={self.workers}: give at least 1")


def open_model(model: ModelLike, device: torch.device | None, stack: ExitStack) -> Any:
    """Return a `LoadedModel`, or the module as it is, in evaluation mode while `stack` is open."""
    if isinstance(model, str):
        return load_model(model, **({} if device is None else {"device": device}))
    module = model.module if isinstance(model, LoadedModel) else model
    if not isinstance(module, torch.nn.Module):
        raise InvalidParameterError(
            f"model is a {type(model).__name__}: give a name ('hf:…'), what load_model returned, "
            "or a torch.nn.Module"
        )
    stack.enter_context(evaluating(module, device))
    return model


def set_up(
    model: LoadedModel | torch.nn.Module,
    data: DataLike,
    layers: str | Sequence[str] | None,
    named: Source,
    options: Options,
    stack: ExitStack,
) -> Setup:
    """Bring model and data together; `named` holds what the user said about their origin."""
    if isinstance(data, str | DataSource):
        return _set_up_samples(model, load_data(data), layers, named, options, stack)
    if options.batch_size is not None or options.on_error != "stop":
        raise InvalidParameterError(
            "batch_size= and on_error= are for data sources (load_data), not for batches that "
            "are made already"
        )
    return _set_up_batches(model, data, layers, named, options)


def _set_up_batches(
    model: LoadedModel | torch.nn.Module,
    batches: Batches,
    layers: str | Sequence[str] | None,
    named: Source,
    options: Options,
) -> Setup:
    if options.store is not None and named.data_revision is None:
        raise InvalidParameterError(
            "store= is given without data_revision=: results are kept under the content of "
            "model and data, so give a commit, version or digest of the data"
        )
    if isinstance(model, LoadedModel):
        selection, about = _select(model, layers), _about(model)
        module = model.module
    else:
        module = model
        selection = select_layers(module, "*" if layers is None else layers)
        about = {
            "model": type(module).__name__,
            "dtype": weights_dtype(module),
        }
    device = options.device or device_of(module)
    return Setup(module, selection, CallerFeed(batches), _filled(named, about), device)


def _set_up_samples(
    model: LoadedModel | torch.nn.Module,
    data: DataSource,
    layers: str | Sequence[str] | None,
    named: Source,
    options: Options,
    stack: ExitStack,
) -> Setup:
    if not isinstance(model, LoadedModel):
        model = load_model(model, modality=data.modality, revision=named.model_revision)
    if model.modality != "array":  # which takes what comes
        data = data.view(model.modality)
    workers = options.workers or default_workers()
    pool = stack.enter_context(ThreadPoolExecutor(workers, "repscape-sample"))
    selection = _select(model, layers)
    about = _about(model) | {
        "data": data.name,
        "data_revision": None if options.store is None else named.data_revision or data.revision,
        "split": data.split,
    }
    size = BATCH_SAMPLES if options.batch_size is None else options.batch_size
    feed = SampleFeed(model, data, size, pool)
    source = _filled(named, about)
    where = options.device or model.device
    return Setup(model.module, selection, feed, source, where, model, data)


def _select(model: LoadedModel, layers: str | Sequence[str] | None) -> Selection:
    return model.resolve(model.layers() if layers is None else layers)


def _about(model: LoadedModel) -> dict[str, Any]:
    return {
        "model": model.name,
        "model_revision": model.revision,
        "preprocessing": model.preprocessing,
        "dtype": model.dtype,
        "tags": model.tags,
    }


def _filled(named: Source, about: Mapping[str, Any]) -> Source:
    """What the user said, and where he said nothing what is known."""
    said = {name: value for name, value in vars(named).items() if value not in (None, {})}
    tags = {**about.get("tags", {}), **named.tags}
    return Source(**{**vars(named), **about, **said, "tags": tags})
