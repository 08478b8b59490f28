"""Run one task: look into the store, make what is missing, record what went wrong.

`python -m repscape.execution.worker TASKFILE` does it for a file that a driver wrote, and prints
the outcome as one line of JSON. The status is 0 if the artefact is there, 75 if another worker is
at it, and 1 if it failed.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.errors import ArtefactMissingError, RepscapeError, StoreNotWritableError
from repscape.execution.ledger import (
    forget_failure,
    is_done,
    read_task_file,
    record_failure,
    record_seconds,
)
from repscape.execution.outcomes import Failure, Outcome
from repscape.execution.threads import limited_threads
from repscape.store.leases import Leases

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task

_STATUS = {"made": 0, "found": 0, "failed": 1, "held": os.EX_TEMPFAIL}


def perform(task: Task, store: Store) -> Outcome:
    """Make the artefact of a task unless the store has it or another worker is at it.

    An error that the task raises is recorded beside the artefacts and returned, not raised.
    """
    if store.has(task.key):
        return Outcome("found")
    begin = time.time()
    try:
        lease = Leases(store.root).take(task.key)
        if lease is None:
            return Outcome("held")
        with lease:
            return _make(task, store)
    except Exception as problem:
        failure = _failure(task, problem, begin)
        # A disk that is full has no room for the record either: the outcome carries it.
        with contextlib.suppress(StoreNotWritableError):
            record_failure(failure, store)
        return Outcome("failed", failure)


def _make(task: Task, store: Store) -> Outcome:
    if store.has(task.key):  # committed before the lease was taken
        return Outcome("found")
    begin = time.monotonic()
    with limited_threads(task.resources.cpus):
        task.make(store)
    if not store.has(task.key):
        raise ArtefactMissingError(f"task {task.label!r} ended without its artefact {task.key}")
    forget_failure(task.key, store)
    record_seconds(task.key, time.monotonic() - begin, store)
    return Outcome("made")


def perform_file(path: str) -> str:
    """Run the task of a task file; return the outcome as JSON."""
    if is_done(Path(path)):
        return Outcome("found").to_json()
    task, store = read_task_file(Path(path))
    return perform(task, store).to_json()


def _failure(task: Task, problem: Exception, begin: float) -> Failure:
    return Failure(
        key=task.key,
        label=task.label,
        stage=task.stage,
        run=task.run,
        error=type(problem).__name__,
        message=str(problem),
        traceback="".join(traceback.format_exception(problem)),
        inputs=dict(task.recipe.inputs),
        arguments=dict(task.arguments),
        host=socket.gethostname(),
        pid=os.getpid(),
        began=datetime.fromtimestamp(begin, UTC).isoformat(timespec="seconds"),
        seconds=round(time.time() - begin, 3),
    )


def main(arguments: list[str]) -> int:
    """Run `python -m repscape.execution.worker TASKFILE`; return its exit status."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m repscape.execution.worker TASKFILE\n")
        return os.EX_USAGE
    try:
        printed = perform_file(arguments[0])
    except RepscapeError as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    outcome = Outcome.from_json(printed)
    if outcome.failure is not None:
        sys.stderr.write(outcome.failure.traceback)
    sys.stdout.write(printed + "\n")
    return _STATUS[outcome.what]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
