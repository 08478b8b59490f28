"""The micro-study with tasks that write down when they begin and when they are committed."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from micro import run_micro

from repscape.execution.executor import Ended, Executor
from repscape.execution.names import get_executor
from repscape.store import Store
from repscape.tasks import Task


class Counting:
    """An executor that has another one run the tasks, and each of them say so."""

    def __init__(self, engine: Executor, log: Path) -> None:
        self.engine, self.log = engine, log
        self.open, self.room, self.close = engine.open, engine.room, engine.close

    def start(self, ready: Sequence[Task]) -> Sequence[Task]:
        return self.engine.start([self._counted(task) for task in ready])

    def ended(self, timeout: float) -> Sequence[Ended]:
        return self.engine.ended(timeout)

    def _counted(self, task: Task) -> Task:
        # The recipe stays as it is, and with it the key.
        counted = {"log": str(self.log), "run": task.run, "arguments": dict(task.arguments)}
        return replace(task, run=f"{__name__}:run", arguments=counted)


def run(store: Store, task: Task) -> None:
    """Run the task as it was, between two lines in the log."""
    said = task.arguments
    original = replace(task, run=said["run"], arguments=said["arguments"])
    _note(said["log"], f"{'again' if store.has(task.key) else 'begun'} {task.key}")
    original.make(store)
    _note(said["log"], f"ended {task.key}")


def _note(log: str, line: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, f"{line}\n".encode())
    finally:
        os.close(descriptor)


def lines(log: Path) -> list[tuple[str, str]]:
    """What was written down, in order: what happened, and to which key."""
    text = log.read_text() if log.exists() else ""
    return [(what, key) for what, _, key in (line.partition(" ") for line in text.splitlines())]


def drive(folder: Path, executor: str) -> None:
    """A driver: runs the study, and exits with 1 if something is missing in the end."""
    engine = Counting(get_executor(executor), folder / "log")
    sys.exit(0 if run_micro(folder, engine).complete else 1)
