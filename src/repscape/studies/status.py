"""`study_status`: how far a run is, read from the store; from any terminal, at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from repscape.execution.ledger import read_failures
from repscape.execution.outcomes import Failure
from repscape.store import Store
from repscape.store.leases import read_leases
from repscape.studies.drivers import drivers
from repscape.studies.outputs import are_written
from repscape.studies.snapshot import Planned, Snapshot, read_snapshot


@dataclass(frozen=True)
class StageStatus:
    """How far one stage is."""

    stage: str
    tasks: int
    done: int
    running: int
    failed: int

    @property
    def waiting(self) -> int:
        """Tasks that nobody is at, and that have not failed."""
        return self.tasks - self.done - self.running - self.failed


@dataclass(frozen=True)
class Status:
    """How far a run is.

    Attributes
    ----------
    study : str
    stages : tuple of StageStatus
    running : mapping of label to text
        Who is at it.
    drivers : tuple of str
        The runs that are alive: host and process.
    failures : tuple of Failure
        Of tasks that have no artefact.
    report : path, optional
        The report, if there is one.
    written : bool
        Whether tables, figures and report are written, and from what the tasks have left.
    """

    study: str
    stages: tuple[StageStatus, ...]
    running: Mapping[str, str]
    drivers: tuple[str, ...]
    failures: tuple[Failure, ...]
    report: Path | None
    written: bool = True

    @property
    def done(self) -> bool:
        """Whether every task is done."""
        return all(stage.done == stage.tasks for stage in self.stages)

    @property
    def complete(self) -> bool:
        """Whether every task is done, and the outputs are written."""
        return self.done and self.written


def study_status(out: Path) -> Status:
    """Say how far the run into this folder is.

    Raises
    ------
    UnreadableFileError
        If no study was run into it.
    """
    snapshot = read_snapshot(out)
    store = Store(snapshot.store, create=False)
    done = {key for kind in {t.kind for t in snapshot.tasks} for key in store.keys(kind)}
    failures = {key: one for key, one in read_failures(store).items() if key not in done}
    running = _running(snapshot, store, done)
    stages = tuple(
        _stage(stage, snapshot, done, running, failures)
        for stage in dict.fromkeys(task.stage for task in snapshot.tasks)
    )
    labels = {task.key: task.label for task in snapshot.tasks}
    report = out / "report.html"
    return Status(
        snapshot.study,
        stages,
        {labels[key]: who for key, who in running.items()},
        drivers(out, store),
        tuple(one for key, one in failures.items() if key in labels and key not in running),
        report if report.is_file() else None,
        are_written(out, [task.key for task in snapshot.tasks if task.stage == "tables"]),
    )


def _stage(
    stage: str,
    snapshot: Snapshot,
    done: set[str],
    running: Mapping[str, str],
    failures: Mapping[str, Failure],
) -> StageStatus:
    tasks: list[Planned] = [task for task in snapshot.tasks if task.stage == stage]
    return StageStatus(
        stage,
        len(tasks),
        sum(task.key in done for task in tasks),
        sum(task.key in running for task in tasks),
        sum(task.key in failures and task.key not in running for task in tasks),
    )


def _running(snapshot: Snapshot, store: Store, done: set[str]) -> dict[str, str]:
    """The tasks that some worker holds, and who it is; leases of dead ones do not count."""
    wanted = {task.key for task in snapshot.tasks} - done
    found = {}
    for key, holder in read_leases(store.root).items():
        if key in wanted and not holder.is_known_dead:
            found[key] = f"{holder.host.partition(' ')[0]}, process {holder.pid}"
    return found
