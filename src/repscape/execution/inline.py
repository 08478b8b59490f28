"""Run tasks one after the other in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from repscape.execution.executor import Ended
from repscape.execution.worker import perform

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task


class InlineExecutor:
    """The executor without an engine: one task at a time, here."""

    def __init__(self) -> None:
        self._store: Store | None = None
        self._next: Task | None = None

    def open(self, store: Store) -> None:
        """Remember the store."""
        self._store = store

    def room(self) -> int:
        """One task if there is none."""
        return 1 if self._next is None else 0

    def start(self, ready: Sequence[Task]) -> Sequence[Task]:
        """Take the first task; `ended` runs it."""
        taken = ready[: self.room()]
        if taken:
            self._next = taken[0]
        return taken

    def ended(self, timeout: float) -> Sequence[Ended]:
        """Run the task that was taken, however long it lasts."""
        if self._next is None or self._store is None:
            return []
        task, self._next = self._next, None
        return [Ended(task.key, perform(task, self._store))]

    def close(self) -> None:
        """Forget the task that was not run."""
        self._next = None
