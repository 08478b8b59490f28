"""Faults that a SLURM of one node cannot show, by stand-in commands on PATH."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from small_tasks import array_task, times_begun
from stand_in_slurm import StandIns

from repscape.errors import InvalidParameterError
from repscape.execution.outcomes import Event
from repscape.execution.run import run_tasks
from repscape.execution.slurm import SlurmExecutor

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("importable")]
pytest.importorskip("submitit", reason="the extra 'slurm' is not installed")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIns:
    made = StandIns.make(tmp_path / "bin", array_limit=3)
    monkeypatch.setenv("PATH", f"{made.folder}{os.pathsep}{os.environ['PATH']}")
    return made


def quick_slurm(**options: object) -> SlurmExecutor:
    return SlurmExecutor(poll_seconds=0.2, **options)


def test_arrays_keep_to_the_limit_of_the_site(slurm, store, log):
    tasks = [array_task(str(n), log) for n in range(4)]
    assert run_tasks(tasks, store, quick_slurm(jobs_at_once=2)).complete
    assert slurm.arrays == ["0-2%2", "1"]
    assert set(times_begun(log).values()) == {1}


def test_a_lost_node_sends_its_tasks_back_and_a_silent_controller_changes_nothing(
    slurm, store, log
):
    slurm.lose_next()
    slurm.silence(4)
    events: list[Event] = []
    tasks = [array_task(str(n), log) for n in range(2)]
    assert run_tasks(tasks, store, quick_slurm(), events.append).complete
    assert [event.what for event in events].count("retried") == 2
    assert all(
        "is gone and left no result; it wrote no log" in event.failure.message
        for event in events
        if event.what == "retried"
    )
    assert set(times_begun(log).values()) == {1}


def test_a_refusal_fails_its_tasks_with_what_slurm_said(slurm, store, log):
    slurm.refuse(9, "Batch job submission failed: Invalid account or account/partition")
    task = array_task("a", log)
    (failure,) = run_tasks([task], store, quick_slurm()).failed
    assert (failure.error, failure.attempts) == ("Refused", 1)
    assert "Invalid account" in failure.message


def test_a_controller_that_cannot_be_reached_for_a_while_is_asked_again(slurm, store, log):
    slurm.refuse(2, "Batch job submission failed: Unable to contact slurm controller")
    result = run_tasks([array_task("a", log)], store, quick_slurm(), lost_retries=2)
    assert result.complete
    assert times_begun(log) == {"a": 1}


def test_a_site_that_takes_no_more_for_now_is_asked_again(slurm, store, log):
    words = "Batch job submission failed: Job violates accounting/QOS policy (job submit limit)"
    first = [array_task(f"first-{n}", log, run="sleep", seconds=0.5) for n in range(2)]
    executor = quick_slurm(queued=2)

    def report(event: Event) -> None:
        if event.what == "made" and not slurm.arrays[1:]:
            slurm.refuse(1, words)

    others = [array_task(f"other-{n}", log) for n in range(2)]
    result = run_tasks([*first, *others], store, executor, report)
    assert result.complete
    assert set(times_begun(log).values()) == {1}


def test_a_site_that_takes_no_job_is_an_error_before_anything_runs(slurm, store, log):
    slurm.close_site("Batch job submission failed: Invalid partition name specified: gpuu")
    executor = quick_slurm(partition="gpuu")
    with pytest.raises(InvalidParameterError, match=r"--partition=gpuu .*Invalid partition name"):
        run_tasks([array_task("a", log)], store, executor)
    assert (slurm.arrays, log.exists()) == ([], False)


def test_a_controller_that_does_not_answer_is_waited_for_and_then_an_error(slurm, store, log):
    slurm.close_site("Batch job submission failed: Unable to contact slurm controller")
    with pytest.raises(InvalidParameterError, match=r"nothing was run.*Unable to contact"):
        run_tasks([array_task("a", log)], store, quick_slurm())
    assert log.exists() is False


def test_a_machine_without_slurm_says_so(store, log, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InvalidParameterError, match="sbatch, squeue, scancel, srun not found"):
        run_tasks([array_task("a", log)], store, SlurmExecutor())


def test_without_submitit_the_error_names_the_extra(store, log, monkeypatch):
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(InvalidParameterError, match=r"pip install 'repscape\[slurm\]'"):
        run_tasks([array_task("a", log)], store, "slurm")
