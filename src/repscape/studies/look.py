"""What can be known of the models, data and layers of a study without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from repscape.data.load_data import check_name as check_data
from repscape.errors import InvalidParameterError, RepscapeError, StudyError, UnknownNameError
from repscape.extract.layers import select_layers
from repscape.extract.models.base import check_name as check_model
from repscape.studies.problems import Problems
from repscape.studies.resolve import load_samples, plain_subset
from repscape.studies.steps.base import READERS, TRAINERS
from repscape.studies.study import Data, Model, Study

_REMOTE = ("hf", "torchvision")
"""Data that opening may download: only names and options are looked at."""


@dataclass(frozen=True)
class Absent:
    """What is not at hand: no mistake in the study file, which may be run elsewhere."""

    place: str
    reason: str


def look(study: Study, problems: Problems) -> list[Absent]:
    """Look at what the study names, and note in `problems` what cannot be right.

    Sources, options, splits and subsets of data that lie here; sources and options of models;
    layers of networks that training steps can make untrained; whether files of representations
    are there. No weights or values are read, no sample is decoded and nothing is downloaded.
    """
    absent: list[Absent] = []
    for data in study.data if any(model.by != "read" for model in study.models) else ():
        with problems.collected():
            absent += _look_at_data(study, data)
    for model in study.models:
        with problems.collected():
            _look_at_model(study, model)
        if model.by == "read":
            absent += _look_at_files(study, model)
    return list(dict.fromkeys(absent))


def _look_at_data(study: Study, data: Data) -> Iterator[Absent]:
    try:
        scheme, _ = check_data(data.source, dict(data.options))
        if scheme.name not in _REMOTE:
            len(load_samples(data.source, data.options, plain_subset(data)))
    except (UnknownNameError, InvalidParameterError) as problem:
        raise study.source.error(_place_in(data, str(problem)), str(problem)) from None
    except (RepscapeError, OSError, ImportError) as problem:
        yield Absent(study.source.place([*data.path, "data"]), str(problem))


def _place_in(data: Data, message: str) -> Sequence[str | int]:
    """The key of the entry that the message is about."""
    if data.split is not None and "split" in message:
        return (*data.path, "split")
    for option in data.options:
        if option in message and option != "split":
            return (*data.path, "options", option)
    key = "subset" if data.subset is not None and data.source not in message else "data"
    return (*data.path, key)


def _look_at_model(study: Study, model: Model) -> None:
    if model.by == "model":
        try:
            check_model(model.source, model.options)
        except RepscapeError as problem:
            raise study.source.error((*model.path, "model"), str(problem)) from None
    if model.by != "train" or model.layers is None:
        return
    step = TRAINERS.find(model.source)
    if step.untrained is None:
        return
    network = step.untrained(step.options.model_validate(dict(model.options)))
    own = model.entry.layers is not None
    path = (*model.path, "layers") if own else ("layers",)
    wrong = []
    for position, layer in enumerate(model.layers):
        try:
            select_layers(network, layer)
        except RepscapeError as problem:
            wrong.append(str(study.source.error((*path, position), str(problem))))
    if wrong:
        raise StudyError("\n".join(wrong))


def _look_at_files(study: Study, model: Model) -> Iterator[Absent]:
    """What a model that is read from files lacks, for each data set that it sees."""
    reader = READERS.find(model.source)
    if reader.look is None:
        return
    options = reader.options.model_validate(dict(model.options))
    for data in study.data:
        if model.sees(data):
            try:
                reader.look(options, data.name)
            except (RepscapeError, OSError) as problem:
                yield Absent(study.source.place([*model.path, "read"]), str(problem))
