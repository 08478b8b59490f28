"""What computes windows: here, with samples prepared ahead and batches that shrink to fit."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from types import TracebackType
from typing import Protocol, TypeAlias

from repscape.extract.failures import Run, raise_failing
from repscape.extract.forward import Forward, RowsOf, Wanted, free_memory, is_out_of_memory
from repscape.extract.windows import Pass, Prepared, Window

Computed: TypeAlias = tuple[Window, RowsOf | None]
Waiting: TypeAlias = Iterator[tuple[Window, Future[Prepared] | None]]
_AHEAD = 2


class Plan(Protocol):
    """How samples are put into batches; see `loop.JointPlan`."""

    can_shrink: bool
    shard_rows: int
    windows_in_shard: int
    takes_any: Callable[[Run], bool] | None
    """Whether the network takes any sample, if those at which it fails are to be found."""

    def batch_samples(self) -> int:
        """The samples of a batch from the next row on."""

    def shrink(self, size: int) -> int:
        """Record that batches of `size` do not fit into memory; return the next smaller."""


class Runner(Protocol):
    """Computes the rows of windows; a context manager."""

    def __enter__(self) -> Runner:
        """Begin."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of workers."""

    def run(
        self, windows: Iterator[Window], done: float, plan: Plan, learned: RowsOf
    ) -> Iterator[Computed]:
        """Yield every window with its rows, or with None where its samples are `done`.

        Each window must be dealt with before the next is asked for, since the plan is read
        for the rows that come next. `learned` are rows of the first window, known already.

        Raises `FailingSamplesError` where the network fails at some samples, if the plan says
        that they are to be found.
        """


class LocalRunner:
    """Computes in this process, while a thread prepares the next windows."""

    def __init__(self, forward: Forward, wanted: Wanted) -> None:
        self._forward = forward
        self._wanted = wanted
        self._ahead = Ahead()

    def __enter__(self) -> LocalRunner:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ahead.close()

    def run(
        self, windows: Iterator[Window], done: float, plan: Plan, learned: RowsOf
    ) -> Iterator[Computed]:
        """See `Runner.run`."""
        ahead = _AHEAD if plan.can_shrink else 0
        coming = self._ahead.windows(windows, done, ahead)
        for window, prepared in coming:
            if prepared is None:
                yield window, None
            elif learned and window.start == 0:
                yield window, learned
            else:
                samples = prepared.result()
                yield completed(window, samples), self._compute(window, samples, plan, coming)

    def _compute(self, window: Window, prepared: Prepared, plan: Plan, rest: Waiting) -> RowsOf:
        size = plan.batch_samples()
        while True:
            try:
                return self._forward.window(prepared, len(window), size, self._wanted)
            except Exception as problem:
                is_short = is_out_of_memory(problem)
                if plan.takes_any is not None and not is_short:
                    windows = chain([(window, prepared)], ready(rest))
                    raise_failing(windows, plan.shard_rows, size, self._follow, plan.takes_any)
                if not plan.can_shrink or size == 1 or not is_short:
                    raise
            free_memory()
            size = plan.shrink(min(size, len(window)))

    def _follow(self, batch: Pass) -> object:
        return self._forward.follow(batch, self._wanted)


class Ahead:
    """A thread that prepares the next windows while the current one is computed."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="repscape-prepare")

    def close(self) -> None:
        """Let go of the thread; what it has not begun is not prepared."""
        self._thread.shutdown(wait=True, cancel_futures=True)

    def windows(self, windows: Iterator[Window], done: float, count: int) -> Waiting:
        """Yield the windows, with `count` of those that follow being prepared already.

        Windows up to sample `done` are not prepared.
        """
        waiting: deque[tuple[Window, Future[Prepared] | None]] = deque()
        for window in windows:
            todo = window.stop > done
            waiting.append((window, self._thread.submit(window.prepare) if todo else None))
            if len(waiting) > count:
                yield waiting.popleft()
        yield from waiting


def ready(waiting: Waiting) -> Iterator[tuple[Window, Prepared]]:
    """The windows that are to be computed, as soon as each is prepared."""
    return ((window, future.result()) for window, future in waiting if future is not None)


def completed(window: Window, prepared: Prepared) -> Window:
    """The window with what became known of its samples when they were prepared."""
    columns = {**window.columns, **prepared.columns}
    return Window(window.start, window.ids, window.labels, columns, window.prepare)
