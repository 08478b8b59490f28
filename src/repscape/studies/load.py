"""`load_study`: read a study file, check all of it, and expand it into a `Study`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from repscape.catalogue import OUTPUTS
from repscape.errors import InvalidParameterError, RepscapeError, StudyError, did_you_mean
from repscape.extract.pooling import get_pooling
from repscape.geometry.base import get_descriptor
from repscape.geometry.presets import PRESETS
from repscape.measures.base import get_measure
from repscape.studies.expand import Expanded, expand
from repscape.studies.places import find_study
from repscape.studies.problems import Problems, check, check_parts, quoted_key
from repscape.studies.schema import DataEntry, ModelEntry, StudyFile, Uses
from repscape.studies.steps.base import (
    ANALYSES,
    FIGURES,
    READERS,
    SECTIONS,
    TRAINERS,
    Step,
    Steps,
)
from repscape.studies.study import Chosen, Data, MakesModel, Model, Study
from repscape.studies.yaml_file import Path_, Source, read_source, with_settings
from repscape.tables import NULL_COLUMNS, SIMILARITY_COLUMNS

OWN_TABLES = ("models", "representations", "scores", "geometry", "marks", "overlaps")


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
    problems = Problems()
    study = checked(source, problems)
    problems.raise_all()
    return study


def checked(source: Source, problems: Problems) -> Study:
    """The study as far as it is right; what is wrong is noted in `problems`."""
    file, broken = check_parts(source, StudyFile, _STAND_INS, problems)
    checker = _Checker(source, file, broken, problems)
    study = checker.study()
    measured = {("measures",), ("descriptors",), ("describe",)}
    asked = file.measures or file.descriptors or file.describe.between or study.descriptors
    if not (asked or broken & measured):
        with problems.collected():
            raise source.error(
                ("study",),
                "nothing is measured: add `measures: [cka]` or `descriptors: [gride]`",
            )
    return checker.with_steps(study)


_COLUMNS = {*SIMILARITY_COLUMNS, *NULL_COLUMNS}
"""What tables of scores, and those made of them, have beside the tags of models."""
_HIDDEN = re.compile(r"embeddings|blocks?[.]|final_norm|pre_logits|.*[*?\[]")
"""Names and globs of layers that are not the outputs of a model."""
_STAND_INS: dict[str, Any] = {"study": "x", "models": [{"model": "x"}], "data": [{"data": "x"}]}


class _Checker:
    """Checks the parts of a study file one by one, and goes on after what is wrong."""

    def __init__(
        self,
        source: Source,
        file: StudyFile,
        broken: set[tuple[str | int, ...]],
        problems: Problems,
    ) -> None:
        self.source, self.file, self.broken = source, file, broken
        self.problems, self.collected = problems, problems.collected

    def study(self) -> Study:
        source, file = self.source, self.file
        models = self._distinct([one for part in self._entries(_model, "models") for one in part])
        before = len(self.problems.lines)
        data = self._distinct([one for part in self._entries(_one_data, "data") for one in part])
        if len(self.problems.lines) == before and not any("data" in part for part in self.broken):
            self._check_seen(models, data)
        measures = self._names(("measures",), file.measures, self._measure_of_layers)
        self._names(("poolings",), file.poolings, _pooling_name)
        data = [replace(one, descriptors=self._descriptors(one)) for one in data]
        named = [*file.descriptors, *(name for one in data for name in one.entry.descriptors or ())]
        presets = [PRESETS[name] for name in dict.fromkeys(named) if name in PRESETS]
        between = self._names(("describe", "between"), file.describe.between, _measure_name)
        between += tuple(get_measure(m).name for preset in presets for m in preset.measures)
        return Study(
            file=file,
            source=source,
            models=tuple(models),
            data=tuple(data),
            measures=measures,
            descriptors=tuple(dict.fromkeys(name for one in data for name in one.descriptors)),
            between=tuple(dict.fromkeys(between)),
            calibrated=self._calibrated(measures),
        )

    def _measure_of_layers(self, name: str) -> str:
        """The full name; refused if it compares predictions and layers that are none are asked."""
        measure = get_measure(name)
        hidden = self._hidden_layers() if measure.declared.family == OUTPUTS else None
        if hidden is not None:
            raise InvalidParameterError(
                f"{name!r} compares predictions, but `layers` asks for {hidden}, and units of "
                "hidden layers are no classes: compare outputs in a study of their own, e.g. with "
                "`layers: [logits]`"
            )
        return measure.name

    def _hidden_layers(self) -> str | None:
        """The first layers asked of a model that are not its outputs, in words."""
        for entry in self.file.models:
            asked = self.file.layers if entry.layers is None else entry.layers
            if asked is None and entry.read is None:
                return "all layers"
            named = next((layer for layer in asked or () if _HIDDEN.match(layer)), None)
            if named is not None:
                return repr(named)
        return None

    def _entries(self, made: Callable[..., Any], key: str) -> Iterator[list[Any]]:
        """What each entry that is not broken stands for, as far as it is right."""
        for position in range(len(getattr(self.file, key))):
            path = (key, position)
            if not self.broken & {(key,), path}:
                found: list[Any] = []
                with self.collected():
                    for one in expand(self.source, self.source.content[key][position], path):
                        with self.collected():
                            source = self.source.elsewhere(one.places)
                            found.append(made(source, self.file, path, one))
                yield found

    def _distinct(self, entries: Sequence[Any]) -> list[Any]:
        seen: dict[str, Any] = {}
        for entry in entries:
            first = seen.setdefault(entry.name, entry)
            with self.collected():
                if first is not entry:
                    where = self.source.place(first.path)
                    raise self.source.error(
                        entry.path,
                        f"two entries of {entry.path[0]} are called {entry.name!r} (the first at "
                        f"{where}): give each a `name`, with {{…}} for what `each` varies",
                    )
        return list(seen.values())

    def _check_seen(self, models: Sequence[Model], data: Sequence[Data]) -> None:
        known = [one.name for one in data]
        for model in models:
            for name in model.entry.data or ():
                with self.collected():
                    if name not in known:
                        raise self.source.error(
                            (*model.path, "data"),
                            f"the study has no data set called {name!r}: "
                            f"{did_you_mean(name, known)}",
                        )

    def _names(
        self,
        path: Sequence[str | int],
        names: Sequence[str],
        canonical: Callable[[str], str],
        position: int | None = 0,
    ) -> tuple[str, ...]:
        """The canonical names of those that are right; `position` None: all stand at one place."""
        found: list[str] = []
        for index, name in enumerate(names):
            place = [*path] if position is None else [*path, index]
            with self.collected():
                try:
                    one = canonical(name)
                except RepscapeError as problem:
                    raise self.source.error(place, str(problem)) from None
                if one in found:
                    raise self.source.error(
                        place, f"{name!r} stands twice, as {one}: leave one of them out"
                    )
                found.append(one)
        return tuple(found)

    def _descriptors(self, data: Data) -> tuple[str, ...]:
        own = data.entry.descriptors
        where = ("descriptors",) if own is None else (*data.path, "descriptors")
        found: list[str] = []
        for position, name in enumerate(self.file.descriptors if own is None else own):
            inside = PRESETS[name].descriptors if name in PRESETS else (name,)
            for one in inside:
                path = (*where, position)
                found += self._names(path, [one], lambda name: get_descriptor(name).name, None)
        return tuple(dict.fromkeys(found))

    def _calibrated(self, measures: Sequence[str]) -> tuple[str, ...]:
        """The measures whose scores get a null."""
        significance = self.file.significance
        if significance is None:
            return ()
        if significance.measures is None:
            return tuple(measures)
        path = ("significance", "measures")
        chosen = self._names(path, significance.measures, _measure_name)
        for position, name in enumerate(chosen):
            with self.collected():
                if name not in measures and len(measures) == len(self.file.measures):
                    raise self.source.error(
                        (*path, position),
                        f"{name} is none of the study's measures: add it there, or leave it out "
                        "here",
                    )
        return chosen

    def with_steps(self, study: Study) -> Study:
        """The study with its analyses, figures and sections of the report."""
        file = self.file
        known = [name for name in OWN_TABLES if self._has_table(study, name)]
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
            named = [(use.use, use.options) for use in uses or ()]
            if uses is None:
                named = [(name, {}) for name in defaults[where]]
            found: list[Chosen] = []
            for position, (name, options) in enumerate(named):
                with self.collected():
                    step = self._step(steps, name, options, (where, position), known)
                    found.append(step)
                if where == "analyses":
                    known.append(name)
                    known += [step.step.name for step in found[-1:]]
            chosen[where] = tuple(found)
        return replace(
            study,
            analyses=chosen["analyses"],
            figures=chosen["figures"],
            sections=chosen["report"],
        )

    def _step(
        self,
        steps: Steps[Any],
        name: str,
        options: Mapping[str, Any],
        path: tuple[str | int, ...],
        known: Sequence[str],
    ) -> Chosen:
        step = _found(self.source, steps, name, (*path, "use"))
        for table in step.needs:
            if table not in known:
                raise self.source.error(
                    path,
                    f"{name!r} needs the table {table!r}, and there are: " + ", ".join(known),
                )
        checked = _options(self.source, step, options, (*path, "options"))
        return Chosen(step, checked.options)

    def _has_table(self, study: Study, name: str) -> bool:
        """Whether there will be a table; one of what is wrong counts, since that is said."""
        file = self.file
        asked = file.descriptors or study.descriptors or ("descriptors",) in self.broken
        described = bool(asked)
        return {
            "models": True,
            "representations": True,
            "scores": bool(file.measures) or ("measures",) in self.broken,
            "geometry": described,
            "marks": described,
            "overlaps": bool(study.between or file.describe.between),
        }[name]


def _pooling_name(name: str) -> str:
    get_pooling(name)
    return name


def _measure_name(name: str) -> str:
    return get_measure(name).name


def _model(source: Source, file: StudyFile, path: Path_, one: Expanded) -> Model:
    entry: ModelEntry = check(source, ModelEntry, one.content, path)
    for tag in entry.tags:
        if tag in _COLUMNS:
            raise source.error(
                (*path, "tags", tag),
                f"a tag cannot be called {tag!r}, as a column of the tables is: give it another "
                f"name, e.g. {'model_' + tag!r}",
            )
    by: MakesModel = "model" if entry.model else "train" if entry.train else "read"
    origin = getattr(entry, by)
    options = dict(entry.options)
    if by != "model":
        steps: Steps[Any] = TRAINERS if by == "train" else READERS
        step = _found(source, steps, origin, (*path, by))
        options = _options(source, step, options, (*path, "options")).plain
    default = "/".join([origin, *map(str, one.values.values())]) if by != "model" else origin
    return Model(
        entry.name or default,
        by,
        origin,
        options,
        {name: _text(value) for name, value in entry.tags.items()},
        file.layers if entry.layers is None else entry.layers,
        entry,
        path,
        one.places,
    )


def _one_data(source: Source, file: StudyFile, path: Path_, one: Expanded) -> Data:
    del file
    entry: DataEntry = check(source, DataEntry, one.content, path)
    options = dict(entry.options)
    if entry.split is not None:
        options["split"] = entry.split
    name = entry.name or entry.data
    return Data(name, entry.data, options, entry.subset, entry, path, one.places)


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
        place = (*path, *quoted_key(options, str(problem)))
        raise source.error(place, str(problem)) from None
