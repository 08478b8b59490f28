"""Windows computed by one process per device; the rows do not depend on how many there are.

This process reads and prepares the samples and writes the rows; each worker holds a copy of
the module on its device and computes one window after another. Windows are handed out in turn
and taken back in order. Nothing is written or read but through pipes to processes that were
started here.

What is computed but not yet in a full shard is lost by a kill. So a worker is given its next
window before its last one was taken back only where shards are made of many windows: then all
that is under way, with the shard that is being filled, is at most one shard for each worker.
"""

from __future__ import annotations

import multiprocessing
import pickle
import signal
import threading
import traceback
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from itertools import chain
from queue import SimpleQueue
from types import TracebackType
from typing import Any

import numpy as np
import torch

from repscape.errors import InvalidParameterError
from repscape.extract.calls import CallRecorder
from repscape.extract.failures import raise_failing
from repscape.extract.forward import Forward, RowsOf, Wanted, free_memory, is_out_of_memory
from repscape.extract.layers import Selection
from repscape.extract.pooling import get_poolings
from repscape.extract.runners import Ahead, Computed, Plan, Waiting, completed, ready
from repscape.extract.state import evaluating, usable_device
from repscape.extract.windows import Pass, Prepared, Window, passes

_QUEUED = 2
_WINDOWS_TO_QUEUE = 4
_SECONDS_TO_END = 10.0


@dataclass(frozen=True)
class Replica:
    """What a worker needs to compute windows; the module as `packed` made it."""

    module: bytes
    selection: Selection
    poolings: tuple[str, ...]
    allow_non_finite: bool
    wanted: Wanted
    threads: int


@dataclass
class _Job:
    """A window that a worker computes in batches of `size`; its reply bears the ticket."""

    window: Window
    prepared: Future[Prepared] | None
    size: int = 0
    ticket: int = -1


class DevicesRunner:
    """Computes windows by one process for each device; see `runners.Runner`."""

    def __init__(self, replica: Replica, devices: Sequence[str]) -> None:
        self._workers = [_Worker(replica, device) for device in devices]
        self._ahead = Ahead()
        self._sent = 0

    def __enter__(self) -> DevicesRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ahead.close()
        for worker in self._workers:
            worker.close(at_once=error is not None)

    def run(
        self, windows: Iterator[Window], done: float, plan: Plan, learned: RowsOf
    ) -> Iterator[Computed]:
        """See `runners.Runner.run`."""
        jobs: deque[_Job] = deque()
        coming = self._ahead.windows(windows, done, len(self._workers))
        most = windows_under_way(len(self._workers), plan.windows_in_shard)
        size = plan.batch_samples()
        for window, prepared in coming:
            job = _Job(window, prepared)
            if prepared is not None:
                self._send(job, size)
            jobs.append(job)
            if len(jobs) >= most:
                yield self._take(jobs, plan, coming)
                size = plan.batch_samples()
        while jobs:
            yield self._take(jobs, plan, coming)

    def _send(self, job: _Job, size: int) -> None:
        assert job.prepared is not None
        job.size, job.ticket = size, self._sent
        self._sent += 1
        batches = list(passes(job.prepared.result(), size))
        self._worker(job).send((job.ticket, batches, len(job.window)))

    def _worker(self, job: _Job) -> _Worker:
        return self._workers[job.ticket % len(self._workers)]

    def _take(self, jobs: deque[_Job], plan: Plan, rest: Waiting) -> Computed:
        """The rows of the first window, made in the batches that the plan has for it."""
        job = jobs.popleft()
        if job.prepared is None:
            return job.window, None
        while True:
            size = plan.batch_samples()
            if job.size != size:  # sent before the plan changed
                self._worker(job).forget(job.ticket)
                self._send(job, size)
            reply = self._worker(job).reply(job.ticket)
            if not isinstance(reply, Exception):
                return completed(job.window, job.prepared.result()), reply
            is_short = is_out_of_memory(reply)
            if plan.takes_any is not None and not is_short:
                out = [(each.window, each.prepared) for each in (job, *jobs)]
                windows = ready(chain(out, rest))
                raise_failing(windows, plan.shard_rows, size, self._run, plan.takes_any)
            if size == 1 or not is_short:
                raise reply
            plan.shrink(min(size, len(job.window)))

    def _run(self, batch: Pass) -> None:
        """Let one worker run one pass by itself; raises what it raises."""
        ticket, self._sent = self._sent, self._sent + 1
        alone = replace(batch, places=np.arange(len(batch)))
        self._workers[0].send((ticket, [alone], len(batch)))
        if isinstance(reply := self._workers[0].reply(ticket), Exception):
            raise reply


