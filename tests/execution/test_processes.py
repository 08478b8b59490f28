"""A pool of processes: deaths are noticed, threads and GPUs are divided."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from small_tasks import array_task, begun, times_begun

from repscape.execution.ledger import read_failures
from repscape.execution.outcomes import Event
from repscape.execution.processes import ProcessExecutor
from repscape.execution.run import run_tasks
from repscape.store.atomic import process_start

pytestmark = pytest.mark.usefixtures("importable")


def test_a_process_that_dies_is_noticed_and_its_task_runs_again(store, log):
    events: list[Event] = []
    dying = array_task("dying", log, run="die", deaths=1)
    doomed = array_task("doomed", log, run="die", deaths=99)
    others = [array_task(f"other-{n}", log) for n in range(4)]
    child = array_task("child", log, (dying, *others))
    result = run_tasks(
        [doomed, child], store, ProcessExecutor(cpus=2), events.append, lost_retries=1
    )
    assert times_begun(log) == {
        "dying": 2,
        "doomed": 2,
        "child": 1,
        **{f"other-{n}": 1 for n in range(4)},
    }
    (failure,) = result.failed
    assert (failure.label, failure.error, failure.attempts) == ("doomed", "WorkerLost", 2)
    assert "killed, or memory ran out" in failure.message
    assert read_failures(store) == {doomed.key: failure}
    assert [e.task.label for e in events if e.what == "retried"].count("dying") == 1
    assert store.has(child.key)


def test_idle_processes_leave_by_themselves_and_tidy_up(store, log):
    """A killed one would leave semaphores of the libraries in it, and Python says so."""
    assert run_tasks([array_task("tidy", log, run="tidy_up")], store, ProcessExecutor()).complete
    assert Path(f"{log}.tidied").exists()


def test_every_task_gets_the_threads_that_it_declares(store, log):
    tasks = [array_task(str(n), log, run="count_threads", cpus=n) for n in (1, 2)]
    assert run_tasks(tasks, store, ProcessExecutor(cpus=2)).complete
    assert set(store.read_arrays(tasks[0].key)["threads"].tolist()) == {1}
    assert store.read_arrays(tasks[1].key)["threads"][0] == 2


def test_tasks_run_at_once_within_the_cores(store, log):
    """Of 1 + 1 + 2 threads on two cores never more than two are busy."""
    busy: dict[str, int] = {}
    most = []

    def report(event: Event) -> None:
        if event.what == "started":
            busy[event.task.key] = event.task.resources.cpus
        else:
            del busy[event.task.key]
        most.append(sum(busy.values()))

    tasks = [
        array_task(str(n), log, run="sleep", seconds=0.1, cpus=cpus)
        for n, cpus in enumerate((1, 1, 2, 1, 3))
    ]
    assert run_tasks(tasks, store, ProcessExecutor(cpus=2), report).complete
    assert max(most) == 3  # the task that wants more than there is runs alone
    assert 2 in most


def test_one_process_for_each_gpu(store, log):
    executor = ProcessExecutor(cpus=3, gpus=["4", "7"])
    tasks = [array_task(f"g{n}", log, run="see", gpus=1, seconds=0.3) for n in range(4)]
    both = array_task("both", log, run="see", gpus=2, seconds=0)
    none = array_task("none", log, run="see", seconds=0)
    assert run_tasks([*tasks, both, none], store, executor).complete
    seen = [store.read_arrays(task.key) for task in tasks]
    by_gpu: dict[str, set[int]] = {}
    for one in seen:
        by_gpu.setdefault(str(one["gpus"][0]), set()).add(int(one["pid"][0]))
    assert {gpu: len(pids) for gpu, pids in by_gpu.items()} == {"4": 1, "7": 1}
    assert store.read_arrays(both.key)["gpus"].tolist() == ["4,7"]
    assert store.read_arrays(none.key)["gpus"].tolist() == [""]


def test_a_task_that_wants_more_gpus_than_there_are_is_refused_and_the_rest_goes_on(store, log):
    tasks = [array_task("greedy", log, gpus=3), array_task("other", log)]
    result = run_tasks(tasks, store, ProcessExecutor(gpus=["0", "1"]))
    assert [task.label for task in result.made] == ["other"]
    (failure,) = result.failed
    assert (failure.error, failure.attempts) == ("Refused", 1)
    assert re.search(r"'greedy' asks for 3 GPUs.*has 2.*'test'", failure.message)


def test_an_error_in_a_process_comes_back_with_its_traceback(store, log):
    (failure,) = run_tasks([array_task("a", log, run="fail")], store, ProcessExecutor(1)).failed
    assert failure.error == "ValueError"
    assert "in fail\n" in failure.traceback
    assert failure.pid != os.getpid()


def test_ctrl_c_ends_the_processes_and_leaves_no_lease(store, log):
    task = array_task("long", log, run="sleep", seconds=600)

    def interrupt() -> None:
        while not begun(log):
            time.sleep(0.02)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_tasks([task], store, ProcessExecutor(1))
    thread.join()
    quick = array_task("long", log, run="add_up")
    assert quick.key == task.key
    assert len(run_tasks([quick], store).made) == 1


DRIVE = """
import sys
from pathlib import Path
from small_tasks import array_task
from repscape.execution.processes import ProcessExecutor
from repscape.execution.run import run_tasks
from repscape.store import Store

if __name__ == "__main__":
    log = Path(sys.argv[2])
    run_tasks([array_task("long", log, run="tell_pid")], Store(sys.argv[1]), ProcessExecutor(1))
"""


def test_processes_do_not_outlive_a_killed_driver(store, log, tmp_path):
    script = tmp_path / "drive.py"
    script.write_text(DRIVE)
    driver = subprocess.Popen([sys.executable, str(script), str(store.root), str(log)])
    while not begun(log):
        assert driver.poll() is None
        time.sleep(0.05)
    worker = int(Path(f"{log}.pid").read_text())
    assert process_start(worker) is not None
    driver.kill()
    driver.wait()
    until = time.monotonic() + 60
    while process_start(worker) is not None:
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("seen", [True, False])
def test_a_process_that_is_killed_while_it_is_idle_is_replaced(store, log, seen):
    """As the kernel may do when memory runs short, long before the next task or just then."""
    executor = ProcessExecutor(1)
    tasks = [array_task(str(n), log) for n in range(12)]
    executor.open(store)
    lost = 0
    try:
        for task in tasks:
            while not store.has(task.key):
                assert list(executor.start([task])) == [task]
                while not (ended := executor.ended(1.0)):
                    pass
                lost += ended[0].outcome is None
            (place,) = executor._places
            os.kill(place.process.pid, signal.SIGKILL)
            if seen:
                place.process.join()
    finally:
        executor.close()
    assert set(begun(log)) == {task.label for task in tasks}
    assert lost <= (0 if seen else len(tasks))
    assert len(begun(log)) == len(tasks), "none is run twice"


def test_a_process_whose_children_outlive_it_is_noticed_all_the_same(store, log, tmp_path):
    once = tmp_path / "once"
    task = array_task("orphaning", log, run="die_with_child", once=str(once))
    assert run_tasks([task], store, ProcessExecutor(1)).complete
    assert times_begun(log) == {"orphaning": 2}
    os.kill(int(once.read_text()), signal.SIGKILL)
