"""How a run shows what it does: bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Protocol

from repscape.cli.output import on_terminal

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from repscape.execution.outcomes import Event
    from repscape.tasks import Task

Say = Callable[[str], None]
_SHOWN_RUNNING = 3


class Display(Protocol):
    """Is told the tasks of each phase, then every event."""

    def __enter__(self) -> Display: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def phase(self, tasks: Sequence[Task]) -> None:
        """Say what comes."""

    def event(self, event: Event) -> None:
        """Say what happened to a task."""

    def writing(self) -> None:
        """Say that tables, figures and report are being written."""


def display(say: Say, to_terminal: bool | None = None) -> Display:
    """The display that fits where the output goes."""
    if on_terminal() if to_terminal is None else to_terminal:
        return Bars()
    return Lines(say)


class Lines:
    """A line for each stage and each task that ran; those that were found are counted."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._found: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()

    def __enter__(self) -> Lines:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._say_found()

    def phase(self, tasks: Sequence[Task]) -> None:
        """Remember how many tasks each stage has."""
        self._say_found()
        self._totals.update(Counter(task.stage for task in tasks))

    def event(self, event: Event) -> None:
        """Say it, unless the task was only found."""
        task, stage = event.task, event.task.stage
        if event.what == "found":
            self._found[stage] += 1
            return
        self._say_found()
        if event.what == "made":
            self._say(f"{stage:8}  {task.label}  {duration(event.seconds)}")
        elif event.what in ("failed", "retried"):
            assert event.failure is not None
            word = "failed" if event.what == "failed" else "failed, is tried again"
            self._say(
                f"{stage:8}  {task.label}  {word}: {event.failure.error}: "
                f"{first_line(event.failure.message)}"
            )
        elif event.what == "elsewhere":
            self._say(f"{stage:8}  {task.label}  is being made by another run")
        elif event.what == "blocked":
            self._say(f"{stage:8}  {task.label}  not tried: a task that it needs failed")

    def writing(self) -> None:
        """Say it."""
        self._say_found()
        self._say("report    tables, figures and report are being written")

    def _say_found(self) -> None:
        for stage, count in self._found.items():
            total = self._totals[stage]
            what = "all" if count == total else f"{count} of {total}"
            self._say(f"{stage:8}  {what} found in the store")
        self._found.clear()


class Bars:
    """One bar for each stage, with the tasks that run now; failures stand above."""

    def __init__(self) -> None:
        from rich.console import Console

        self.console = Console()
        self._progress = self._make()
        self._bars: dict[str, TaskID] = {}
        self._running: dict[str, dict[str, str]] = {}
        self._failed: Counter[str] = Counter()
        self._found: Counter[str] = Counter()

    def _make(self) -> Progress:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
        )

        return Progress(
            TextColumn("{task.description:8}", style="bold"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[now]}", style="dim", markup=False),
            console=self.console,
        )

    def __enter__(self) -> Bars:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def phase(self, tasks: Sequence[Task]) -> None:
        """Add a bar for each stage."""
        for stage, count in Counter(task.stage for task in tasks).items():
            self._running[stage] = {}
            self._bars[stage] = self._progress.add_task(stage, total=count, now="")

    def event(self, event: Event) -> None:
        """Move the bar of the task's stage."""
        from rich.text import Text

        task, stage = event.task, event.task.stage
        if stage not in self._bars:
            self.phase([task])
        running = self._running[stage]
        if event.what in ("started", "elsewhere", "retried"):
            running[task.key] = task.label
        else:
            running.pop(task.key, None)
            self._progress.advance(self._bars[stage])
        if event.what == "found":
            self._found[stage] += 1
        if event.what in ("failed", "blocked"):
            self._failed[stage] += 1
        if event.what in ("failed", "retried") and event.failure is not None:
            word = "failed" if event.what == "failed" else "failed, is tried again"
            line = f"{task.label} {word}: {event.failure.error}: "
            line += first_line(event.failure.message)
            self._progress.console.print(Text(line, style="red"))
        self._progress.update(self._bars[stage], now=self._now(stage))

    def writing(self) -> None:
        """Add a bar without an end."""
        self._progress.add_task("report", total=None, now="tables, figures and report")

    def _now(self, stage: str) -> str:
        parts = list(self._running[stage].values())[:_SHOWN_RUNNING]
        more = len(self._running[stage]) - len(parts)
        if more:
            parts.append(f"and {more} more")
        if self._failed[stage]:
            parts.append(f"{self._failed[stage]} failed or blocked")
        if not parts and self._found[stage]:
            parts.append(f"{self._found[stage]} found in the store")
        return ", ".join(parts)


def first_line(text: str) -> str:
    """The first line of a message."""
    return text.strip().splitlines()[0] if text.strip() else ""


def duration(seconds: float) -> str:
    """Print a time as a person would: `0.4 s`, `12 min`, `3.5 h`."""
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 100 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.1f} days"
