"""Turn a study into tasks, in three phases: representations, numbers, tables.

The tasks of a later phase are made for what the earlier one has left: a model that failed does
not keep the others from being compared, and a later run adds what is missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from repscape.errors import StudyError
from repscape.studies.covers import Covers
from repscape.studies.pairs import Pairs
from repscape.studies.resolve import (
    ResolvedData,
    Unresolved,
    model_revision,
    plain_subset,
    resolve_data,
)
from repscape.studies.steps import describe as describe_step
from repscape.studies.steps import extract as extract_step
from repscape.studies.steps import score as score_step
from repscape.studies.steps import tables as tables_step
from repscape.studies.steps.base import READERS, TRAINERS
from repscape.studies.study import Data, Model, Study
from repscape.tasks import Recipe, Task


@dataclass(frozen=True)
class Extraction:
    """One model on one data set, and the task that makes its representations."""

    model: Model
    data: Data
    split: str | None
    samples: int | None
    revision: str
    task: Task


@dataclass(frozen=True)
class Beginning:
    """The first phase: models, their evaluations, and extractions; and what is not at hand."""

    extractions: tuple[Extraction, ...]
    trainings: Mapping[str, Task]
    evaluations: Mapping[str, Task]
    revisions: Mapping[str, str]
    unresolved: tuple[Unresolved, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks of the phase, each once."""
        every = [*self.trainings.values(), *self.evaluations.values()]
        every += [extraction.task for extraction in self.extractions]
        return tuple({task.key: task for task in every}.values())


@dataclass(frozen=True)
class Group:
    """Tasks of one data set, pooling and measure (or descriptor): parts of one table."""

    what: str
    name: str
    data: Data
    split: str | None
    pooling: str
    extractions: tuple[Extraction, ...]
    parts: tuple[Task, ...]

    def to_dict(self, several_poolings: bool) -> dict[str, Any]:
        """What a task that merges tables is told."""
        return {
            "measure": self.name,
            "data": self.data.name,
            "split": self.split,
            "pooling": self.pooling,
            "several_poolings": several_poolings,
            "parts": [task.key for task in self.parts],
        }


