"""The first phase: train, evaluate and extract; what is not at hand is named and left out."""

from __future__ import annotations

from collections.abc import Sequence

from repscape.errors import StudyError
from repscape.studies.phases import Beginning, Extraction
from repscape.studies.resolve import (
    ResolvedData,
    Unresolved,
    model_revision,
    plain_subset,
    resolve_data,
)
from repscape.studies.steps import extract as extract_step
from repscape.studies.steps.base import READERS, TRAINERS
from repscape.studies.study import Data, Model, Study
from repscape.tasks import Recipe, Task


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
                if not model.sees(data):
                    continue
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
            "layers": None if model.layers is None else list(model.layers),
            "poolings": list(file.poolings),
            "on_error": file.extract.on_error,
            "output_dtype": file.extract.output_dtype,
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
            place = self.study.source.elsewhere(model.places).place([*model.path, "read"])
            self.unresolved.append(Unresolved("model", model.name, str(problem), place))
            if not self.hopeful:
                return None
            revision = f"not at hand: {model.name} on {data.name}"
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
