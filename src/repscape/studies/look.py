"""What can be known of the models, data and layers of a study without running anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from repscape.data.load_data import check_name as check_data
from repscape.errors import InvalidParameterError, RepscapeError, UnknownNameError
from repscape.extract.models.base import check_name as check_model
from repscape.studies.look_at_layers import Unchecked, look_at_layers
from repscape.studies.problems import Problems
from repscape.studies.resolve import load_samples, plain_subset
from repscape.studies.steps.base import READERS
from repscape.studies.study import Data, Model, Study
from repscape.studies.unscored import foreseen

_REMOTE = ("hf", "torchvision")
"""Data that opening may download: only names and options are looked at."""


@dataclass(frozen=True)
class Absent:
    """What is not at hand: no mistake in the study file, which may be run elsewhere."""

    place: str
    reason: str


@dataclass(frozen=True)
class Looked:
    """What is no mistake in the file, but a reader should know.

    Attributes
    ----------
    absent : list of Absent
        Data and files that are not at hand.
    unscored : list of str
        A line for each measure that will give no number, since there are too few samples.
    unchecked : list of Unchecked
        The models whose layers could not be checked, and why.
    """

    absent: list[Absent] = field(default_factory=list)
    unscored: list[str] = field(default_factory=list)
    unchecked: list[Unchecked] = field(default_factory=list)


def look(study: Study, problems: Problems) -> Looked:
    """Look at what the study names, and note in `problems` what cannot be right.

    Sources, options, splits and subsets of data that lie here; sources and options of models;
    their layers, as far as networks can be built without weights; whether files of
    representations are there. No weights or values are read, no sample is decoded, and nothing
    but configurations and tokenizers is downloaded.
    """
    found = Looked()
    only_read = study.models and all(model.by == "read" for model in study.models)
    for data in () if only_read else study.data:
        with problems.collected():
            _look_at_data(study, data, found)
    for model in study.models:
        with problems.collected():
            _look_at_model(study, model)
        if model.by == "read":
            found.absent.extend(_look_at_files(study, model))
    unchecked = look_at_layers(study, problems)
    return Looked(list(dict.fromkeys(found.absent)), found.unscored, unchecked)


def _look_at_data(study: Study, data: Data, found: Looked) -> None:
    try:
        scheme, _ = check_data(data.source, dict(data.options))
        if scheme.name not in _REMOTE:
            n = len(load_samples(data.source, data.options, plain_subset(data)))
            measures = dict.fromkeys((*study.measures, *study.between))
            found.unscored.extend(foreseen(list(measures), data.name, n))
    except (UnknownNameError, InvalidParameterError) as problem:
        source = study.source.elsewhere(data.places)
        raise source.error(_place_in(data, str(problem)), str(problem)) from None
    except (RepscapeError, OSError, ImportError) as problem:
        place = study.source.elsewhere(data.places).place([*data.path, "data"])
        found.absent.append(Absent(place, str(problem)))


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
    source = study.source.elsewhere(model.places)
    if model.by == "model":
        try:
            check_model(model.source, model.options)
        except RepscapeError as problem:
            raise source.error((*model.path, "model"), str(problem)) from None


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
                yield Absent(
                    study.source.elsewhere(model.places).place([*model.path, "read"]), str(problem)
                )
