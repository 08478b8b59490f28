"""`Study`: a study file that was read, checked and expanded."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from repscape.compute.memory import parse_bytes
from repscape.errors import UnknownNameError
from repscape.studies.schema import (
    DataEntry,
    ModelEntry,
    Stage,
    StageResources,
    StudyFile,
    Subset,
)
from repscape.studies.steps.base import (
    TRAINERS,
    Options,
)
from repscape.studies.yaml_file import Path_, Source
from repscape.tasks import Resources, digest_json

if TYPE_CHECKING:
    import torch

MakesModel = Literal["model", "train", "read"]


@dataclass(frozen=True)
class Model:
    """One model of a study: where it comes from, and what tables say of it.

    `path` is its entry in the file, `places` where values stand that `each` has put in.
    """

    name: str
    by: MakesModel
    source: str
    options: Mapping[str, Any]
    tags: Mapping[str, str]
    layers: tuple[str, ...] | None
    entry: ModelEntry
    path: Path_
    places: Mapping[Path_, str] = field(default_factory=dict)

    def sees(self, data: Data) -> bool:
        """Whether the model is run on this data set."""
        return self.entry.data is None or data.name in self.entry.data

    @cached_property
    def expected(self) -> dict[str, float]:
        """What `plan` may assume: what the file says, else what the training step says."""
        said = self.entry.expect.model_dump(exclude_none=True)
        if self.by != "train":
            return said
        step = TRAINERS.find(self.source)
        options = step.options.model_validate(dict(self.options))
        expected = dict(step.expect(options))
        if self.layers is not None and step.untrained is not None:
            # Networks of one size have the same layers: one of them is looked at.
            size = (self.source, self.layers, *sorted(expected.items()))
            if size not in _LAYERS:
                _LAYERS[size] = _count_layers(step.untrained(options), self.layers)
            expected["layers"] = _LAYERS[size]
        return {**expected, **said}


_LAYERS: dict[tuple[Any, ...], int] = {}


def _count_layers(network: torch.nn.Module, layers: tuple[str, ...]) -> int:
    """How many layers are asked for; names that there are not are said elsewhere."""
    from repscape.extract.layers import select_layers

    with contextlib.suppress(UnknownNameError):
        return max(len(select_layers(network, layers).sites), 1)
    return 1


@dataclass(frozen=True)
class Data:
    """One data set of a study."""

    name: str
    source: str
    options: Mapping[str, Any]
    subset: Subset | None
    entry: DataEntry
    path: Path_
    places: Mapping[Path_, str] = field(default_factory=dict)
    descriptors: tuple[str, ...] = ()

    @property
    def split(self) -> str | None:
        """The split that the file names."""
        return self.entry.split


@dataclass(frozen=True)
class Chosen:
    """A step with its checked options."""

    step: Any
    options: Options

    @property
    def plain(self) -> dict[str, Any]:
        """The options as plain JSON values."""
        return self.options.model_dump(mode="json")


@dataclass(frozen=True)
class Study:
    """A checked study.

    Attributes
    ----------
    file : StudyFile
        As the user wrote it, with defaults.
    source : Source
        Content and places, for messages.
    models, data
        After products were expanded.
    measures, descriptors : tuple of str
        Printable names.
    between : tuple of str
        Measures between the layers of a profile.
    """

    file: StudyFile
    source: Source
    models: tuple[Model, ...]
    data: tuple[Data, ...]
    measures: tuple[str, ...]
    descriptors: tuple[str, ...]
    between: tuple[str, ...]
    calibrated: tuple[str, ...]
    analyses: tuple[Chosen, ...] = field(default=())
    figures: tuple[Chosen, ...] = field(default=())
    sections: tuple[Chosen, ...] = field(default=())

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.file.study

    @property
    def title(self) -> str:
        """The heading of the report."""
        return self.file.title or self.name

    @cached_property
    def digest(self) -> str:
        """Names the content of the study file."""
        return digest_json(self.source.content)

    def resources(self, stage: Stage) -> Resources:
        """What each task of a stage may use."""
        given = self.file.resources.get(stage, StageResources())
        memory = None if given.memory is None else parse_bytes(given.memory)
        return Resources(given.cpus, given.gpus, memory, given.minutes)
