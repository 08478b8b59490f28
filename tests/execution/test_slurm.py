"""A real SLURM of one node runs tasks, loses one to scancel, and lets one run out of time."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from local_slurm import local_slurm
from micro_study import data_of, run_micro
from small_tasks import array_task, begun, times_begun

from repscape.execution.outcomes import Event
from repscape.execution.run import run_tasks
from repscape.execution.slurm import SlurmExecutor
from repscape.store import Store

pytestmark = [pytest.mark.slurm, pytest.mark.slow]


@pytest.fixture(scope="module")
def configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with local_slurm(tmp_path_factory.mktemp("slurm") / "run") as conf:
        yield conf


@pytest.fixture(autouse=True)
def _slurm(importable: None, configuration: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_CONF", str(configuration))


def quick_slurm(**options: object) -> SlurmExecutor:
    return SlurmExecutor(poll_seconds=0.5, minutes=5, **options)


def test_arrays_of_tasks_a_failure_and_what_it_blocks(store, log):
    first = [array_task(f"first-{n}", log) for n in range(3)]
    broken = array_task("broken", log, (first[0],), run="fail")
    blocked = array_task("blocked", log, (broken,))
    last = array_task("last", log, tuple(first), cpus=2)
    result = run_tasks([blocked, last], store, quick_slurm(partition="main"))
    assert {task.label for task in result.made} == {*(task.label for task in first), "last"}
    assert [task.label for task in result.blocked] == ["blocked"]
    (failure,) = result.failed
    assert (failure.error, failure.message) == ("ValueError", "broken does not work")
    assert times_begun(log) == {**{t.label: 1 for t in first}, "broken": 1, "last": 1}
    again = run_tasks([last], store, quick_slurm())
    assert len(again.found) == 4
    logs = store.root.with_name("store-slurm")
    assert len(list(logs.glob("*submission.sh"))) == 3  # one array of three, two single jobs
    assert not list(store.root.parent.rglob("*.pkl"))


DRIVE = """
import sys
from pathlib import Path
from micro_study import run_micro
from repscape.execution.slurm import SlurmExecutor
run_micro(Path(sys.argv[1]), Path(sys.argv[2]), SlurmExecutor(poll_seconds=0.5, minutes=5), 2.0)
"""


def test_the_bytes_are_those_of_this_process_also_when_the_driver_is_killed(tmp_path):
    """Jobs go on without their driver, and the next one waits for them."""
    root, log = tmp_path / "store", tmp_path / "log"
    driver = subprocess.Popen([sys.executable, "-c", DRIVE, str(root), str(log)])
    while not begun(log):
        assert driver.poll() is None
        time.sleep(0.05)
    driver.kill()
    driver.wait()
    assert run_micro(root, log, quick_slurm()).complete
    assert set(times_begun(log).values()) == {1}  # also what was running when the driver died
    run_micro(tmp_path / "here", tmp_path / "here-log")
    assert data_of(root) == data_of(tmp_path / "here")


def test_a_cancelled_job_is_noticed_and_submitted_again(store, log, tmp_path):
    task = array_task("long", log, run="sleep", seconds=600, once=str(tmp_path / "once"))
    events: list[Event] = []

    def cancel() -> None:
        while not begun(log):
            time.sleep(0.05)
        subprocess.run(["scancel", "--user=root", "--state=RUNNING"], check=True)

    thread = threading.Thread(target=cancel)
    thread.start()
    result = run_tasks([task], store, quick_slurm(), events.append)
    thread.join()
    assert result.complete
    (retried,) = [event for event in events if event.what == "retried"]
    assert retried.failure.error == "WorkerLost"
    assert "is gone and left no result" in retried.failure.message
    assert begun(log) == ["long", "long"]


def test_a_job_whose_time_is_over_queues_itself_again(store, log, tmp_path):
    """The limit is the shortest there is: one minute."""
    once = tmp_path / "once"
    task = array_task("slow", log, run="sleep", seconds=600, once=str(once), minutes=1)
    events: list[Event] = []
    result = run_tasks([task], store, quick_slurm(), events.append)
    assert result.complete
    assert begun(log) == ["slow", "slow"]
    assert [event.what for event in events] == ["started", "made"]  # nobody had to do anything
    (output,) = store.root.with_name("store-slurm").glob("*_log.out")
    assert "this job is timed-out" in output.read_text()


def preempt() -> None:
    """Run a job of a partition of higher priority, for which there is only room without others."""
    words = ("--partition=urgent", "--exclusive", "--time=1", "--output=/dev/null", "--wrap=true")
    subprocess.run(["sbatch", *words], check=True)


def requeue() -> None:
    """Put what runs back into the queue, as an administrator does to empty a node."""
    listed = subprocess.run(
        ["squeue", "-h", "--states=RUNNING", "--format=%i"], capture_output=True, text=True
    )
    for job in listed.stdout.split():
        subprocess.run(["scontrol", "requeue", job], check=True)


@pytest.mark.parametrize(("disturb", "said"), [(preempt, "this job is preempted"), (requeue, None)])
def test_jobs_that_are_sent_back_to_the_queue_begin_again_and_give_the_same_bytes(
    store, log, tmp_path, disturb, said
):
    once = tmp_path / "once"
    long = array_task("long", log, run="sleep", seconds=600, once=str(once))
    last = array_task("last", log, (array_task("first", log), long))
    executor, events = SlurmExecutor("main", poll_seconds=0.5, minutes=60), []
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(run_tasks, [last], store, executor, events.append)
        while not once.exists() or not store.has(last.needs[0].key):
            assert not running.done()
            time.sleep(0.05)
        disturb()
        assert running.result().complete
    assert times_begun(log) == {"first": 1, "long": 2, "last": 1}
    assert "retried" not in {event.what for event in events}, "SLURM does it, not the driver"
    logs = [path.read_text() for path in store.root.with_name("store-slurm").glob("*_log.out")]
    assert said is None or any(said in text for text in logs)
    run_tasks([last], Store(tmp_path / "here"))
    assert data_of(store.root) == data_of(tmp_path / "here")


@pytest.mark.parametrize(
    ("too_much", "message"),
    [
        ({"gpus": 1}, "SLURM refused the job: .*(generic resource|configuration)"),
        ({"cpus": 1000}, "cannot start: SLURM says PartitionConfig"),
    ],
)
def test_a_job_that_asks_for_too_much_says_what_slurm_said(store, log, too_much, message):
    greedy = array_task("greedy", log, **too_much)
    other = array_task("other", log)
    result = run_tasks([greedy, other], store, quick_slurm())
    assert store.has(other.key)
    (failure,) = result.failed
    assert (failure.label, failure.error, failure.attempts) == ("greedy", "Refused", 1)
    assert re.search(message, failure.message), failure.message
    _wait_for_an_empty_queue()


def test_ctrl_c_cancels_what_waits_and_runs(store, log):
    def stop(event: Event) -> None:
        if event.what == "started":
            while not begun(log):
                time.sleep(0.05)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_tasks([array_task("long", log, run="sleep", seconds=600)], store, quick_slurm(), stop)
    _wait_for_an_empty_queue()


def _wait_for_an_empty_queue() -> None:
    until = time.monotonic() + 60
    while subprocess.run(["squeue", "-h"], capture_output=True, check=True).stdout:
        assert time.monotonic() < until
        time.sleep(0.2)