def windows_under_way(workers: int, windows_in_shard: int) -> int:
    """How many windows may be out at once, so that a kill costs at most a shard of each worker.

    Of w windows in a shard, up to w - 1 are handed in but not stored yet. With two more for each
    of k ≥ 2 workers these are at most k·w if w ≥ 4; with one more for each they always are.

    >>> windows_under_way(2, 4), windows_under_way(2, 1), windows_under_way(1, 64)
    (4, 2, 1)
    """
    queue = workers > 1 and windows_in_shard >= _WINDOWS_TO_QUEUE
    return workers * (_QUEUED if queue else 1)


class _Worker:
    """A process with the module on one device."""

    def __init__(self, replica: Replica, device: str) -> None:
        context = multiprocessing.get_context("spawn")
        self._device = device
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, replica, device), name=f"repscape {device}", daemon=True
        )
        self._process.start()
        theirs.close()
        self._came: SimpleQueue[tuple[int, Any] | None] = SimpleQueue()
        self._kept: dict[int, Any] = {}
        self._forgotten: set[int] = set()
        # Always receiving: a worker that waits to be rid of its rows would not take new work.
        threading.Thread(target=self._receive, daemon=True).start()

    def send(self, message: Any) -> None:
        try:
            self._pipe.send_bytes(pickle.dumps(message))
        except OSError:
            raise self._ended() from None

    def reply(self, ticket: int) -> Any:
        while ticket not in self._kept:
            message = self._came.get()
            if message is None:
                raise self._ended()
            if message[0] in self._forgotten:
                self._forgotten.discard(message[0])
            else:
                self._kept[message[0]] = message[1]
        return self._kept.pop(ticket)

    def forget(self, ticket: int) -> None:
        if self._kept.pop(ticket, None) is None:
            self._forgotten.add(ticket)

    def close(self, at_once: bool) -> None:
        if at_once:
            self._process.terminate()
        self._pipe.close()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _receive(self) -> None:
        try:
            while True:
                self._came.put(pickle.loads(self._pipe.recv_bytes()))
        except (EOFError, OSError):
            self._came.put(None)

    def _ended(self) -> RuntimeError:
        self._process.join(_SECONDS_TO_END)
        return RuntimeError(
            f"the process for device {self._device!r} ended by itself (exit code "
            f"{self._process.exitcode}); full shards are kept: run again"
        )


def _serve(pipe: Any, replica: Replica, device: str) -> None:
    """The main function of a worker: answer windows until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this
    torch.set_num_threads(replica.threads)
    where = torch.device(device)
    module: torch.nn.Module = pickle.loads(replica.module).to(where)
    poolings = get_poolings(replica.poolings)
    with evaluating(module, None), CallRecorder(module, replica.selection) as recorder:
        forward = Forward(recorder, poolings, where, replica.allow_non_finite)
        while True:
            try:
                ticket, passes, samples = pickle.loads(pipe.recv_bytes())
            except (EOFError, OSError):
                return
            try:
                reply: Any = forward.passes(passes, samples, replica.wanted)
            except Exception as problem:
                reply = _sendable(problem, device)
                free_memory()
            try:
                pipe.send_bytes(pickle.dumps((ticket, reply)))
            except OSError:  # nobody waits for it any more
                return


def _sendable(problem: Exception, device: str) -> Exception:
    """The error with where it happened, or another with its text if it cannot be sent."""
    text = "".join(traceback.format_exception(problem))
    problem = problem.with_traceback(None)
    problem.__cause__ = problem.__context__ = None
    problem.add_note(f"on device {device!r}:\n{text}")
    try:
        pickle.loads(pickle.dumps(problem))
    except Exception:
        return RuntimeError(text)
    return problem


def packed(module: torch.nn.Module) -> bytes:
    """The module for other processes, before any hook is on it.

    Raises `InvalidParameterError` if it cannot be sent.
    """
    try:
        return pickle.dumps(module)
    except Exception as problem:  # pickling fails in many ways
        raise InvalidParameterError(
            f"devices=: the model cannot be sent to other processes ({problem}): define its "
            "classes and functions in a module, or use one device"
        ) from None


def several_devices() -> str | None:
    """`"all"` where torch sees more than one GPU, and None elsewhere."""
    return "all" if torch.cuda.device_count() > 1 else None


def chosen_devices(devices: str | Sequence[str]) -> list[str]:
    """The devices asked for; `"all"` means every GPU.

    Raises `InvalidParameterError` if there is none, or one has no such name.
    """
    if devices == "all":
        found = [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        if not found:
            raise InvalidParameterError("devices='all': this machine has no GPU that torch sees")
        return found
    listed = [devices] if isinstance(devices, str) else [str(device) for device in devices]
    if not listed:
        raise InvalidParameterError("devices is empty: name at least one")
    for device in listed:
        usable_device(device, "devices")
    return listed
