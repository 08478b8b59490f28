"""Run tasks as jobs of a SLURM cluster, through submitit.

What a job says it did lies in files of submitit; whether it still waits or runs, `squeue` says,
which needs no accounting. A job of which neither is known is waited for, never guessed at: the
artefact in the store is what counts.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repscape.errors import InvalidParameterError
from repscape.execution.executor import Ended
from repscape.execution.ledger import write_task_file
from repscape.execution.outcomes import Outcome
from repscape.execution.slurm_files import clean, forget
from repscape.execution.worker import perform_file
from repscape.tasks import Resources

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task

_DEFAULT_ARRAY = 1000
_MANY = 1_000_000
_COMMANDS = ("sbatch", "squeue", "scancel", "srun")
_COMMAND_SECONDS = 60
_LOG_LINES = 20
_IDS_PER_COMMAND = 200
_SITE = ("partition", "account", "qos", "constraint")
_TRIES = 3
# What sbatch says when it would take the job later.
_TRY_AGAIN = re.compile(r"limit|temporar|timed out|try again|unable to contact", re.IGNORECASE)

# Reasons for waiting that no waiting ends.
_NEVER = re.compile("PartitionConfig|PartitionTimeLimit|BadConstraints|launch failed")


@dataclass(frozen=True)
class RunTaskFile:
    """What a job is: the path of a task file. Stopped early, it begins again from the store."""

    path: str

    def __call__(self) -> str:
        """Run the task; return the outcome as JSON."""
        return perform_file(self.path)

    def checkpoint(self) -> Any:
        """What submitit queues again when the job is preempted or its time is nearly over."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


@dataclass
class _Job:
    """A submitted task; `missing_since` is when squeue first did not list it."""

    key: str
    handle: Any
    missing_since: float | None = None


