"""`run_study`: execute what is missing of a study, phase by phase, and write its outputs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.errors import InvalidParameterError, did_you_mean
from repscape.execution.run import opened, run_tasks
from repscape.store import Store
from repscape.studies.covers import Covers
from repscape.studies.drivers import driving
from repscape.studies.first_phase import begin
from repscape.studies.outputs import Missing, Results, Written, write_outputs
from repscape.studies.phases import Beginning, End, Group, Middle
from repscape.studies.schema import STAGES
from repscape.studies.second_phase import continue_
from repscape.studies.snapshot import write_snapshot
from repscape.studies.third_phase import end

if TYPE_CHECKING:
    from repscape.execution.executor import Executor
    from repscape.execution.outcomes import Event, Failure
    from repscape.studies.study import Study
    from repscape.tasks import Task

Tell = Callable[["Event"], None]
ALL_STAGES = (*STAGES, "report")
_NEEDED = {
    "compare": ("extract",),
    "describe": ("extract",),
    "tables": ("train", "extract", "compare", "describe"),
    "analyse": ("train", "extract", "compare", "describe", "tables"),
}


@dataclass(frozen=True)
class StudyResult:
    """What a run did.

    Attributes
    ----------
    made, found : int
        Tasks that ran, and those whose artefacts were there.
    failed : sequence of Failure
    blocked : int
        Tasks that were not tried since one that they need failed.
    missing : sequence of Missing
        What the outputs lack, and why.
    outputs : Written, optional
        None if the run was asked for some stage only.
    """

    made: int
    found: int
    failed: Sequence[Failure] = ()
    blocked: int = 0
    missing: Sequence[Missing] = ()
    outputs: Written | None = None

    @property
    def complete(self) -> bool:
        """Whether all that the study asks for is there."""
        return not (self.failed or self.blocked or self.missing)


@dataclass
class _Tally:
    made: list[Task] = field(default_factory=list)
    found: list[Task] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    blocked: list[Task] = field(default_factory=list)


def run_study(
    study: Study,
    out: Path,
    store: Store,
    executor: str | Executor = "inline",
    *,
    only: str | None = None,
    tell: Tell | None = None,
    on_phase: Callable[[Sequence[Task]], None] | None = None,
    on_write: Callable[[], None] | None = None,
) -> StudyResult:
    """Execute what is missing, and write tables, figures and `report.html`.

    Parameters
    ----------
    study : Study
    out : path
        The output folder.
    store : Store
        Where everything that is computed is kept.
    executor : str or Executor
        What runs the tasks; the results do not depend on it.
    only : str, optional
        One stage; what its tasks need is made too. `"report"` runs nothing: the outputs are
        written from what the store has.
    tell : callable (Event), optional
        Told what happens to every task.
    on_phase : callable (tasks), optional
        Told the tasks of each phase before they run.
    on_write : callable (), optional
        Called before outputs are written; not if they stand already.
    """
    return _Run(study, out, store, executor, only, tell, on_phase, on_write).run()


class _Run:
    def __init__(
        self,
        study: Study,
        out: Path,
        store: Store,
        executor: str | Executor,
        only: str | None,
        tell: Tell | None,
        on_phase: Callable[[Sequence[Task]], None] | None,
        on_write: Callable[[], None] | None,
    ) -> None:
        if only is not None and only not in ALL_STAGES:
            raise InvalidParameterError(
                f"there is no stage {only!r}: {did_you_mean(only, ALL_STAGES)}"
            )
        self.study, self.out, self.store, self.executor = study, out, store, executor
        self.only, self.tell, self.on_phase, self.on_write = only, tell, on_phase, on_write
        self.tally = _Tally()

    def run(self) -> StudyResult:
        if self.only == "report":
            return self._write(*self._compute())
        with opened(self.executor, self.store) as self.executor, driving(self.out, self.store):
            found = self._compute()
        return self._write(*found)

    def _compute(self) -> tuple[Beginning, Middle | None, End | None]:
        """Execute the phases; None for those that were not asked for."""
        beginning = begin(self.study)
        announced = self._announce(beginning)
        self._execute(beginning.tasks)
        if self._is_over("train", "extract"):
            return beginning, None, None
        there = [one for one in beginning.extractions if self.store.has(one.task.key)]
        covers = Covers(self.store, record=self.only != "report")
        middle = continue_(self.study, there, covers, beginning.extractions)
        if not announced.issuperset(task.key for task in middle.tasks):
            self._announce(beginning)  # sizes are known now, so also how scores are divided
        self._execute(middle.tasks)
        if self._is_over("compare", "describe"):
            return beginning, middle, None
        groups = with_what_is_there(middle, self.store)
        last = end(self.study, _with_evaluations(beginning, self.store), groups)
        self._execute(last.tasks)
        return beginning, middle, None if self._is_over("tables", "analyse") else last

    def _write(self, beginning: Beginning, middle: Middle | None, last: End | None) -> StudyResult:
        """Write the outputs, unless nothing could be extracted: an empty report says nothing."""
        nothing = self.only is None and not any(
            self.store.has(one.task.key) for one in beginning.extractions
        )
        if middle is None or last is None or nothing:
            return self._result(beginning, None)
        missing = self._missing(beginning, middle)
        results = Results(self.study, beginning, last, self.store, missing)
        again = self.only == "report"
        written = write_outputs(self.out, results, again, self.on_write)
        return self._result(beginning, written)

    def _announce(self, beginning: Beginning) -> set[str]:
        """Write down all tasks, as if none will fail, for `repscape status`; return their keys."""
        if self.only == "report":
            return set()
        middle = continue_(self.study, beginning.extractions, Covers(self.store))
        last = end(self.study, beginning, middle.groups)
        tasks = [*beginning.tasks, *middle.tasks, *last.tasks]
        write_snapshot(self.out, self.study, self.store, tasks)
        return {task.key for task in tasks}

    def _execute(self, tasks: Sequence[Task]) -> None:
        if self.only == "report":
            return
        wanted = [task for task in tasks if self._is_wanted(task)]
        if self.on_phase is not None and wanted:
            self.on_phase(wanted)
        if not wanted:
            return
        found = run_tasks(
            [_without_what_is_there(task, self.store) for task in wanted],
            self.store,
            self.executor,
            self.tell,
            retries=self.study.file.retries,
        )
        self.tally.made += found.made
        self.tally.found += found.found
        self.tally.failed += found.failed
        self.tally.blocked += found.blocked

    def _is_wanted(self, task: Task) -> bool:
        """Whether a task is of the stage that was asked for, or one that such a task needs."""
        return self.only is None or task.stage in (self.only, *_NEEDED.get(self.only, ()))

    def _is_over(self, *stages: str) -> bool:
        return self.only in stages

    def _missing(self, beginning: Beginning, middle: Middle) -> list[Missing]:
        reasons = {failure.key: _reason(failure) for failure in self.tally.failed}
        found = [Missing(f"{one.what} {one.name}", one.reason) for one in beginning.unresolved]
        tasks = [*beginning.tasks, *middle.tasks]
        for task in tasks:
            if not self.store.has(task.key):
                because = _because(task, reasons)
                found.append(Missing(task.label, because))
        return found

    def _result(self, beginning: Beginning, written: Written | None) -> StudyResult:
        tally = self.tally
        missing = [Missing(f"{one.what} {one.name}", one.reason) for one in beginning.unresolved]
        return StudyResult(
            len({task.key for task in tally.made}),
            len({task.key for task in tally.found}),
            tuple(tally.failed),
            len(tally.blocked),
            tuple(missing),
            written,
        )


def _without_what_is_there(task: Task, store: Store) -> Task:
    """The task without those needs that are committed, so that they are not looked at again."""
    missing = tuple(
        _without_what_is_there(needed, store) for needed in task.needs if not store.has(needed.key)
    )
    return replace(task, needs=missing)


def _with_evaluations(beginning: Beginning, store: Store) -> Beginning:
    """The first phase with those evaluations that the store has."""
    there = {name: task for name, task in beginning.evaluations.items() if store.has(task.key)}
    return replace(beginning, evaluations=there)


def with_what_is_there(middle: Middle, store: Store) -> list[Group]:
    """The groups with the parts that the store has."""
    return [
        replace(group, parts=tuple(task for task in group.parts if store.has(task.key)))
        for group in middle.groups
    ]


def _reason(failure: Failure) -> str:
    return f"{failure.error}: {failure.message}"


def _because(task: Task, reasons: Mapping[str, str]) -> str:
    if task.key in reasons:
        return reasons[task.key]
    for needed in task.needs:
        if needed.key in reasons:
            return f"{needed.label!r}, which it needs, failed"
    return "it has not been computed yet"
