"""A task whose worker dies until the run gives it up: what is said, and what a rerun leaves."""

from __future__ import annotations

from pathlib import Path

import pytest
from deadly import Deadly
from micro import SETTINGS, commits, run_micro, tables

from repscape.execution.ledger import read_failures
from repscape.execution.processes import ProcessExecutor
from repscape.execution.run import LOST_RETRIES
from repscape.store import Store
from repscape.studies.run import StudyResult

pytestmark = pytest.mark.slow
SMALL = (*SETTINGS, "models.0.each.seed=[0]", "descriptors=[]", "describe={}")
LABEL = "cnn/0 on digits"


def check_said(done: StudyResult, store: Store) -> None:
    """What failed, in the result and beside the artefacts, with what it was made from."""
    [failure] = done.failed
    assert (failure.label, failure.error) == (LABEL, "WorkerLost")
    assert failure.attempts == LOST_RETRIES + 1
    assert "its process died" in failure.message
    assert failure.arguments["model_name"] == "cnn/0"
    assert store.has(failure.inputs["training"])
    assert read_failures(store) == {failure.key: failure}


def test_after_a_run_gave_a_task_up_the_next_ends_with_the_same_bytes(tmp_path: Path) -> None:
    whole, folder, flag = tmp_path / "whole", tmp_path / "given up", tmp_path / "flag"
    assert run_micro(whole, settings=SMALL).complete
    flag.touch()
    store = Store(folder / "store")
    done = run_micro(folder, Deadly(ProcessExecutor(cpus=1), LABEL, flag), SMALL)
    assert not done.complete
    check_said(done, store)
    partial = tables(folder)
    assert b"mlp/0:blocks.2" in partial["scores.csv"], "the rest goes on"
    assert b"cnn/0:blocks.2" not in partial["scores.csv"]
    before = commits(folder)
    flag.unlink()
    assert run_micro(folder, settings=SMALL).complete
    assert tables(folder) == tables(whole)
    after = commits(folder)
    assert {key: after[key] for key in before} == before, "nothing was done again"
    assert read_failures(store) == {}
