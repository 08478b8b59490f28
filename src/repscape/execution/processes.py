"""Run tasks in processes of this machine, within its cores and GPUs.

The engine is the standard library's `multiprocessing`: one process for each place, with a pipe of
its own, so that a process that dies (killed, out of memory) takes only its own task with it. The
`ProcessPoolExecutor` of Python 3.11 would not do: a task that it is handed while its process dies
is never heard of again.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.context
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess
from typing import TYPE_CHECKING

from repscape.errors import InvalidParameterError, RepscapeError
from repscape.execution.executor import Ended
from repscape.execution.ledger import write_task_file
from repscape.execution.outcomes import Outcome
from repscape.execution.worker import perform_file

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task

_VISIBLE_GPUS = "CUDA_VISIBLE_DEVICES"
_TIDYING_SECONDS = 5.0
_DIED = "its process died: it was killed, or memory ran out"


@dataclass
class _Place:
    """A process, the way to it, the GPUs that it sees, and the task that it runs, if any."""

    gpus: tuple[str, ...]
    process: ForkServerProcess
    pipe: Connection
    task: Task | None = field(default=None)

    def end(self) -> None:
        """End the process, also at work; one that is idle leaves by itself and tidies up."""
        if self.task is None:
            self.pipe.close()
            self.process.join(_TIDYING_SECONDS)
        self.process.kill()
        self.process.join()
        self.process.close()
        self.pipe.close()


class ProcessExecutor:
    """A pool of processes among which the threads and the GPUs of this machine are divided.

    Every task gets the threads that it declares, so as many run at once as their threads fit
    into `cpus`; one that declares more runs alone. A task that declares GPUs gets a process
    that sees those and no others; no two processes see the same one.

    In a script, the call must stand under `if __name__ == "__main__":`, as for everything that
    starts processes in Python.

    Parameters
    ----------
    cpus : int, optional
        By default the cores that this process may use.
    gpus : sequence of str, optional
        Devices as `CUDA_VISIBLE_DEVICES` names them; by default all that torch sees.
    memory : int, optional
        Bytes that the tasks which declare their memory may take together.
    """

    def __init__(
        self,
        cpus: int | None = None,
        gpus: Sequence[str] | None = None,
        memory: int | None = None,
    ) -> None:
        if cpus is not None and cpus < 1:
            raise InvalidParameterError(f"cpus={cpus!r}: give at least 1")
        self._cpus = cpus if cpus is not None else _cores()
        self._gpus = None if gpus is None else tuple(gpus)
        self._memory = memory
        self._store: Store | None = None
        self._places: list[_Place] = []
        self._refused: list[Ended] = []

    def open(self, store: Store) -> None:
        """Remember the store; processes start with the first tasks."""
        self._store = store

    def room(self) -> int:
        """As many tasks as there are free cores."""
        running = self._running()
        return max(0, self._cpus - sum(task.resources.cpus for task in running))

    def start(self, ready: Sequence[Task]) -> Sequence[Task]:
        """Start those that fit beside the running ones; refuse what could never run here."""
        started = []
        for task in ready:
            if self._is_impossible(task):
                started.append(task)
            elif self._fits(task):
                self._submit(task)
                started.append(task)
        return started

    def ended(self, timeout: float) -> Sequence[Ended]:
        """Wait for the first task that ends; a process that died gives up its place."""
        refused, self._refused = self._refused, []
        busy = [place for place in self._places if place.task is not None]
        # A process that died may have left others that still hold its end of the pipe.
        ways = [way for place in busy for way in (place.pipe, place.process.sentinel)]
        ready = wait(ways, 0 if refused else timeout)
        done = [p for p in busy if p.pipe in ready or p.process.sentinel in ready]
        return [*refused, *map(self._collect, done)]

    def close(self) -> None:
        """End all processes, also those at work."""
        for place in self._places:
            if place.task is None:
                place.pipe.close()  # all idle ones leave at the same time
        while self._places:
            self._places.pop().end()

    def _running(self) -> list[Task]:
        return [place.task for place in self._places if place.task is not None]

    def _fits(self, task: Task) -> bool:
        running = self._running()
        if not running:
            return True
        cpus = task.resources.cpus + sum(one.resources.cpus for one in running)
        memory = sum(one.resources.memory or 0 for one in (*running, task))
        return (
            cpus <= self._cpus
            and (self._memory is None or memory <= self._memory)
            and task.resources.gpus <= len(self._free_gpus(task.resources.gpus))
        )

    def _is_impossible(self, task: Task) -> bool:
        wanted = task.resources.gpus
        if not wanted or wanted <= len(self._all_gpus()):
            return False
        reason = (
            f"task {task.label!r} asks for {wanted} GPUs, but this machine has "
            f"{len(self._all_gpus())}: ask for fewer in the resources of stage "
            f"{task.stage!r}, or use another executor"
        )
        self._refused.append(Ended(task.key, None, reason, refused=True))
        return True

    def _all_gpus(self) -> tuple[str, ...]:
        if self._gpus is None:
            import torch

            visible = os.environ.get(_VISIBLE_GPUS)
            count = torch.cuda.device_count()
            names = visible.split(",") if visible else [str(number) for number in range(count)]
            self._gpus = tuple(names[:count])
        return self._gpus

    def _free_gpus(self, wanted: int) -> tuple[str, ...]:
        if not wanted:
            return ()
        taken = {gpu for place in self._places if place.task is not None for gpu in place.gpus}
        return tuple(gpu for gpu in self._all_gpus() if gpu not in taken)[:wanted]

    def _submit(self, task: Task) -> None:
        assert self._store is not None
        path = str(write_task_file(task, self._store).absolute())
        gpus = self._free_gpus(task.resources.gpus)
        place = self._told_when_idle(gpus, path)
        if place is None:
            try:
                place = self._new_place(gpus)
                place.pipe.send(path)
            except BrokenPipeError:  # it was killed while it began
                self._refused.append(Ended(task.key, None, _DIED))
                return
        place.task = task

    def _told_when_idle(self, gpus: tuple[str, ...], path: str) -> _Place | None:
        """An idle process that sees these GPUs and was told to run the task, if there is one.

        Idle ones that see only some of them are ended.
        """
        for place in [place for place in self._places if place.task is None]:
            if place.gpus == gpus:
                try:
                    place.pipe.send(path)
                except BrokenPipeError:  # it was killed while it was idle
                    self._drop(place)
                else:
                    return place
            elif set(place.gpus) & set(gpus):
                self._drop(place)
        return None

    def _new_place(self, gpus: tuple[str, ...]) -> _Place:
        context = _context()
        ours, its = context.Pipe()
        environment = {**os.environ, _VISIBLE_GPUS: ",".join(gpus)}
        process = context.Process(target=_serve, args=(its, environment), name="repscape worker")
        try:
            process.start()
        finally:
            its.close()
        place = _Place(gpus, process, ours)
        self._places.append(place)
        return place

    def _drop(self, place: _Place) -> None:
        self._places.remove(place)
        place.end()

    def _collect(self, place: _Place) -> Ended:
        assert place.task is not None
        key, place.task = place.task.key, None
        try:
            outcome, problem = place.pipe.recv() if place.pipe.poll() else (None, "")
        except (EOFError, OSError):
            outcome, problem = None, ""
        if outcome is not None:
            return Ended(key, Outcome.from_json(outcome))
        if not problem:
            self._drop(place)
        return Ended(key, None, problem or _DIED)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _context() -> multiprocessing.context.ForkServerContext:
    """Processes are copies of one that has only imported, so that they begin at once."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["repscape.execution.worker", "torch", "numba"])
    return context


def _serve(pipe: Connection, environment: dict[str, str]) -> None:
    """The life of a process: the driver's environment now, its own GPUs, and task after task."""
    os.environ.update(environment)
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    with contextlib.suppress(EOFError, KeyboardInterrupt):  # the driver is gone, or is going
        while True:
            path = pipe.recv()
            answer: tuple[str | None, str]
            try:
                answer = perform_file(path), ""
            except RepscapeError as problem:  # the task file or the store cannot be read
                answer = None, str(problem)
            pipe.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os._exit(1)
