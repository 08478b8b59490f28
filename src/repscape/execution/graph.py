"""`Graph`: which tasks can start now, as those that they need are done."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence

from repscape.tasks import Task


class Graph:
    """Tasks and what they need. Every key once; order: as given, after what is needed."""

    def __init__(self, tasks: Sequence[Task]) -> None:
        self.tasks = in_order(tasks)
        self._place = {key: place for place, key in enumerate(self.tasks)}
        self._unmet: dict[str, set[str]] = {}
        self._dependants: dict[str, list[str]] = {key: [] for key in self.tasks}
        self._ready: list[tuple[int, str]] = []
        for key, task in self.tasks.items():
            self._unmet[key] = {needed.key for needed in task.needs}
            for needed in self._unmet[key]:
                self._dependants[needed].append(key)
            if not self._unmet[key]:
                self.offer(key)
        self._open = set(self.tasks)

    @property
    def unfinished(self) -> int:
        """How many tasks are neither done nor given up."""
        return len(self._open)

    @property
    def any_ready(self) -> bool:
        """Whether a task could start now."""
        return any(key in self._open for _, key in self._ready)

    def offer(self, key: str) -> None:
        """Make a task ready (again)."""
        heapq.heappush(self._ready, (self._place[key], key))

    def ready(self) -> Iterator[Task]:
        """Take tasks that can start now, first things first."""
        while self._ready:
            _, key = heapq.heappop(self._ready)
            if key in self._open:
                yield self.tasks[key]

    def finish(self, key: str) -> None:
        """A task has its artefact; those that waited for it only become ready."""
        self._open.discard(key)
        for dependant in self._dependants[key]:
            unmet = self._unmet[dependant]
            unmet.discard(key)
            if not unmet:
                self.offer(dependant)

    def give_up(self, key: str) -> list[Task]:
        """A task failed for good; return the open tasks that this blocks, in order."""
        self._open.discard(key)
        blocked: set[str] = set()
        waiting = [key]
        while waiting:
            for dependant in self._dependants[waiting.pop()]:
                if dependant in self._open:
                    self._open.discard(dependant)
                    blocked.add(dependant)
                    waiting.append(dependant)
        return [self.tasks[key] for key in sorted(blocked, key=self._place.__getitem__)]


def in_order(tasks: Sequence[Task]) -> dict[str, Task]:
    """Every task once by its key, after the tasks that it needs, otherwise in the order given."""
    ordered: dict[str, Task] = {}
    entered: set[str] = set()
    for task in tasks:
        waiting: list[tuple[Task, bool]] = [(task, False)]
        while waiting:
            one, needs_done = waiting.pop()
            if needs_done:
                ordered.setdefault(one.key, one)
            elif one.key not in entered:
                entered.add(one.key)
                waiting.append((one, True))
                waiting.extend((needed, False) for needed in reversed(one.needs))
    return ordered
