"""Run tasks on a Ray cluster, or on a local one that this starts."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from repscape.errors import InvalidParameterError
from repscape.execution.executor import Ended
from repscape.execution.ledger import write_task_file
from repscape.execution.outcomes import Outcome
from repscape.execution.worker import perform_file

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task


_HOST_AND_PORT = re.compile(r"(?:ray://)?([^/]+):(\d+)")
_ANSWER_SECONDS = 10


class RayExecutor:
    """Hands tasks to Ray, with the cores, GPUs and memory that they declare.

    The store must lie on a file system that all nodes share, under the same path, and Repscape
    must be installed there. Ray itself retries nothing: a task whose node or process is lost
    goes back to the driver, which looks into the store first.

    Parameters
    ----------
    address : str, optional
        `"ray://host:10001"`, `"host:6379"` or `"auto"`. By default the cluster that this process
        is connected to, or else a local one that lasts as long as the run.
    queued : int
        How many tasks to hand over at most.
    options : mapping, optional
        More arguments of `ray.init`, e.g. `{"runtime_env": {"env_vars": {...}}}`.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        queued: int = 1000,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self._address, self._queued = address, queued
        self._options = dict(options or {})
        self._store: Store | None = None
        self._ours = False
        self._cores: float | None = None
        self._running: dict[Any, str] = {}
        self._refused: list[Ended] = []

    def open(self, store: Store) -> None:
        """Connect to the cluster.

        Raises `InvalidParameterError` if Ray is not installed or the cluster does not answer.
        """
        ray = _ray()
        self._store = store
        if self._address is None and ray.is_initialized():
            return
        self._look_for_it()
        settings = {"log_to_driver": False, "logging_level": "warning", **self._options}
        if self._address is None:
            settings.setdefault("include_dashboard", False)
        try:
            ray.init(address=self._address or "local", **settings)
        except (ConnectionError, RuntimeError, ValueError) as problem:
            raise InvalidParameterError(
                f"the Ray cluster at {self._address or 'this machine'!r} cannot be used: {problem}"
            ) from problem
        self._ours = True
        if self._address is None:
            self._cores = ray.cluster_resources().get("CPU", 1.0)

    def _look_for_it(self) -> None:
        """Whether anything listens at the address: Ray itself would ask for minutes."""
        found = _HOST_AND_PORT.fullmatch(self._address or "")
        if found is None:
            return
        try:
            socket.create_connection((found[1].strip("[]"), int(found[2])), _ANSWER_SECONDS).close()
        except (OSError, OverflowError) as problem:
            raise InvalidParameterError(
                f"no Ray cluster answers at {self._address!r} within {_ANSWER_SECONDS} seconds "
                f"({problem}), so nothing was run: check host and port, and that this machine can "
                "reach them, or use another executor"
            ) from None

    def room(self) -> int:
        """As many as `queued` allows; Ray decides when they run."""
        return max(0, self._queued - len(self._running))

    def start(self, ready: Sequence[Task]) -> Sequence[Task]:
        """Hand them all over."""
        assert self._store is not None
        taken = ready[: self.room()]
        for task in taken:
            if self._is_impossible(task):
                continue
            path = write_task_file(task, self._store).absolute()
            call = _ray().remote(perform_file).options(**self._wanted(task))
            self._running[call.remote(str(path))] = task.key
        return taken

    def ended(self, timeout: float) -> Sequence[Ended]:
        """What Ray has finished or lost."""
        if self._refused or not self._running:
            refused, self._refused = self._refused, []
            return refused
        ray, refs = _ray(), list(self._running)
        first, _ = ray.wait(refs, num_returns=1, timeout=timeout)
        if not first:
            return []
        done, _ = ray.wait(refs, num_returns=len(refs), timeout=0)
        return [self._collect(ref) for ref in done]

    def close(self) -> None:
        """Cancel what still runs, and end the local cluster or leave the remote one."""
        ray = _ray()
        for ref in self._running:
            ray.cancel(ref, force=True)
        self._running.clear()
        if self._ours:
            ray.shutdown()
            self._ours = False

    def _collect(self, ref: Any) -> Ended:
        ray, key = _ray(), self._running.pop(ref)
        try:
            return Ended(key, Outcome.from_json(ray.get(ref)))
        except ray.exceptions.RayError as problem:
            return Ended(key, None, f"Ray lost the task: {type(problem).__name__}: {problem}")

    def _is_impossible(self, task: Task) -> bool:
        """Whether this one machine lacks the GPUs; a cluster may still grow."""
        wanted = task.resources.gpus
        if self._cores is None or wanted <= _ray().cluster_resources().get("GPU", 0):
            return False
        reason = (
            f"task {task.label!r} asks for {wanted} GPUs, more than this machine has: ask for "
            f"fewer in the resources of stage {task.stage!r}, or use another executor"
        )
        self._refused.append(Ended(task.key, None, reason, refused=True))
        return True

    def _wanted(self, task: Task) -> dict[str, Any]:
        resources = task.resources
        # On one machine a task that declares more threads than there are cores runs alone.
        cores = resources.cpus if self._cores is None else min(resources.cpus, self._cores)
        return {
            "num_cpus": cores,
            "num_gpus": resources.gpus,
            "memory": resources.memory,
            "max_retries": 0,
            "name": task.label,
        }


def _ray() -> Any:
    try:
        import ray
        import ray.exceptions
    except ModuleNotFoundError as problem:
        raise InvalidParameterError(
            "the executor 'ray' needs the extra 'ray': pip install 'repscape[ray]'"
        ) from problem
    return ray
