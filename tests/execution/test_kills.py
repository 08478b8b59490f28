"""Drivers and workers killed at random moments, and two drivers at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from micro_study import LAYERS, MEASURES, data_of, micro_tasks, run_micro
from small_tasks import begun, times_begun

from repscape.execution.ledger import read_failures
from repscape.execution.processes import ProcessExecutor
from repscape.store import Store

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("importable")]
TASKS = LAYERS + len(MEASURES) + 1
SECONDS = 0.1
KILLS = 6
"""Of tasks that do nothing but sleep; `tests/studies/test_killed.py` kills a real study."""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["repscape.execution.worker", "torch", "numba", "micro_study"])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("reference")
    assert len(run_micro(folder / "store", folder / "log").made) == TASKS
    return data_of(folder / "store")


def start(root: Path, log: Path, seconds: float = SECONDS) -> multiprocessing.process.BaseProcess:
    process = CONTEXT.Process(target=run_micro, args=(root, log, "inline", seconds))
    process.start()
    return process


def test_a_driver_killed_at_random_moments_ends_with_the_same_bytes(tmp_path, reference):
    moments = random.Random(0)
    whole = 0.0
    for name in ("first", "warm"):  # the first also waits for the server of processes
        begin = time.monotonic()
        start(tmp_path / name, tmp_path / f"{name}-log").join()
        whole = time.monotonic() - begin
    kills = studies = 0
    while kills < KILLS:
        studies += 1
        root, log = tmp_path / f"store-{studies}", tmp_path / f"log-{studies}"
        driver = start(root, log)
        while driver.exitcode is None:
            driver.join(moments.uniform(0.0, 1.3 * whole))
            if driver.exitcode is None:
                driver.kill()
                driver.join()
                kills += 1
                driver = start(root, log)
        assert driver.exitcode == 0
        assert data_of(root) == reference
        assert set(begun(log)) == labels(log)  # with no `!`: nothing committed was done again


def labels(log: Path) -> set[str]:
    (last,) = micro_tasks(log)
    return {task.label for task in (last, *last.needs, *last.needs[0].needs)}


def test_workers_killed_at_random_moments_end_with_the_same_bytes(tmp_path, reference):
    moments = random.Random(1)
    root, log = tmp_path / "store", tmp_path / "log"
    command = [sys.executable, "-c", RUN_POOL, str(root), str(log)]
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    kills = 0
    while driver.poll() is None and kills < KILLS:
        time.sleep(moments.uniform(0.0, 4 * SECONDS))
        workers = workers_of(driver)
        if workers:
            with contextlib.suppress(psutil.NoSuchProcess):
                moments.choice(workers).send_signal(signal.SIGKILL)
                kills += 1
    assert driver.communicate()[0] == f"{TASKS} made\n"
    assert kills == KILLS
    assert data_of(root) == reference
    assert not [name for name in begun(log) if name.endswith("!")]
    assert read_failures(Store(root)) == {}


RUN_POOL = f"""
import sys
from pathlib import Path
from micro_study import run_micro
from repscape.execution.processes import ProcessExecutor
if __name__ == "__main__":
    root, log = map(Path, sys.argv[1:])
    print(len(run_micro(root, log, ProcessExecutor(2), {4 * SECONDS}).made), "made")
"""


def workers_of(driver: subprocess.Popen[str]) -> list[psutil.Process]:
    """The processes at work: children of the server that makes them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return [
            worker
            for server in psutil.Process(driver.pid).children()
            for worker in server.children()
        ]
    return []


def test_two_drivers_share_the_work(tmp_path, reference):
    for round_ in range(3):
        root, log = tmp_path / f"store-{round_}", tmp_path / f"log-{round_}"
        drivers = [start(root, log) for _ in range(2)]
        for driver in drivers:
            driver.join()
        assert [driver.exitcode for driver in drivers] == [0, 0]
        assert times_begun(log) == dict.fromkeys(labels(log), 1)
        assert data_of(root) == reference


def test_the_other_driver_makes_what_a_killed_one_was_at(tmp_path, reference):
    root, log = tmp_path / "store", tmp_path / "log"
    first = start(root, log)
    while len(begun(log)) < 2:
        time.sleep(0.01)
    second = start(root, log)
    time.sleep(2 * SECONDS)
    first.kill()
    second.join()
    assert second.exitcode == 0
    assert data_of(root) == reference
    assert not [name for name in begun(log) if name.endswith("!")]
    assert sum(times_begun(log).values()) <= TASKS + 1


def test_after_a_lease_expired_the_first_commit_wins(tmp_path, reference):
    """A worker that is taken for dead goes on, and commits what is committed already."""
    root, log = tmp_path / "store", tmp_path / "log"
    late = start(root, log, 4.0)
    while not begun(log):
        time.sleep(0.01)
    for lease in (root / "_leases").iterdir():
        lease.unlink()
    assert len(run_micro(root, log).made) == TASKS
    committed = data_of(root)
    late.join()
    assert late.exitcode == 0
    assert times_begun(log) == {**dict.fromkeys(labels(log), 1), begun(log)[0]: 2}
    assert data_of(root) == committed == reference


@pytest.mark.parametrize("executor", [ProcessExecutor(2), ProcessExecutor(1)])
def test_a_pool_gives_the_bytes_of_this_process(tmp_path, reference, executor):
    result = run_micro(tmp_path / "store", tmp_path / "log", executor)
    result.raise_if_failed()
    assert len(result.made) == TASKS
    assert data_of(tmp_path / "store") == reference