@dataclass(frozen=True)
class Middle:
    """The second phase: scores and descriptions."""

    groups: tuple[Group, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks of the phase, each once."""
        return tuple({task.key: task for group in self.groups for task in group.parts}.values())


@dataclass(frozen=True)
class End:
    """The third phase: the study's tables by name, and those of its analyses."""

    tables: Mapping[str, Task] = field(default_factory=dict)
    analyses: Mapping[str, Task] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[Task, ...]:
        """All tasks of the phase."""
        return (*self.tables.values(), *self.analyses.values())


def begin(study: Study, hopeful: bool = False) -> Beginning:
    """Resolve models and data, and make the tasks of the first phase.

    If `hopeful`, models and data that are not at hand are planned all the same, under keys that
    nothing has.
    """
    return _Begin(study, hopeful).run()


class _Begin:
    def __init__(self, study: Study, hopeful: bool) -> None:
        self.study, self.hopeful = study, hopeful
        self.trainings: dict[str, Task] = {}
        self.evaluations: dict[str, Task] = {}
        self.revisions: dict[str, str] = {}
        self.unresolved: list[Unresolved] = []

    def run(self) -> Beginning:
        for model in self.study.models:
            if model.by == "train":
                self._train(model)
            elif model.by == "model":
                self._revise(model)
        loadable = any(model.by != "read" for model in self.study.models)
        extractions = []
        for data in self.study.data:
            resolved = resolve_data(self.study, data) if loadable else None
            if isinstance(resolved, Unresolved):
                self.unresolved.append(resolved)
                if self.hopeful:
                    resolved = ResolvedData(f"not at hand: {data.name}", data.split, None)
            for model in self.study.models:
                made = self._extraction(model, data, resolved)
                if made is not None:
                    extractions.append(made)
        _check_distinct(self.study, extractions)
        return Beginning(
            tuple(extractions),
            self.trainings,
            self.evaluations,
            self.revisions,
            tuple(self.unresolved),
        )

    def _train(self, model: Model) -> None:
        trainer = TRAINERS.find(model.source)
        options = trainer.options.model_validate(dict(model.options))
        training = trainer.task(options, model.name)
        resources = self.study.resources("train")
        training = Task(
            training.recipe,
            training.run,
            training.label,
            "train",
            training.arguments,
            training.needs,
            training.resources if "train" not in self.study.file.resources else resources,
        )
        self.trainings[model.name] = training
        self.revisions[model.name] = training.key
        if trainer.evaluate is not None:
            recipe = Recipe(
                "table",
                trainer.version,
                {"evaluate": model.source, "options": dict(model.options)},
                {"training": training.key},
            )
            self.evaluations[model.name] = Task(
                recipe,
                "repscape.studies.steps.evaluate:run_evaluation",
                f"evaluate {model.name}",
                "train",
                {"trainer": model.source},
                (training,),
            )

    def _revise(self, model: Model) -> None:
        found = model_revision(self.study, model)
        if isinstance(found, Unresolved):
            self.unresolved.append(found)
            if self.hopeful:
                self.revisions[model.name] = f"not at hand: {model.name}"
        else:
            self.revisions[model.name] = found

    def _extraction(
        self, model: Model, data: Data, resolved: ResolvedData | Unresolved | None
    ) -> Extraction | None:
        if model.by == "read":
            return self._reading(model, data)
        if model.name not in self.revisions or not isinstance(resolved, ResolvedData):
            return None
        file = self.study.file
        parameters = {
            "model_revision": self.revisions[model.name],
            "model_options": dict(model.options),
            "data_revision": resolved.revision,
            "split": resolved.split,
            "subset": plain_subset(data),
            "layers": list(model.layers),
            "poolings": list(file.poolings),
            "on_error": file.extract.on_error,
        }
        arguments = {
            "model": model.source,
            "model_name": model.name,
            "model_options": dict(model.options),
            "data": data.source,
            "data_options": dict(data.options),
            "batch_size": file.extract.batch_size,
            "device": file.extract.device,
        }
        inputs: dict[str, str] = {}
        needs: tuple[Task, ...] = ()
        if model.by == "train":
            arguments["load"] = TRAINERS.find(model.source).load
            inputs = {"training": self.trainings[model.name].key}
            needs = (self.trainings[model.name],)
        recipe = Recipe(extract_step.KIND, extract_step.VERSION, parameters, inputs)
        task = Task(
            recipe,
            "repscape.studies.steps.extract:run_extraction",
            f"{model.name} on {data.name}",
            "extract",
            arguments,
            needs,
            self.study.resources("extract"),
        )
        revision = self.revisions[model.name]
        return Extraction(model, data, resolved.split, resolved.samples, revision, task)

    def _reading(self, model: Model, data: Data) -> Extraction | None:
        reader = READERS.find(model.source)
        options = reader.options.model_validate(dict(model.options))
        try:
            revision = reader.revision(options, data.name)
        except (StudyError, OSError, ValueError, LookupError) as problem:
            place = self.study.source.place([*model.path, "read"])
            self.unresolved.append(Unresolved("model", model.name, str(problem), place))
            return None
        self.revisions.setdefault(model.name, revision)
        recipe = Recipe(
            extract_step.KIND,
            extract_step.READ_VERSION,
            {
                "revision": revision,
                "reader": model.source,
                "poolings": list(self.study.file.poolings),
            },
        )
        task = Task(
            recipe,
            "repscape.studies.steps.extract:run_reading",
            f"read {model.name} on {data.name}",
            "extract",
            {
                "reader": model.source,
                "options": dict(model.options),
                "model_name": model.name,
                "data_name": data.name,
            },
            (),
            self.study.resources("extract"),
        )
        return Extraction(model, data, data.split, None, revision, task)


def _check_distinct(study: Study, extractions: Sequence[Extraction]) -> None:
    seen: dict[str, Extraction] = {}
    for one in extractions:
        first = seen.setdefault(one.task.key, one)
        if first is one:
            continue
        if first.model is not one.model:
            raise study.source.error(
                one.model.path,
                f"the models {first.model.name!r} and {one.model.name!r} are the same (revision "
                f"{one.revision}, the same options): leave one of them out",
            )
        raise study.source.error(
            one.data.path,
            f"the data sets {first.data.name!r} and {one.data.name!r} are the same samples: leave "
            "one of them out",
        )


def continue_(study: Study, extractions: Sequence[Extraction], covers: Covers) -> Middle:
    """Make the tasks of the second phase for these extractions."""
    groups: list[Group] = []
    for data in study.data:
        here = tuple(one for one in extractions if one.data is data)
        for pooling in study.file.poolings if here else ():
            groups += [_scores(study, name, pooling, here, covers) for name in study.measures]
            for what, names in (("descriptor", study.descriptors), ("measure", study.between)):
                groups += [_profiles(study, what, name, pooling, here) for name in names]
    return Middle(tuple(groups))


def _scores(
    study: Study, measure: str, pooling: str, here: tuple[Extraction, ...], covers: Covers
) -> Group:
    settings, significance = study.file.compare, study.file.significance
    null = None
    if significance is not None and measure in study.calibrated:
        null = {
            "null": significance.method,
            "n_permutations": significance.permutations,
            "seed": significance.seed,
        }
    family = {
        "measure": measure,
        "pooling": pooling,
        "which": settings.pairs,
        "align": settings.align,
        "null": null,
    }
    by_key = {one.task.key: one for one in here}
    parts = covers.parts(family, list(by_key), settings.group, settings.align == "strict")
    tasks = tuple(_scores_task(study, family, part, by_key, len(parts)) for part in parts)
    return Group("scores", measure, here[0].data, here[0].split, pooling, here, tasks)


def _scores_task(
    study: Study,
    family: Mapping[str, Any],
    part: Pairs,
    by_key: Mapping[str, Extraction],
    parts: int,
) -> Task:
    settings = study.file.compare
    inside = [by_key[key] for key in part.keys if key in by_key]
    label = f"{family['measure']} on {inside[0].data.name}"
    if len(study.file.poolings) > 1:
        label += f", {family['pooling']}"
    if parts > 1:
        label += f", {len(part.keys)} models"
    return Task(
        score_recipe(family, part),
        "repscape.studies.steps.score:run_scores",
        label,
        "compare",
        {"memory_limit": settings.memory_limit, "device": settings.device},
        tuple(one.task for one in inside),
        study.resources("compare"),
    )


def score_recipe(family: Mapping[str, Any], part: Pairs) -> Recipe:
    """The recipe of one table of scores."""
    parameters = {**family, "pairs": part.to_dict()}
    inputs = {key: key for key in part.keys}
    return Recipe(score_step.KIND, score_step.VERSION, parameters, inputs)


def _profiles(
    study: Study, what: str, name: str, pooling: str, here: tuple[Extraction, ...]
) -> Group:
    sets = [here] if study.file.describe.together else [(one,) for one in here]
    tasks = tuple(_profile_task(study, what, name, pooling, one) for one in sets)
    kind = "geometry" if what == "descriptor" else "overlaps"
    return Group(kind, name, here[0].data, here[0].split, pooling, here, tasks)


def _profile_task(
    study: Study, what: str, name: str, pooling: str, here: tuple[Extraction, ...]
) -> Task:
    settings = study.file.describe
    keys = [one.task.key for one in here]
    recipe = Recipe(
        describe_step.KIND,
        describe_step.VERSION,
        {
            what: name,
            "pooling": pooling,
            "extractions": keys,
            "duplicates": settings.duplicates,
            "controls": list(settings.controls) if what == "descriptor" else [],
            "seed": settings.seed,
        },
        {key: key for key in keys},
    )
    whose = here[0].model.name if len(here) == 1 else f"{len(here)} models"
    return Task(
        recipe,
        "repscape.studies.steps.describe:run_profile",
        f"{name} of {whose} on {here[0].data.name}",
        "describe",
        {"memory_limit": settings.memory_limit, "device": settings.device},
        tuple(one.task for one in here),
        study.resources("describe"),
    )


def end(study: Study, beginning: Beginning, groups: Sequence[Group]) -> End:
    """Make the tasks of the third phase for these groups, each with the parts that there are."""
    maker = _End(study, beginning, groups)
    tables: dict[str, Task] = {"models": maker.models()}
    merges: dict[str, tuple[str, Callable[[str, str], Task]]] = {
        "scores": ("run_scores_table", maker.merged),
        "geometry": ("run_geometry_table", maker.merged),
        "overlaps": ("run_overlaps_table", maker.merged),
    }
    for name, (run, make) in merges.items():
        if any(group.what == name and group.parts for group in groups):
            tables[name] = make(name, run)
    if "geometry" in tables:
        tables["marks"] = maker.marks(tables["geometry"])
    analyses: dict[str, Task] = {}
    for chosen in study.analyses:
        known = {**tables, **analyses}
        if all(name in known for name in chosen.step.needs):
            analyses[chosen.step.name] = maker.analysis(chosen.step, chosen.plain, known)
    return End(tables, analyses)


class _End:
    def __init__(self, study: Study, beginning: Beginning, groups: Sequence[Group]) -> None:
        self.study, self.beginning, self.groups = study, beginning, groups
        extractions = {one.task.key: one for one in beginning.extractions}
        self.names = {
            key: {"name": one.model.name, "tags": dict(one.model.tags)}
            for key, one in extractions.items()
        }
        self.several = len(study.file.poolings) > 1

    def models(self) -> Task:
        rows = [
            {
                "name": model.name,
                "source": f"{model.by} {model.source}",
                "tags": dict(model.tags),
                "revision": self.beginning.revisions.get(model.name),
                "evaluations": [self.beginning.evaluations[model.name].key]
                if model.name in self.beginning.evaluations
                else [],
            }
            for model in self.study.models
        ]
        needs = tuple(self.beginning.evaluations.values())
        return self._task("models", "run_models", {"models": rows}, needs)

    def merged(self, name: str, run: str) -> Task:
        groups = [group for group in self.groups if group.what == name and group.parts]
        used = {one.task.key for group in groups for one in group.extractions}
        parameters = {
            "models": {key: value for key, value in self.names.items() if key in used},
            "order": [one.task.key for one in self.beginning.extractions if one.task.key in used],
            "groups": [
                group.to_dict(self.several)
                | {"extractions": [one.task.key for one in group.extractions]}
                for group in groups
            ],
        }
        return self._task(name, run, parameters, tuple(t for g in groups for t in g.parts))

    def marks(self, geometry: Task) -> Task:
        recipe = Recipe(
            tables_step.KIND, tables_step.VERSION, {"table": "marks"}, {"geometry": geometry.key}
        )
        return self._of(
            recipe, "repscape.studies.steps.tables:run_marks_table", "marks", (geometry,)
        )

    def analysis(self, step: Any, options: Mapping[str, Any], known: Mapping[str, Task]) -> Task:
        recipe = Recipe(
            tables_step.KIND,
            step.version,
            {"analysis": step.name, "options": dict(options)},
            {name: known[name].key for name in step.needs},
        )
        return Task(
            recipe,
            "repscape.studies.steps.analyse:run_analysis",
            step.name,
            "analyse",
            {"run": step.run},
            tuple(known[name] for name in step.needs),
            self.study.resources("analyse"),
        )

    def _task(
        self, name: str, run: str, parameters: Mapping[str, Any], needs: tuple[Task, ...]
    ) -> Task:
        inputs = {task.key: task.key for task in needs}
        recipe = Recipe(
            tables_step.KIND, tables_step.VERSION, {"table": name, **parameters}, inputs
        )
        return self._of(recipe, f"repscape.studies.steps.tables:{run}", name, needs)

    def _of(self, recipe: Recipe, run: str, name: str, needs: tuple[Task, ...]) -> Task:
        resources = self.study.resources("tables")
        return Task(recipe, run, f"table {name}", "tables", {}, needs, resources)
