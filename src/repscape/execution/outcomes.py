"""What became of tasks: of one when a worker tried it, and of all of them in a run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from repscape.errors import TaskFailedError
from repscape.tasks import Task

What = Literal["found", "started", "made", "elsewhere", "retried", "failed", "blocked"]


@dataclass(frozen=True)
class Failure:
    """Why a task has no artefact, with all that is needed to look into it.

    Attributes
    ----------
    key, label, stage, run : str
        Of the task.
    error, message, traceback : str
        The type of the error, what it says, and where it was raised. A worker that was lost
        (killed, out of memory, its node gone) leaves the error `"WorkerLost"` and no traceback,
        a task that the executor cannot run `"Refused"`.
    inputs : mapping of role to key
        What the task was made from.
    arguments : mapping
        What else the function was given.
    host, pid
        Where it ran.
    began : str
        When, in UTC.
    seconds : float
        How long it took to fail.
    attempts : int
        How often this run tried.
    """

    key: str
    label: str
    stage: str
    run: str
    error: str
    message: str
    traceback: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    pid: int = 0
    began: str = ""
    seconds: float = 0.0
    attempts: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Outcome:
    """What a worker says about one task.

    `"made"`: its artefact is committed now; `"found"`: it was there; `"held"`: another worker
    is at it; `"failed"`: see `failure`. What is true is what the store holds.
    """

    what: Literal["made", "found", "held", "failed"]
    failure: Failure | None = None

    def to_json(self) -> str:
        """Return one line of JSON, which is all that comes back from a worker."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Outcome:
        """Inverse of `to_json`."""
        known = json.loads(text)
        failure = known["failure"]
        return cls(known["what"], None if failure is None else Failure(**failure))


@dataclass(frozen=True)
class Event:
    """What happened to a task in a run.

    Attributes
    ----------
    task : Task
    what : str
        `"found"` in the store, `"started"`, `"made"`, being made `"elsewhere"` by another run,
        `"retried"` after a failure, `"failed"` for good, or `"blocked"` by the failure of a
        task that it needs.
    seconds : float
        For `"made"`, `"retried"` and `"failed"`: since it was started.
    failure : Failure, optional
        For `"retried"` and `"failed"`: why.
    """

    task: Task
    what: What
    seconds: float = 0.0
    failure: Failure | None = None


@dataclass(frozen=True)
class RunResult:
    """What a run did: the tasks it made, those it found, what failed, and what that blocked."""

    made: tuple[Task, ...]
    found: tuple[Task, ...]
    failed: tuple[Failure, ...] = ()
    blocked: tuple[Task, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether every artefact is there now."""
        return not self.failed and not self.blocked

    def raise_if_failed(self) -> None:
        """Raise `TaskFailedError` with the first failure if anything failed."""
        if self.complete:
            return
        first = self.failed[0]
        others = len(self.failed) - 1
        more = f" ({others} more failed too)" if others else ""
        blocked = f" {len(self.blocked)} tasks that need it were not tried." if self.blocked else ""
        raise TaskFailedError(
            f"task {first.label!r} failed{more}: {first.error}: {first.message}.{blocked} What "
            f"was made is kept; run again to retry.\n{first.traceback}".rstrip()
        )