class SlurmExecutor:
    """Submits tasks that are ready together as job arrays, one job for each task.

    Cores, GPUs, memory and minutes are those that the tasks declare. A job that is preempted,
    or whose time is nearly over, is sent a signal, and queues itself again: what its task
    has committed so far is kept (extraction goes on at its last full shard). A job that ends
    without a word is submitted again by the driver.

    Parameters
    ----------
    partition, account, qos, constraint : str, optional
        As for `sbatch`.
    minutes : int
        The time limit of tasks that declare none.
    memory : int, optional
        The bytes for tasks that declare none; by default the site's.
    folder : path, optional
        For logs and the files of submitit, on a file system that all nodes share; by default
        beside the store, with `-slurm` after its name. Logs older than a week are removed.
    jobs_at_once : int
        How many jobs of an array may run at once.
    queued : int, optional
        How many jobs to have waiting or running at most, where the site limits that.
    signal_seconds : int
        How long before the limit a job is told; at most a quarter of its time.
    requeues : int
        How often a job whose time was over queues itself again.
    poll_seconds : float
        How often `squeue` is asked.
    setup : sequence of str
        Shell commands that run first in every job.
    options : mapping, optional
        More options of `sbatch`, e.g. `{"reservation": "name"}`.
    """

    def __init__(
        self,
        partition: str | None = None,
        account: str | None = None,
        *,
        qos: str | None = None,
        constraint: str | None = None,
        minutes: int = 60,
        memory: int | None = None,
        folder: Path | str | None = None,
        jobs_at_once: int = 256,
        queued: int | None = None,
        signal_seconds: int = 90,
        requeues: int = 3,
        poll_seconds: float = 5.0,
        setup: Sequence[str] = (),
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._site_options = {"requeue": True, **(options or {})}
        self._site = {
            "partition": partition,
            "account": account,
            "qos": qos,
            "constraint": constraint,
            "setup": list(setup) or None,
            "array_parallelism": jobs_at_once,
            "additional_parameters": self._site_options,
        }
        self._minutes, self._memory = minutes, memory
        self._folder = None if folder is None else Path(folder)
        self._queued = _MANY if queued is None else queued
        self._signal_seconds, self._requeues = signal_seconds, requeues
        self._poll_seconds = poll_seconds
        self._store: Store | None = None
        self._array_limit = _DEFAULT_ARRAY
        self._jobs: dict[str, _Job] = {}
        self._refused: list[Ended] = []
        self._submit_after = 0.0
        self._ask_after = 0.0

    def open(self, store: Store) -> None:
        """Look for SLURM, ask it whether it would take a job, and for its limit of array sizes.

        Raises `InvalidParameterError` if submitit or SLURM's commands are not there, or if SLURM
        would refuse a job: nothing has run then.
        """
        _submitit()
        missing = [name for name in _COMMANDS if shutil.which(name) is None]
        if missing:
            raise InvalidParameterError(
                f"this is no machine from which SLURM jobs can be submitted: {', '.join(missing)} "
                "not found; log in to a submit node, or use another executor"
            )
        self._try_out()
        self._store = store
        if self._folder is None:
            self._folder = store.root.absolute().with_name(f"{store.root.name}-slurm")
        self._array_limit = _array_limit()
        if (listed := _listed_jobs()) is not None:
            clean(self._folder, listed)

    def room(self) -> int:
        """As many as `queued` allows; none for a while after SLURM was too busy to take more."""
        if time.monotonic() < self._submit_after:
            return 0
        return max(0, self._queued - len(self._jobs))

    def start(self, ready: Sequence[Task]) -> Sequence[Task]:
        """Submit an array for each kind of resources, in pieces that the site allows."""
        utils = _submitit().core.utils
        started: list[Task] = []
        for resources, tasks in _arrays(ready, self._array_limit):
            try:
                self._submit(resources, tasks)
            except (utils.FailedJobError, utils.FailedSubmissionError) as problem:
                said = _last_line(str(problem))
                passing = _TRY_AGAIN.search(said) is not None
                if passing:
                    self._submit_after = time.monotonic() + self._poll_seconds
                if passing and self._jobs:
                    break
                reason = f"SLURM refused the job: {said}"
                self._refused.extend(Ended(t.key, None, reason, not passing) for t in tasks)
            started.extend(tasks)
        return started

    def ended(self, timeout: float) -> Sequence[Ended]:
        """Jobs that left a result, and those that are gone without one."""
        until = time.monotonic() + timeout
        while True:
            found = [*self._refused, *self._with_result(), *self._gone()]
            self._refused = []
            if found or time.monotonic() >= until:
                return found
            time.sleep(min(self._poll_seconds, max(0.0, until - time.monotonic()), 0.5))

    def close(self) -> None:
        """Cancel the jobs that still wait or run."""
        ids = list(self._jobs)
        for start in range(0, len(ids), _IDS_PER_COMMAND):
            _run("scancel", *ids[start : start + _IDS_PER_COMMAND])
        self._jobs.clear()

    def _try_out(self) -> None:
        """Have `sbatch` check a job of this partition, account, … without submitting it."""
        site = {name: self._site[name] for name in _SITE if self._site[name] is not None}
        site |= self._site_options
        asked = [
            f"--{name}" if value is True else f"--{name}={value}" for name, value in site.items()
        ]
        for left in reversed(range(_TRIES)):
            done = _completed("sbatch", "--test-only", *asked, "--wrap=true")
            if done is not None and done.returncode == 0:
                return
            said = "no answer" if done is None else _last_line(done.stderr)
            if left and (done is None or _TRY_AGAIN.search(said)):
                time.sleep(self._poll_seconds)
                continue
            raise InvalidParameterError(
                f"SLURM takes no jobs from here, so nothing was run: `sbatch {' '.join(asked)}` "
                f"says {said!r}; mend partition, account or options of the executor, or use "
                "another one"
            )

    def _submit(self, resources: Resources, tasks: Sequence[Task]) -> None:
        assert self._store is not None
        paths = [write_task_file(task, self._store) for task in tasks]
        executor = _submitit().SlurmExecutor(self._folder, max_num_timeout=self._requeues)
        executor.update_parameters(**self._parameters(resources, tasks[0].stage))
        jobs = executor.submit_array([RunTaskFile(str(path.absolute())) for path in paths])
        for task, job in zip(tasks, jobs, strict=True):
            self._jobs[job.job_id] = _Job(task.key, job)

    def _parameters(self, resources: Resources, stage: str) -> dict[str, Any]:
        minutes = resources.minutes or self._minutes
        memory = resources.memory or self._memory
        wanted = {
            **self._site,
            "job_name": f"repscape-{stage}",
            "time": minutes,
            "cpus_per_task": resources.cpus,
            "gpus_per_node": resources.gpus or None,
            "mem": None if memory is None else f"{-(-memory // 2**20)}M",
            "signal_delay_s": min(self._signal_seconds, 15 * minutes),
            "stderr_to_stdout": True,
        }
        return {name: value for name, value in wanted.items() if value is not None}

    def _with_result(self) -> Iterator[Ended]:
        for name, job in list(self._jobs.items()):
            if job.handle.paths.result_pickle.exists():
                del self._jobs[name]
                yield _as_ended(job)
                forget((job.handle.paths.submitted_pickle, job.handle.paths.result_pickle))

    def _gone(self) -> Iterator[Ended]:
        """Jobs that squeue has not listed for long enough, and those that can never start."""
        now = time.monotonic()
        if not self._jobs or now < self._ask_after:
            return
        self._ask_after = now + self._poll_seconds
        listed = _listed_jobs()
        if listed is None:
            return  # the controller does not answer: nothing is known
        for name, job in list(self._jobs.items()):
            if name in listed:
                job.missing_since = None
                if _NEVER.search(listed[name]):
                    del self._jobs[name]
                    _run("scancel", name)
                    reason = f"job {name} cannot start: SLURM says {listed[name]}"
                    yield Ended(job.key, None, reason, refused=True)
            elif job.missing_since is None:
                job.missing_since = now
            elif now - job.missing_since >= self._poll_seconds:
                del self._jobs[name]
                log = job.handle.paths.stdout
                yield Ended(job.key, None, f"job {name} is gone and left no result; {_tail(log)}")


def _as_ended(job: _Job) -> Ended:
    try:
        return Ended(job.key, Outcome.from_json(job.handle.result()))
    except _submitit().core.utils.UncompletedJobError as problem:  # the job raised something
        return Ended(job.key, None, f"job {job.handle.job_id}: {problem}")


def _arrays(tasks: Sequence[Task], limit: int) -> Iterator[tuple[Resources, list[Task]]]:
    groups: dict[tuple[Resources, str], list[Task]] = {}
    for task in tasks:
        groups.setdefault((task.resources, task.stage), []).append(task)
    for (resources, _), group in groups.items():
        for start in range(0, len(group), limit):
            yield resources, group[start : start + limit]


def _array_limit() -> int:
    """The largest array that the site takes."""
    said = _run("scontrol", "show", "config")
    match = re.search(r"MaxArraySize\s*=\s*(\d+)", said or "")
    return max(1, int(match[1])) if match else _DEFAULT_ARRAY


def _listed_jobs() -> dict[str, str] | None:
    """The jobs of this user that wait or run, and why they wait; None if SLURM does not say."""
    said = _run("squeue", "--noheader", "--array", f"--user={os.getuid()}", "--format=%i %r")
    if said is None:
        return None
    return {line.split()[0]: line.partition(" ")[2] for line in said.splitlines() if line.strip()}


def _run(*command: str) -> str | None:
    """What a command of SLURM prints; None if it fails."""
    done = _completed(*command)
    return done.stdout if done is not None and done.returncode == 0 else None


def _completed(*command: str) -> subprocess.CompletedProcess[str] | None:
    """A command of SLURM that has ended; None if it cannot be run or does not end."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=_COMMAND_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None


def _tail(log: Path) -> str:
    with contextlib.suppress(OSError):
        lines = log.read_text(errors="replace").splitlines()[-_LOG_LINES:]
        return "\n".join([f"the end of {log}:", *lines])
    return f"it wrote no log ({log})"


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if "error" in line.lower()] or text.splitlines()
    return lines[-1].strip() if lines else "no reason given"


def _submitit() -> Any:
    try:
        import submitit
        import submitit.core.utils
    except ModuleNotFoundError as problem:
        raise InvalidParameterError(
            "the executor 'slurm' needs the extra 'slurm': pip install 'repscape[slurm]'"
        ) from problem
    return submitit
