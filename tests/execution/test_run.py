from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_tasks import array_task, begun

from repscape.errors import InvalidParameterError, StoreNotWritableError, TaskFailedError
from repscape.execution.executor import Ended
from repscape.execution.inline import InlineExecutor
from repscape.execution.ledger import read_failures
from repscape.execution.outcomes import Event, Outcome
from repscape.execution.run import run_tasks
from repscape.store import Store


def test_each_task_runs_once_after_what_it_needs(store, log):
    first = array_task("first", log)
    left, right = array_task("left", log, (first,)), array_task("right", log, (first,))
    last = array_task("last", log, (right, left))
    result = run_tasks([last, left], store)
    assert [task.label for task in result.made] == ["first", "right", "left", "last"]
    assert begun(log) == ["first", "right", "left", "last"]
    assert result.complete
    values = store.read_arrays(last.key)["values"]
    np.testing.assert_array_equal(values, 5 * np.arange(3.0) + 2 * 5 + 5 + 4 + 4)


def test_what_the_store_has_is_found_and_not_made_again(store, log):
    first = array_task("first", log)
    run_tasks([first], store)
    events: list[Event] = []
    result = run_tasks([array_task("second", log, (first,))], store, report=events.append)
    assert [task.label for task in result.made] == ["second"]
    assert [task.label for task in result.found] == ["first"]
    assert begun(log) == ["first", "second"]
    assert [(e.task.label, e.what) for e in events] == [
        ("first", "found"),
        ("second", "started"),
        ("second", "made"),
    ]


def test_a_failure_blocks_what_needs_it_and_the_rest_goes_on(store, log):
    first = array_task("first", log)
    broken = array_task("broken", log, (first,), run="fail")
    child = array_task("child", log, (broken,))
    grandchild = array_task("grandchild", log, (child, first))
    other = array_task("other", log, (first,))
    events: list[Event] = []
    result = run_tasks([grandchild, other], store, report=events.append)
    assert [task.label for task in result.made] == ["first", "other"]
    assert [task.label for task in result.blocked] == ["child", "grandchild"]
    (failure,) = result.failed
    assert not result.complete
    assert (failure.key, failure.label, failure.error) == (broken.key, "broken", "ValueError")
    assert failure.message == "broken does not work"
    assert "in fail\n" in failure.traceback
    assert failure.inputs == {"first": first.key}
    assert failure.arguments == {"log": str(log)}
    assert [(e.task.label, e.what) for e in events if e.what in ("failed", "blocked")] == [
        ("broken", "failed"),
        ("child", "blocked"),
        ("grandchild", "blocked"),
    ]
    assert read_failures(store) == {broken.key: failure}
    with pytest.raises(TaskFailedError, match=r"(?s)'broken' failed: ValueError.*2 tasks.*in fail"):
        result.raise_if_failed()


def test_running_again_retries_what_failed_and_forgets_the_failure(store, log, tmp_path):
    until = tmp_path / "mended"
    broken = array_task("broken", log, run="fail", until=str(until))
    child = array_task("child", log, (broken,))
    assert len(run_tasks([child], store).failed) == 1
    until.touch()
    assert run_tasks([child], store).complete
    assert begun(log) == ["broken", "broken", "child"]
    assert read_failures(store) == {}


def test_an_error_is_retried_as_often_as_configured(store, log):
    events: list[Event] = []
    broken = array_task("broken", log, run="fail")
    result = run_tasks([broken], store, report=events.append, retries=2)
    assert begun(log) == ["broken"] * 3
    assert result.failed[0].attempts == 3
    assert [e.what for e in events] == [
        *["started", "retried"] * 2,
        *["started", "failed"],
    ]


def test_a_task_that_ends_without_its_artefact_has_failed(store, log):
    broken = array_task("broken", log, run="write_nothing")
    (failure,) = run_tasks([broken], store).failed
    assert failure.error == "ArtefactMissingError"
    assert broken.key in failure.message


class Liar(InlineExecutor):
    """Says of every task that it is made."""

    def ended(self, timeout):
        assert self._next is not None
        task, self._next = self._next, None
        return [Ended(task.key, Outcome("made"))]


def test_a_worker_is_not_believed_if_the_store_has_nothing(store, log):
    (failure,) = run_tasks([array_task("a", log)], store, Liar(), lost_retries=1).failed
    assert (failure.error, failure.attempts) == ("WorkerLost", 2)
    assert failure.message == "its worker says 'made', but the store has no artefact"


def test_a_function_that_is_not_there_is_a_failure_with_the_near_match(store, log):
    (failure,) = run_tasks([array_task("a", log, run="ad_up")], store).failed
    assert failure.error == "UnknownNameError"
    assert "did you mean 'add_up'" in failure.message


def test_an_unknown_executor_is_refused_with_the_known_ones(store):
    with pytest.raises(InvalidParameterError, match=r"no executor 'inlin'.*'inline'"):
        run_tasks([], store, "inlin")


def test_the_declared_threads_are_set_inside_and_restored(store, log):
    import numba
    import torch

    before = torch.get_num_threads(), numba.get_num_threads()
    one, two = (array_task(str(n), log, run="count_threads", cpus=n) for n in (1, 2))
    assert run_tasks([one, two], store).complete
    assert (torch.get_num_threads(), numba.get_num_threads()) == before
    assert set(store.read_arrays(one.key)["threads"].tolist()) == {1}
    assert store.read_arrays(two.key)["threads"][0] == 2


def test_a_full_disk_stops_the_run_with_its_reason(store, log, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise StoreNotWritableError("cannot write: the disk is full")

    monkeypatch.setattr(Store, "write_arrays", full)
    tasks = [array_task("first", log), array_task("second", log)]
    with pytest.raises(StoreNotWritableError, match="the disk is full"):
        run_tasks(tasks, store)
    assert begun(log) == ["first"]
    monkeypatch.undo()
    assert len(run_tasks(tasks, store).made) == 2


def test_a_chain_longer_than_the_stack_is_deep(store, log):
    task = array_task("0", log)
    for number in range(1, 3000):
        task = array_task(str(number), log, (task,), run="fail")
    result = run_tasks([task], store)
    assert [f.label for f in result.failed] == ["1"]
    assert len(result.blocked) == 2998


def test_full_and_read_only_disks_stop_a_run_and_harm_nothing(importable, tmp_path):
    """In mounts that only this process sees."""
    prefix = ["unshare", "--user", "--map-root-user", "--mount"]
    probe = subprocess.run([*prefix, "true"], capture_output=True, text=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"mounting a small disk needs user namespaces: {probe.stderr.strip()}")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = Path(__file__).with_name("small_disk_run.py")
    command = [*prefix, sys.executable, str(script), str(disk), str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert done.stdout == "ok\n", done.stderr
