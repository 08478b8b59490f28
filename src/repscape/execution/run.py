"""`run_tasks`: make what a store lacks, each task after those that it needs.

The driver keeps nothing but what the store tells it: kill it at any moment and run again, or
run two at once on one store.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

from repscape.errors import InvalidParameterError, StoreNotWritableError
from repscape.execution.executor import Ended, Executor
from repscape.execution.graph import Graph
from repscape.execution.ledger import clean_task_files, record_failure
from repscape.execution.names import get_executor
from repscape.execution.outcomes import Event, Failure, RunResult, What
from repscape.store.leases import Leases

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task

Report = Callable[[Event], None]
LOST_RETRIES = 2
_WAIT_SECONDS = 1.0
_LOOK_SECONDS = 0.2


def run_tasks(
    tasks: Sequence[Task],
    store: Store,
    executor: str | Executor = "inline",
    report: Report | None = None,
    *,
    retries: int = 0,
    lost_retries: int = LOST_RETRIES,
) -> RunResult:
    """Make the artefacts that the store lacks.

    A task that fails is recorded beside the artefacts with its traceback and its inputs; the
    tasks that need it are blocked, everything else goes on. Running again tries it again.

    Parameters
    ----------
    tasks : sequence of Task
        What they need is made too.
    store : Store
    executor : str or Executor
        `"inline"`, `"processes"`, `"slurm[partition=gpu]"`, … (`get_executor` reads it), or an
        executor with its settings.
    report : callable (Event), optional
        Told what happens to every task.
    retries : int
        How often a task that raised an error is tried again in this run.
    lost_retries : int
        The same for a task whose worker was lost: killed, out of memory, its node gone.

    Returns
    -------
    RunResult
        What was made, found, failed and blocked.

    Raises
    ------
    InvalidParameterError
        If there is no such executor, or it cannot be used.
    StoreNotWritableError
        If the store is on a full or read-only disk: nothing that a task made could be kept.
    """
    with opened(executor, store) as engine:
        found = _Driver(Graph(tasks), store, engine, report, retries, lost_retries).run()
    if found.made:
        clean_task_files(store)
    return found


@contextmanager
def opened(executor: str | Executor, store: Store) -> Iterator[Executor]:
    """An executor that several calls of `run_tasks` use one after the other.

    It is opened once, so that one that cannot be used is an error before anything is done.

    Raises
    ------
    InvalidParameterError
        If there is no such executor, or it cannot be used.
    """
    if isinstance(executor, _Opened):
        yield executor
        return
    engine = get_executor(executor) if isinstance(executor, str) else executor
    engine.open(store)
    try:
        yield _Opened(engine)
    finally:
        engine.close()


class _Opened:
    """An executor that is open already."""

    def __init__(self, engine: Executor) -> None:
        self.room, self.start, self.ended = engine.room, engine.start, engine.ended

    def open(self, store: Store) -> None:
        """It is."""

    def close(self) -> None:
        """Whoever opened it closes it."""


class _Driver:
    """One run: hands ready tasks to the executor, and lets the store say what became of them."""

    def __init__(
        self,
        graph: Graph,
        store: Store,
        executor: Executor,
        report: Report | None,
        retries: int,
        lost_retries: int,
    ) -> None:
        self._graph, self._store, self._executor = graph, store, executor
        self._report = report
        self._retries, self._lost_retries = retries, lost_retries
        self._began: dict[str, float] = {}
        self._errors: Counter[str] = Counter()
        self._losses: Counter[str] = Counter()
        self._made: list[Task] = []
        self._found: list[Task] = []
        self._failed: list[Failure] = []
        self._blocked: list[Task] = []
        self._unwritable: Failure | None = None
        self._leases = Leases(store.root)
        self._elsewhere: dict[str, Task] = {}

    def run(self) -> RunResult:
        for task in self._graph.tasks.values():
            if self._store.has(task.key):
                self._finish(task, "found")
        while self._graph.unfinished:
            self._look_elsewhere()
            self._start()
            if self._began:
                pause = _LOOK_SECONDS if self._elsewhere else _WAIT_SECONDS
                for ended in self._executor.ended(pause):
                    self._settle(ended)
            elif (self._elsewhere or self._graph.any_ready) and self._unwritable is None:
                time.sleep(_LOOK_SECONDS)  # for other runs, or for an executor that is full
            else:
                break
        if self._unwritable is not None:
            raise StoreNotWritableError(self._unwritable.message)
        if self._graph.unfinished:
            raise InvalidParameterError("these tasks need each other, so none can be first")
        return RunResult(
            tuple(self._made), tuple(self._found), tuple(self._failed), tuple(self._blocked)
        )

    def _start(self) -> None:
        """Hand the executor what can start; after the disk is full, nothing."""
        if self._unwritable is not None:
            return
        while room := self._executor.room():
            ready = list(islice(self._graph.ready(), room))
            missing = [task for task in ready if not self._is_someone_elses(task)]
            started = self._executor.start(missing)
            keys = {task.key for task in started}
            for task in started:
                self._began[task.key] = time.monotonic()
                self._tell(Event(task, "started"))
            for task in missing:
                if task.key not in keys:
                    self._graph.offer(task.key)
            if not ready or len(keys) < len(missing):
                return

    def _is_someone_elses(self, task: Task) -> bool:
        """Whether another run has made the artefact in the meantime, or is about to."""
        if self._store.has(task.key):
            self._finish(task, "found")
            return True
        held = self._leases.is_held(task.key)
        if held:
            self._wait_for(task)
        return held

    def _wait_for(self, task: Task) -> None:
        self._elsewhere[task.key] = task
        self._tell(Event(task, "elsewhere"))

    def _look_elsewhere(self) -> None:
        """What became of the tasks that other runs are at."""
        for task in list(self._elsewhere.values()):
            if self._store.has(task.key):
                del self._elsewhere[task.key]
                self._finish(task, "found")
            elif not self._leases.is_held(task.key):
                del self._elsewhere[task.key]
                self._graph.offer(task.key)

    def _settle(self, ended: Ended) -> None:
        task = self._graph.tasks[ended.key]
        seconds = time.monotonic() - self._began.pop(task.key)
        outcome = ended.outcome
        if self._store.has(task.key):
            self._finish(task, "found" if outcome and outcome.what == "found" else "made", seconds)
            return
        if outcome is not None and outcome.what == "held":
            self._wait_for(task)
            return
        failure = outcome.failure if outcome is not None else None
        if failure is not None:
            self._errors[task.key] += 1
            again = self._errors[task.key] <= self._retries
        else:
            self._losses[task.key] += 1
            again = not ended.refused and self._losses[task.key] <= self._lost_retries
            failure = self._lost(task, ended, seconds)
        attempts = self._errors[task.key] + self._losses[task.key]
        self._fail(task, replace(failure, attempts=attempts), again, seconds)

    def _lost(self, task: Task, ended: Ended, seconds: float) -> Failure:
        said = "" if ended.outcome is None else ended.outcome.what
        return Failure(
            key=task.key,
            label=task.label,
            stage=task.stage,
            run=task.run,
            error="Refused" if ended.refused else "WorkerLost",
            message=ended.reason or f"its worker says {said!r}, but the store has no artefact",
            inputs=dict(task.recipe.inputs),
            arguments=dict(task.arguments),
            seconds=round(seconds, 3),
        )

    def _fail(self, task: Task, failure: Failure, again: bool, seconds: float) -> None:
        if failure.error == StoreNotWritableError.__name__:
            self._unwritable = failure
            again = False
        else:
            record_failure(failure, self._store)
        if again:
            self._tell(Event(task, "retried", seconds, failure))
            self._graph.offer(task.key)
            return
        self._failed.append(failure)
        self._tell(Event(task, "failed", seconds, failure))
        for blocked in self._graph.give_up(task.key):
            self._blocked.append(blocked)
            self._tell(Event(blocked, "blocked"))

    def _finish(self, task: Task, what: What, seconds: float = 0.0) -> None:
        (self._made if what == "made" else self._found).append(task)
        self._tell(Event(task, what, seconds))
        self._graph.finish(task.key)

    def _tell(self, event: Event) -> None:
        if self._report is not None:
            self._report(event)
