"""Content revisions of the models and data of a study, found when it is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from repscape.data.load_data import load_data
from repscape.data.source import DataSource
from repscape.errors import RepscapeError
from repscape.extract.models.base import model_revision as revision_by_name
from repscape.hub import without_progress_bars
from repscape.studies.study import Data, Model, Study


@dataclass(frozen=True)
class Unresolved:
    """A model or data set that is not at hand, and why; the rest of the study goes on."""

    what: str
    name: str
    reason: str
    place: str

    def __str__(self) -> str:
        return f"{self.what} {self.name!r} ({self.place}): {self.reason}"


@dataclass(frozen=True)
class ResolvedData:
    """A data set at hand: its content revision, split and number of samples."""

    revision: str
    split: str | None
    samples: int | None


def load_samples(
    source: str, options: Mapping[str, Any], subset: Mapping[str, Any] | None
) -> DataSource:
    """The data set of this name, or the part of it that a study asks for."""
    samples = load_data(source, **options)
    if not subset:
        return samples
    drawn = "random" in subset or "per_class" in subset
    return samples.subset(**{k: v for k, v in subset.items() if drawn or k != "seed"})


def resolve_data(study: Study, data: Data) -> ResolvedData | Unresolved:
    """Find the content revision of a data set; decoding no sample."""
    try:
        found = load_samples(data.source, data.options, plain_subset(data))
        return ResolvedData(found.revision, found.split, len(found))
    except (RepscapeError, OSError, ImportError) as problem:
        place = study.source.elsewhere(data.places).place([*data.path, "data"])
        return Unresolved("data set", data.name, str(problem), place)


def plain_subset(data: Data) -> dict[str, Any] | None:
    """The subset as plain JSON values."""
    return None if data.subset is None else data.subset.model_dump(exclude_none=True)


def model_revision(study: Study, model: Model) -> str | Unresolved:
    """Find the content revision of a model that `load_model` loads."""
    try:
        if model.source.startswith("hf:"):
            without_progress_bars()
        return revision_by_name(model.source, **model.options)
    except (RepscapeError, OSError, ImportError) as problem:
        place = study.source.elsewhere(model.places).place([*model.path, "model"])
        reason = str(problem).removeprefix(f"model {model.source!r}: ")
        return Unresolved("model", model.name, reason, place)
