"""`Study`: a study file that was read, checked and expanded."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from repscape.compute.memory import parse_bytes
from repscape.errors import RepscapeError, StudyError, did_you_mean
from repscape.geometry.base import get_descriptor
from repscape.geometry.presets import PRESETS
from repscape.measures.base import get_measure
from repscape.studies.expand import expand
from repscape.studies.places import find_study
from repscape.studies.problems import check
from repscape.studies.schema import (
    DataEntry,
    ModelEntry,
    Stage,
    StageResources,
    StudyFile,
    Subset,
    Uses,
)
from repscape.studies.steps.base import (
    ANALYSES,
    FIGURES,
    READERS,
    SECTIONS,
    TRAINERS,
    Options,
    Step,
    Steps,
)
from repscape.studies.yaml_file import Source, read_source, with_settings
from repscape.tasks import Resources, digest_json

MakesModel = Literal["model", "train", "read"]
OWN_TABLES = ("models", "representations", "scores", "geometry", "marks", "overlaps")


@dataclass(frozen=True)
class Model:
    """One model of a study: where it comes from, and what tables say of it."""

    name: str
    by: MakesModel
    source: str
    options: Mapping[str, Any]
    tags: Mapping[str, str]
    layers: tuple[str, ...] | None
    entry: ModelEntry
    path: tuple[str | int, ...]

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
        return {**step.expect(step.options.model_validate(dict(self.options))), **said}


@dataclass(frozen=True)
class Data:
    """One data set of a study."""

    name: str
    source: str
    options: Mapping[str, Any]
    subset: Subset | None
    entry: DataEntry
    path: tuple[str | int, ...]
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


def load_study(name: str, settings: Sequence[str] = ()) -> Study:
    """Read a study file, a built-in study or that of an output folder, and check all of it.

    Raises
    ------
    StudyError
        With a line for each thing that is wrong: file, line, column, what, and the mend.
    UnreadableFileError
        If there is no such file.
    """
    return as_study(with_settings(read_source(find_study(name).file), settings))


def as_study(source: Source) -> Study:
    """Check the content of a study file; see `load_study`."""
    file = check(source, StudyFile, source.content)
    models = _distinct(source, list(_models(source, file)), "models")
    data = _distinct(source, list(_data(source, file)), "data")
    _check_seen(source, models, data)
    measures = _measures(source, "measures", file.measures)
    named = [*file.descriptors, *(name for one in data for name in one.entry.descriptors or ())]
    presets = [PRESETS[name] for name in dict.fromkeys(named) if name in PRESETS]
    between = _measures(source, "describe.between", file.describe.between)
    between += tuple(get_measure(m).name for preset in presets for m in preset.measures)
    study = Study(
        file=file,
        source=source,
        models=tuple(models),
        data=tuple(data),
        measures=measures,
        descriptors=tuple(dict.fromkeys(name for one in data for name in one.descriptors)),
        between=tuple(dict.fromkeys(between)),
        calibrated=_calibrated(source, file, measures),
    )
    if not (measures or study.descriptors or study.between):
        raise source.error(
            ("study",), "nothing is measured: add `measures: [cka]` or `descriptors: [gride]`"
        )
    return _with_steps(study)


def _models(source: Source, file: StudyFile) -> Iterator[Model]:
    for position in range(len(file.models)):
        path = ("models", position)
        for values, content in expand(source, source.content["models"][position], path):
            entry: ModelEntry = check(source, ModelEntry, content, path)
            by: MakesModel = "model" if entry.model else "train" if entry.train else "read"
            origin = getattr(entry, by)
            options = dict(entry.options)
            if by != "model":
                steps: Steps[Any] = TRAINERS if by == "train" else READERS
                step = _found(source, steps, origin, (*path, by))
                options = _options(source, step, options, (*path, "options")).plain
            default = "/".join([origin, *map(str, values.values())]) if by != "model" else origin
            yield Model(
                entry.name or default,
                by,
                origin,
                options,
                {name: _text(value) for name, value in entry.tags.items()},
                file.layers if entry.layers is None else entry.layers,
                entry,
                path,
            )


def _data(source: Source, file: StudyFile) -> Iterator[Data]:
    for position in range(len(file.data)):
        path = ("data", position)
        for _, content in expand(source, source.content["data"][position], path):
            entry: DataEntry = check(source, DataEntry, content, path)
            options = dict(entry.options)
            if entry.split is not None:
                options["split"] = entry.split
            own = entry.descriptors is not None
            descriptors = _descriptors(
                source,
                (*path, "descriptors") if own else ("descriptors",),
                entry.descriptors if entry.descriptors is not None else file.descriptors,
            )
            name = entry.name or entry.data
            yield Data(name, entry.data, options, entry.subset, entry, path, descriptors)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _distinct(source: Source, entries: Sequence[Any], what: str) -> Sequence[Any]:
    seen: dict[str, Any] = {}
    for entry in entries:
        if entry.name in seen:
            where = source.place(seen[entry.name].path)
            raise source.error(
                entry.path,
                f"two entries of {what} are called {entry.name!r} (the first at {where}): give "
                "each a `name`, with {…} for what `each` varies",
            )
        seen[entry.name] = entry
    return entries


def _check_seen(source: Source, models: Sequence[Model], data: Sequence[Data]) -> None:
    known = [one.name for one in data]
    for model in models:
        for name in model.entry.data or ():
            if name not in known:
                raise source.error(
                    (*model.path, "data"),
                    f"the study has no data set called {name!r}: {did_you_mean(name, known)}",
                )


def _measures(source: Source, where: str, names: Sequence[str]) -> tuple[str, ...]:
    path = where.split(".")
    return _canonical(source, path, names, lambda name: get_measure(name).name)


def _descriptors(
    source: Source, where: Sequence[str | int], names: Sequence[str]
) -> tuple[str, ...]:
    found: list[str] = []
    for position, name in enumerate(names):
        inside = PRESETS[name].descriptors if name in PRESETS else (name,)
        for one in inside:
            path = (*where, position)
            found += _canonical(source, path, [one], lambda name: get_descriptor(name).name, None)
    return tuple(dict.fromkeys(found))


def _canonical(
    source: Source,
    path: Sequence[str | int],
    names: Sequence[str],
    canonical: Callable[[str], str],
    position: int | None = 0,
) -> tuple[str, ...]:
    found: list[str] = []
    for index, name in enumerate(names):
        place = [*path] if position is None else [*path, index]
        try:
            one = canonical(name)
        except RepscapeError as problem:
            raise source.error(place, str(problem)) from None
        if one in found:
            raise source.error(place, f"{name!r} stands twice, as {one}: leave one of them out")
        found.append(one)
    return tuple(found)


def _calibrated(source: Source, file: StudyFile, measures: Sequence[str]) -> tuple[str, ...]:
    """The measures whose scores get a null."""
    if file.significance is None:
        return ()
    if file.significance.measures is None:
        return tuple(measures)
    chosen = _measures(source, "significance.measures", file.significance.measures)
    for position, name in enumerate(chosen):
        if name not in measures:
            raise source.error(
                ("significance", "measures", position),
                f"{name} is none of the study's measures: add it there, or leave it out here",
            )
    return chosen


def _with_steps(study: Study) -> Study:
    from dataclasses import replace

    file, source = study.file, study.source
    known = [name for name in OWN_TABLES if _has_table(study, name)]
    defaults = {
        "analyses": (["similarity_summary", "group_tests"] if study.measures else [])
        + (["chance"] if study.calibrated else []),
        "figures": (["similarity"] if study.measures else [])
        + (["profiles"] if study.descriptors else []),
        "report": (["similarity"] if study.measures else [])
        + (["profiles"] if study.descriptors else []),
    }
    chosen: dict[str, tuple[Chosen, ...]] = {}
    kinds: tuple[tuple[str, Steps[Any], Uses | None], ...] = (
        ("analyses", ANALYSES, file.analyses),
        ("figures", FIGURES, file.figures),
        ("report", SECTIONS, file.report),
    )
    for where, steps, uses in kinds:
        found = []
        named = [(use.use, use.options) for use in uses or ()]
        if uses is None:
            named = [(name, {}) for name in defaults[where]]
        for position, (name, options) in enumerate(named):
            path = (where, position)
            step = _found(source, steps, name, (*path, "use"))
            for table in step.needs:
                if table not in known:
                    raise source.error(
                        path,
                        f"{name!r} needs the table {table!r}, and there are: " + ", ".join(known),
                    )
            found.append(Chosen(step, _options(source, step, options, (*path, "options")).options))
            if where == "analyses":
                known.append(step.name)
        chosen[where] = tuple(found)
    return replace(
        study,
        analyses=chosen["analyses"],
        figures=chosen["figures"],
        sections=chosen["report"],
    )


def _has_table(study: Study, name: str) -> bool:
    return {
        "models": True,
        "representations": True,
        "scores": bool(study.measures),
        "geometry": bool(study.descriptors),
        "marks": bool(study.descriptors),
        "overlaps": bool(study.between),
    }[name]


def _found(source: Source, steps: Steps[Any], name: str, path: Sequence[str | int]) -> Any:
    try:
        return steps.find(name)
    except RepscapeError as problem:
        raise source.error(path, str(problem)) from None


def _options(
    source: Source, step: Step, options: Mapping[str, Any], path: Sequence[str | int]
) -> Chosen:
    try:
        return Chosen(step, check(source, step.options, dict(options), path))
    except StudyError:
        raise
    except RepscapeError as problem:
        raise source.error(path, str(problem)) from None
