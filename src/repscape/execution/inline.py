"""Run tasks one after the other in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from repscape.errors import ArtefactMissingError

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task


@dataclass(frozen=True)
class Event:
    """What happened to a task: its artefact was there already, is being made, or is made."""

    task: Task
    what: Literal["found", "started", "made"]


def run_tasks(
    tasks: Sequence[Task], store: Store, report: Callable[[Event], None] | None = None
) -> int:
    """Make the artefacts that the store lacks, each after those that it needs.

    Returns the number of tasks that ran. An error stops the run; what was made before it is
    committed and will be found by the next run.
    """
    tell = report if report is not None else _ignore
    made = 0
    for task in _in_order(tasks):
        if store.has(task.key):
            tell(Event(task, "found"))
            continue
        tell(Event(task, "started"))
        with limited_threads(task.threads):
            task.make(store)
        if not store.has(task.key):
            raise ArtefactMissingError(f"task {task.label!r} ended without its artefact {task.key}")
        made += 1
        tell(Event(task, "made"))
    return made


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let torch use this many threads inside, and as many as before afterwards."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _ignore(event: Event) -> None:
    return None


def _in_order(tasks: Sequence[Task]) -> list[Task]:
    """Every task once, after the tasks that it needs, otherwise in the order given."""
    ordered: dict[str, Task] = {}

    def visit(task: Task) -> None:
        if task.key not in ordered:
            for needed in task.needs:
                visit(needed)
            ordered.setdefault(task.key, task)

    for task in tasks:
        visit(task)
    return list(ordered.values())
