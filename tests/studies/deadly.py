"""An executor in which one task kills the process that runs it, while a file is there."""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from repscape.execution.executor import Ended, Executor
from repscape.store import Store
from repscape.tasks import Task


class Deadly:
    """Has another executor run the tasks; the one with this label dies while `flag` is there."""

    def __init__(self, engine: Executor, label: str, flag: Path) -> None:
        self.engine, self.label, self.flag = engine, label, flag
        self.open, self.room, self.close = engine.open, engine.room, engine.close

    def start(self, ready: Sequence[Task]) -> Sequence[Task]:
        return self.engine.start([self._deadly(task) for task in ready])

    def ended(self, timeout: float) -> Sequence[Ended]:
        return self.engine.ended(timeout)

    def _deadly(self, task: Task) -> Task:
        if task.label != self.label:
            return task
        # The recipe stays as it is, and with it the key.
        arguments = {"flag": str(self.flag), "run": task.run, "arguments": dict(task.arguments)}
        return replace(task, run=f"{__name__}:run", arguments=arguments)


def run(store: Store, task: Task) -> None:
    """Die, or run the task as it was."""
    said = task.arguments
    if Path(said["flag"]).exists():
        os.kill(os.getpid(), signal.SIGKILL)
    replace(task, run=said["run"], arguments=said["arguments"]).make(store)
