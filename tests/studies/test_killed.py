"""The micro-study, of which the driver or a worker is killed at random moments.

`REPSCAPE_KILLS=300 REPSCAPE_KILLS_SEED=7` does it more often and at other moments; a failure
shows the seed that it had, and every moment, in its log.
"""

from __future__ import annotations

import contextlib
import logging
import math
import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import counted
import psutil
import pytest
from micro import assert_same, commits, run_micro

from repscape.execution.run import LOST_RETRIES
from repscape.store import Store

pytestmark = pytest.mark.slow
LOG = logging.getLogger(__name__)
KILLS = int(os.environ.get("REPSCAPE_KILLS", "30"))
SEED = int(os.environ.get("REPSCAPE_KILLS_SEED", "20261127"))
TASKS = 31
STALLED = 300.0
"""Seconds after which a run that nobody kills has stalled; one takes a few."""
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    [
        *("torch", "numba", "sklearn.datasets", "repscape.execution.worker"),
        *("repscape.studies.run", "repscape.studies.load", "repscape.training.train"),
        *(f"repscape.studies.steps.{step}" for step in ("extract", "score", "describe", "analyse")),
    ]
)

Driver = multiprocessing.process.BaseProcess
Kill = Callable[[Driver, random.Random], "int | None"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run_micro(folder).complete
    return folder


def start(folder: Path, executor: str) -> Driver:
    driver = CONTEXT.Process(target=counted.drive, args=(folder, executor))
    driver.start()
    return driver


def workers_of(driver: Driver) -> list[int]:
    """The processes of the pool, at work or idle: children of the server that makes them."""
    with contextlib.suppress(psutil.NoSuchProcess):
        servers = psutil.Process(driver.pid).children()
        return [worker.pid for server in servers for worker in server.children()]
    return []


def kill_driver(driver: Driver, draw: random.Random) -> int | None:
    os.kill(driver.pid, signal.SIGKILL)
    driver.join()
    return driver.pid


def kill_worker(driver: Driver, draw: random.Random) -> int | None:
    workers = workers_of(driver)
    if not workers:
        return None
    chosen = draw.choice(workers)
    with contextlib.suppress(ProcessLookupError):
        os.kill(chosen, signal.SIGKILL)
        return chosen
    return None


def studies(folder: Path) -> Iterator[Path]:
    """A new folder for each study, as one is at its end before there were enough kills."""
    number = 0
    while True:
        number += 1
        (folder / str(number)).mkdir()
        yield folder / str(number)


def wait_for_a_moment(folder: Path, driver: Driver, draw: random.Random) -> str:
    """Any moment at all, or any after something more began or ended, so that a run gets on."""
    anywhere, pause = draw.random() < 0.2, draw.uniform(0, 1.0)
    log = folder / "log"
    before = len(counted.lines(log))
    while not anywhere and driver.exitcode is None and len(counted.lines(log)) <= before:
        time.sleep(0.01)
    driver.join(pause)
    return f"{'any time' if anywhere else f'line {before}'} + {pause:.3f} s"


@pytest.mark.parametrize(
    ("executor", "kill", "share", "most"),
    [
        ("inline", kill_driver, 0.4, KILLS),
        ("processes[cpus=2]", kill_driver, 0.2, KILLS),  # each begins with a server that imports
        ("processes[cpus=2]", kill_worker, 0.4, LOST_RETRIES),  # a study: no task is given up
    ],
    ids=["driver", "driver-of-a-pool", "worker-of-a-pool"],
)
def test_killed_at_random_moments_it_ends_with_the_same_bytes_and_does_nothing_twice(
    uninterrupted, tmp_path, executor: str, kill: Kill, share: float, most: int
) -> None:
    LOG.warning("REPSCAPE_KILLS=%d REPSCAPE_KILLS_SEED=%d", KILLS, SEED)
    draw = random.Random(f"{SEED} {executor} {kill.__name__}")
    kills, wanted = 0, math.ceil(KILLS * share)
    for folder in studies(tmp_path):
        driver, committed, before = start(folder, executor), {}, kills
        while driver.exitcode != 0:
            assert driver.exitcode is None, "something is missing in the end"
            if kills >= min(wanted, before + most):
                driver.join(STALLED)
                assert driver.exitcode is not None, f"it stalled in {folder}"
                continue
            moment = wait_for_a_moment(folder, driver, draw)
            if driver.exitcode is None and (killed := kill(driver, draw)) is not None:
                kills += 1
                committed |= commits(folder)
                there = len(committed)
                LOG.warning("%s: %d at %s, %d there", folder.name, killed, moment, there)
                if killed == driver.pid:
                    driver = start(folder, executor)
        check(folder, committed, uninterrupted)
        if kills >= wanted:
            return


def check(folder: Path, committed: dict[str, int], uninterrupted: Path) -> None:
    """The bytes are the same, and nothing was done that was done already."""
    assert_same(folder, uninterrupted)
    assert Store(folder / "store").verify() == []
    after = commits(folder)
    assert {key: after[key] for key in committed} == committed, "committed twice"
    begun: set[str] = set()
    done: set[str] = set()
    for what, key in counted.lines(folder / "log"):
        assert what != "again", f"{key} was committed and is done again"
        assert what != "begun" or key not in done, f"{key} ended and begins again"
        (done if what == "ended" else begun).add(key)
    assert len(begun) == TASKS
    assert begun <= after.keys()
