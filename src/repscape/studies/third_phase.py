"""The third phase: the study's tables, merged, and those of its analyses."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from repscape.geometry.marks import MARKS_VERSION
from repscape.studies.phases import Beginning, End, Group
from repscape.studies.steps import tables as tables_step
from repscape.studies.study import Study
from repscape.tasks import Recipe, Task


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
    if groups:
        tables["representations"] = maker.representations()
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

    def representations(self) -> Task:
        used = {one.task.key for group in self.groups for one in group.extractions}
        rows = [
            {"model": one.model.name, "data": one.data.name, "extraction": one.task.key}
            for one in self.beginning.extractions
            if one.task.key in used
        ]
        needs = tuple(one.task for one in self.beginning.extractions if one.task.key in used)
        return self._task("representations", "run_representations", {"extractions": rows}, needs)

    def marks(self, geometry: Task) -> Task:
        parameters = {"table": "marks", "rule": MARKS_VERSION}
        recipe = Recipe(
            tables_step.KIND, tables_step.VERSION, parameters, {"geometry": geometry.key}
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
            {"run": step.run, "reads_representations": step.reads_representations},
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
