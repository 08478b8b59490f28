"""A real Ray cluster of two nodes, one of which is killed at work."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest
from local_ray import SMALL, client_server, local_ray
from micro_study import data_of, run_micro
from small_tasks import array_task, begun, times_begun

from repscape.errors import InvalidParameterError
from repscape.execution.outcomes import Event
from repscape.execution.ray import RayExecutor
from repscape.execution.run import run_tasks

ray = pytest.mark.ray
slow = pytest.mark.slow


@pytest.fixture
def cluster(importable: None) -> Iterator[Any]:
    with local_ray() as cluster:
        yield cluster


def processes_of(node: Any) -> list[psutil.Process]:
    """Whatever runs on one node of the cluster."""
    own = [process.process for group in node.all_processes.values() for process in group]
    return [child for one in own for child in psutil.Process(one.pid).children(recursive=True)]


@ray
@slow
def test_a_node_that_is_killed_loses_its_task_and_the_run_goes_on(cluster, store, log, tmp_path):
    doomed = cluster.add_node(num_cpus=2, **SMALL)
    cluster.wait_for_nodes()
    # Only the second node has two cores, until another one takes its place.
    long = array_task("long", log, run="sleep", seconds=600, once=str(tmp_path / "once"), cpus=2)
    others = [array_task(f"other-{n}", log) for n in range(3)]
    last = array_task("last", log, (long, *others))
    broken = array_task("broken", log, run="fail")
    events: list[Event] = []
    with ThreadPoolExecutor(1) as thread:
        tasks, executor = [last, broken], RayExecutor(cluster.address)
        running = thread.submit(run_tasks, tasks, store, executor, events.append)
        while "long" not in begun(log):
            assert not running.done()
            time.sleep(0.05)
        workers = processes_of(doomed)
        cluster.remove_node(doomed, allow_graceful=False)
        for worker in workers:  # the power is off: not only Ray's own process is gone
            with contextlib.suppress(psutil.NoSuchProcess):
                worker.kill()
        cluster.add_node(num_cpus=2, **SMALL)
        result = running.result()
    assert store.has(last.key)
    assert [failure.message for failure in result.failed] == ["broken does not work"]
    (retried,) = [event for event in events if event.what == "retried"]
    assert (retried.task.label, retried.failure.error) == ("long", "WorkerLost")
    assert "Ray lost the task" in retried.failure.message
    expected = {"long": 2, "last": 1, "broken": 1, **{task.label: 1 for task in others}}
    assert times_begun(log) == expected


@ray
@slow
def test_ray_gives_the_bytes_of_this_process(cluster, tmp_path):
    """Through a `ray://` address, as from a machine that is no node."""
    cluster.add_node(num_cpus=2, **SMALL)
    cluster.wait_for_nodes()
    run_micro(tmp_path / "here", tmp_path / "here-log")
    with client_server(cluster.address) as address:
        result = run_micro(tmp_path / "there", tmp_path / "there-log", RayExecutor(address))
    assert len(result.made) == 7
    assert data_of(tmp_path / "there") == data_of(tmp_path / "here")


@ray
def test_an_address_that_is_none_is_an_error_that_names_it(store, log):
    with pytest.raises(InvalidParameterError, match=r"Ray cluster at 'nowhere' cannot be used"):
        run_tasks([array_task("a", log)], store, RayExecutor("nowhere"))


def test_without_ray_the_error_names_the_extra(store, log, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InvalidParameterError, match=r"pip install 'repscape\[ray\]'"):
        run_tasks([array_task("a", log)], store, "ray")
