"""Estimates rest on what tasks of the same kind took, where that is known."""

from __future__ import annotations

from repscape.execution.ledger import read_seconds, record_seconds
from repscape.execution.worker import perform
from repscape.store import Store
from repscape.studies.pace import paces_of
from repscape.tasks import Recipe, Task


def scores(name: str, measure: str = "cka", stage: str = "compare") -> Task:
    recipe = Recipe("table", 1, {"measure": measure, "of": name})
    return Task(recipe, "small_tasks:sleep", name, stage, {})


def test_a_measure_goes_by_its_own_tasks_and_a_new_one_by_the_stage(tmp_path):
    store = Store(tmp_path)
    done = [scores("a"), scores("b"), scores("c", "rsa"), scores("unknown"), scores("unsaid")]
    for task, seconds in zip(done, (2.0, 4.0, 9.0), strict=False):
        record_seconds(task.key, seconds, store)
    paces = paces_of([*zip(done, (1.0, 1.0, 1.0, 1.0, None), strict=True)], store)
    assert paces.of(scores("d")) == 3.0, "6 seconds were 2"
    assert paces.of(scores("d", "rsa")) == 9.0
    assert paces.of(scores("d", "procrustes")) == 5.0, "15 seconds were 3"
    assert paces.of(scores("d", stage="extract")) == 1.0
    assert (paces.tasks("compare"), paces.tasks("extract")) == (3, 0)


def test_who_runs_a_task_writes_down_how_long_it_took(tmp_path, monkeypatch):
    store = Store(tmp_path / "store")
    arguments = {"log": str(tmp_path / "log"), "seconds": 0.2}
    task = Task(Recipe("predictions", 1), "small_tasks:sleep", "slow", "test", arguments)
    assert perform(task, store).what == "made"
    [seconds] = read_seconds(store, [task.key, "0123456789"]).values()
    assert seconds >= 0.2
    assert store.verify() == []


def test_what_is_half_written_is_not_known(tmp_path):
    store = Store(tmp_path)
    record_seconds("01234567", 12.5, store)
    assert read_seconds(store, ["01234567"]) == {"01234567": 12.5}
    (tmp_path / "_seconds" / "01234567").write_text("1")
    assert read_seconds(store, ["01234567"]) == {}
