"""One task from its file, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_tasks import array_task, begun

from repscape.errors import UnreadableFileError
from repscape.execution.ledger import (
    clean_task_files,
    read_failures,
    read_task_file,
    write_task_file,
)
from repscape.execution.outcomes import Outcome
from repscape.execution.run import run_tasks
from repscape.execution.worker import perform, perform_file
from repscape.store.leases import Leases

pytestmark = pytest.mark.usefixtures("importable")


def work(path: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "repscape.execution.worker", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_file_is_all_that_a_worker_needs(store, log):
    task = array_task("first", log)
    done = work(write_task_file(task, store))
    assert (done.returncode, Outcome.from_json(done.stdout)) == (0, Outcome("made")), done.stderr
    np.testing.assert_array_equal(store.read_arrays(task.key)["values"], np.arange(3.0) + 5)
    assert begun(log) == ["first"]


def test_a_failure_is_recorded_printed_and_an_exit_status(store, log):
    task = array_task("broken", log, run="fail")
    done = work(write_task_file(task, store))
    assert done.returncode == 1
    assert "ValueError: broken does not work" in done.stderr
    failure = Outcome.from_json(done.stdout).failure
    assert read_failures(store) == {task.key: failure}


def test_what_is_there_is_found_and_what_is_leased_is_left_alone(store, log):
    task = array_task("first", log)
    with Leases(store.root).take(task.key):
        assert perform(task, store) == Outcome("held")
    assert begun(log) == []
    assert perform(task, store) == Outcome("made")
    assert perform(task, store) == Outcome("found")
    assert list((store.root / "_leases").iterdir()) == []


def test_the_file_keeps_the_order_of_inputs_and_tells_other_arguments_apart(store, log):
    needs = tuple(array_task(name, log) for name in ("z", "a"))
    task = array_task("last", log, needs)
    path = write_task_file(task, store)
    again, where = read_task_file(path)
    assert again == task
    assert list(again.recipe.inputs) == ["z", "a"]
    assert where.root == store.root
    assert write_task_file(task, store) == path
    assert write_task_file(array_task("last", log, needs, seconds=1), store) != path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "there is no task file"),
        ("{", "is not a task file"),
        ("{}", "is not a task file"),
        (json.dumps({"format": 99}), "its format 99 is newer than 1"),
    ],
)
def test_a_file_that_is_no_task_file_is_named(tmp_path, content, message):
    path = tmp_path / "task.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UnreadableFileError, match=message) as caught:
        read_task_file(path)
    assert str(path) in str(caught.value)


def test_no_file_is_a_usage_error(tmp_path):
    command = [sys.executable, "-m", "repscape.execution.worker"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == os.EX_USAGE
    assert "TASKFILE" in done.stderr
    assert work(tmp_path / "nothing.json").returncode == 1


def test_files_of_tasks_that_are_done_are_cleaned_and_no_worker_loses_one(store, log):
    done, waiting, held = (array_task(name, log) for name in ("done", "waiting", "held"))
    paths = {task.label: write_task_file(task, store) for task in (done, waiting, held)}
    other = write_task_file(array_task("done", log, once="another driver's"), store)
    run_tasks([done], store)
    assert sorted(path.name for path in (store.root / "_tasks").iterdir()) == sorted(
        paths[name].name for name in ("waiting", "held")
    )
    # A worker that comes late to a file that is gone finds what it was for.
    assert Outcome.from_json(perform_file(str(paths["done"]))) == Outcome("found")
    assert Outcome.from_json(perform_file(str(other))) == Outcome("found")
    assert Outcome.from_json(perform_file(str(paths["waiting"]))) == Outcome("made")
    for path in paths.values():
        if path.exists():
            os.utime(path, (0, 0))
    lease = Leases(store.root).take(held.key)
    assert lease is not None
    with lease:
        assert clean_task_files(store) == [paths["waiting"]]
    assert clean_task_files(store, max_age=1e12) == [], "a cluster may still have it queued"
    assert clean_task_files(store) == [paths["held"]], "old, and nobody is at it"
    with pytest.raises(UnreadableFileError, match="there is no task file"):
        perform_file(str(paths["held"]))
