"""`plan_study`: the tasks of a study, what is there already, and what the rest will cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from repscape.measures.base import get_measure
from repscape.studies.covers import Covers
from repscape.studies.estimate import (
    ROW_BYTES,
    UNKNOWN,
    Cost,
    Size,
    cost_of_extraction,
    cost_of_fitting,
    cost_of_profile,
    cost_of_reading,
    cost_of_scores,
    count_layer_pairs,
    null_operations,
    size_of,
)
from repscape.studies.first_phase import begin
from repscape.studies.pace import Paces, paces_of
from repscape.studies.pairs import Pairs
from repscape.studies.phases import Beginning, Extraction, Group, Middle
from repscape.studies.resolve import Unresolved
from repscape.studies.schema import STAGES
from repscape.studies.second_phase import continue_
from repscape.studies.steps.score import KIND as SCORES
from repscape.studies.steps.tiles import FITTED
from repscape.studies.third_phase import end
from repscape.studies.unscored import foreseen
from repscape.tasks import Task

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.studies.study import Study

DEFAULT_BATCH = 32
_TABLES = Cost(1e6, 1e6, 2.0**27, 0.06)
_ANALYSIS = (0.05, 0.06, 6e5)
"""Of an analysis: seconds, of each measure on each data set, and operations of each score."""


@dataclass(frozen=True)
class PlannedTask:
    """One task, whether its artefact is there, and what it costs."""

    task: Task
    done: bool
    cost: Cost
    pace: float = 1.0
    """What such tasks took before, against what was said of them."""

    @property
    def seconds(self) -> float | None:
        """The time that it takes with its resources."""
        said = self.cost.seconds(self.task.resources.cpus, self.task.resources.gpus)
        return None if said is None else said * self.pace


@dataclass(frozen=True)
class StagePlan:
    """The tasks of one stage; sums are over those that are still to do."""

    stage: str
    tasks: tuple[PlannedTask, ...]
    timed: int = 0
    """How many tasks of the stage told how long such tasks take; 0: that is assumed."""

    @property
    def to_do(self) -> tuple[PlannedTask, ...]:
        """The tasks whose artefacts are missing."""
        return tuple(one for one in self.tasks if not one.done)

    @property
    def operations(self) -> float:
        """Of the tasks to do, as far as known."""
        return sum(one.cost.operations or 0.0 for one in self.to_do)

    @property
    def bytes(self) -> float:
        """That the tasks to do will write, as far as known."""
        return sum(one.cost.bytes or 0.0 for one in self.to_do)

    @property
    def seconds(self) -> float:
        """Of the tasks to do, one after the other, as far as known."""
        return sum(one.seconds or 0.0 for one in self.to_do)

    @property
    def gpu_seconds(self) -> float:
        """GPUs times seconds of the tasks to do, as far as known."""
        return sum((one.seconds or 0.0) * one.task.resources.gpus for one in self.to_do)

    @property
    def memory(self) -> float:
        """The most that one of the tasks to do holds, as far as known."""
        return max((one.cost.memory or 0.0 for one in self.to_do), default=0.0)

    @property
    def unknown(self) -> int:
        """How many of the tasks to do have a size that is not known."""
        return sum(one.cost.operations is None for one in self.to_do)


@dataclass(frozen=True)
class Plan:
    """What a study will do.

    Attributes
    ----------
    without_null : tuple of str
        A line for each measure whose scores get no null, and why.
    unscored : tuple of str
        A line for each measure that will give no number, since there are too few samples.
    """

    study: Study
    stages: tuple[StagePlan, ...]
    unresolved: tuple[Unresolved, ...] = ()
    without_null: tuple[str, ...] = ()
    unscored: tuple[str, ...] = ()

    @property
    def tasks(self) -> int:
        """How many tasks there are."""
        return sum(len(stage.tasks) for stage in self.stages)

    @property
    def to_do(self) -> int:
        """How many of them are still to do."""
        return sum(len(stage.to_do) for stage in self.stages)


def plan_study(study: Study, store: Store | None) -> Plan:
    """Compile a study and estimate what is missing; nothing is computed or written.

    Models and data that cannot be opened here are planned by what the file says to `expect`.

    Parameters
    ----------
    study : Study
    store : Store, optional
        None where there is none yet.
    """
    beginning = begin(study, hopeful=True)
    middle = continue_(study, beginning.extractions, Covers(store))
    last = end(study, beginning, middle.groups)
    costs = _Costs(study, beginning, middle, store)
    kinds = {task.recipe.kind for task in (*beginning.tasks, *middle.tasks, *last.tasks)}
    done = set() if store is None else {key for kind in kinds for key in store.keys(kind)}
    by_stage: dict[str, list[PlannedTask]] = {stage: [] for stage in STAGES}
    for task in (*beginning.tasks, *middle.tasks, *last.tasks):
        by_stage[task.stage].append(PlannedTask(task, task.key in done, costs.of(task)))
    stages = tuple(_stages(by_stage, store))
    without_null = tuple(dict.fromkeys(costs.without_null(middle.groups)))
    unscored = tuple(dict.fromkeys(costs.unscored(middle.groups)))
    return Plan(study, stages, beginning.unresolved, without_null, unscored)


def _stages(
    by_stage: Mapping[str, Sequence[PlannedTask]], store: Store | None
) -> Iterator[StagePlan]:
    """The stages, with the pace of those tasks that are done for those that are not."""
    for stage, tasks in by_stage.items():
        done = [(one.task, one.seconds) for one in tasks if one.done]
        paces = Paces()
        if store is not None and done and len(done) < len(tasks):
            paces = paces_of(done, store)
        timed = tuple(one if one.done else replace(one, pace=paces.of(one.task)) for one in tasks)
        if tasks:
            yield StagePlan(stage, timed, paces.tasks(stage))


class _Costs:
    """The cost of every task of a study."""

    def __init__(
        self, study: Study, beginning: Beginning, middle: Middle, store: Store | None
    ) -> None:
        self.study = study
        self.poolings = len(study.file.poolings)
        self.sizes: dict[str, Size | None] = {
            one.task.key: size_of(one, store) for one in beginning.extractions
        }
        self.known: dict[str, Cost] = {}
        self.rows, self.scored = 0.0, sum(group.what == "scores" for group in middle.groups)
        for model in study.models:
            if model.by == "train" and model.name in beginning.trainings:
                self.known[beginning.trainings[model.name].key] = _training(model.expected)
        for extraction in beginning.extractions:
            self.known[extraction.task.key] = self._extraction(extraction)
        for group in middle.groups:
            for task in (*group.parts, *group.before):
                self.known[task.key] = self._part(group, task)
                if group.what == "scores" and task.recipe.kind == SCORES:
                    self.rows += (self.known[task.key].bytes or 0.0) / ROW_BYTES

    def of(self, task: Task) -> Cost:
        """The cost of a task; tables are small, and analyses go by what is scored."""
        if task.stage == "analyse":
            seconds, of_measure, of_score = _ANALYSIS
            overhead = seconds + of_measure * self.scored
            return Cost(1e6 + of_score * self.rows, 1e6, 2.0**27, overhead)
        return self.known.get(task.key, _TABLES)

    def _extraction(self, extraction: Extraction) -> Cost:
        if extraction.model.by == "read":
            return cost_of_reading(self.sizes[extraction.task.key])
        batch = self.study.file.extract.batch_size or DEFAULT_BATCH
        return cost_of_extraction(self.sizes[extraction.task.key], self.poolings, batch)

    def _part(self, group: Group, task: Task) -> Cost:
        parameters: Mapping[str, Any] = task.recipe.parameters
        if group.what != "scores":
            sizes = [self.sizes.get(key) for key in task.recipe.inputs]
            return cost_of_profile(group.name, sizes, len(parameters["controls"]))
        if task.recipe.kind == FITTED:
            [size] = [self.sizes.get(key) for key in task.recipe.inputs.values()]
            return cost_of_fitting(size)
        part = Pairs.from_dict(parameters["pairs"])
        if task.recipe.kind == SCORES and part.division is not None:
            return _TABLES
        sizes = [self.sizes.get(key) for key in part.keys]
        null = parameters.get("null") or {}
        count = count_layer_pairs(part, self.sizes, parameters["which"])
        cost = cost_of_scores(
            group.name,
            sizes,
            count,
            null.get("n_permutations", 0),
            null.get("budget"),
            self.study.file.compare.memory_limit,
        )
        return cost if part.division is None else _share(cost, part.division.groups, sizes)

    def unscored(self, groups: Sequence[Group]) -> Iterator[str]:
        """A line for each measure of which no score can be computed."""
        for group in groups:
            known = [self.sizes.get(one.task.key) for one in group.extractions]
            counts = [size.n for size in known if size is not None]
            if counts and group.what in ("scores", "overlaps"):
                yield from foreseen([group.name], group.data.name, max(counts))

    def without_null(self, groups: Sequence[Group]) -> Iterator[str]:
        """A line for each measure whose scores were to get a null, and will not."""
        significance = self.study.file.significance
        for group in groups:
            if significance is None or group.what != "scores":
                continue
            measure = get_measure(group.name)
            if group.name in self.study.calibrated and not measure.declared.matches_samples:
                yield (
                    f"{group.name}: no null, since its score does not depend on which sample is "
                    "paired with which"
                )
            known = [self.sizes.get(one.task.key) for one in group.extractions]
            sizes = [size for size in known if size is not None]
            budget = significance.affordable
            if not sizes or budget is None or group.name not in self.study.calibrated:
                continue
            n, d = max(size.n for size in sizes), max(max(size.widths) for size in sizes)
            cost = null_operations(measure, n, d, significance.permutations)
            if cost > budget:
                yield (
                    f"{group.name} on {group.data.name}: no null of the widest layers, which would "
                    f"take {cost:.0e} operations for each two (significance.budget: {budget:.0e})"
                )


def _share(cost: Cost, groups: int, sizes: Sequence[Size | None]) -> Cost:
    """The cost of one group of tiles of a divided sweep: its sums of rows and of pairs."""
    if cost.operations is None:
        return cost
    known = [size for size in sizes if size is not None]
    layers = sum(len(size.widths) for size in known)
    written = 8.0 * layers * (max(size.n for size in known) + layers)
    return Cost(cost.operations / groups, written, cost.memory)


def _training(expected: Mapping[str, float]) -> Cost:
    operations = expected.get("training_operations")
    parameters = expected.get("parameters")
    if operations is None or parameters is None:
        return UNKNOWN
    return Cost(operations, 4 * parameters, 16 * parameters + 2.0**28)
