from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.errors import ArtefactMissingError
from repscape.execution.inline import Event, limited_threads, run_tasks
from repscape.store import Store
from repscape.tasks import Recipe, Task


def array_task(
    name: str, log: list[str], needs: tuple[Task, ...] = (), commit: bool = True
) -> Task:
    recipe = Recipe("predictions", 1, {"name": name}, {t.label: t.key for t in needs})

    def make(store: Store) -> None:
        log.append(name)
        if commit:
            store.write_arrays(recipe, {"values": np.arange(3.0)})

    return Task(recipe, make, label=name, stage="test", needs=needs)


def test_each_task_runs_once_after_what_it_needs(tmp_path):
    log: list[str] = []
    first = array_task("first", log)
    left, right = array_task("left", log, (first,)), array_task("right", log, (first,))
    last = array_task("last", log, (right, left))
    assert run_tasks([last, left], Store(tmp_path / "store")) == 4
    assert log == ["first", "right", "left", "last"]


def test_what_the_store_has_is_found_and_not_made_again(tmp_path):
    log: list[str] = []
    store = Store(tmp_path / "store")
    first = array_task("first", log)
    run_tasks([first], store)
    events: list[Event] = []
    assert run_tasks([array_task("second", log, (first,))], store, events.append) == 1
    assert log == ["first", "second"]
    assert [(e.task.label, e.what) for e in events] == [
        ("first", "found"),
        ("second", "started"),
        ("second", "made"),
    ]


def test_an_error_keeps_what_was_made_before(tmp_path):
    log: list[str] = []
    store = Store(tmp_path / "store")
    first = array_task("first", log)
    broken = array_task("broken", log, (first,), commit=False)
    with pytest.raises(ArtefactMissingError, match="broken"):
        run_tasks([broken], store)
    assert store.has(first.key)


def test_threads_are_limited_inside_and_restored_after_an_error():
    before = torch.get_num_threads()
    inside = []

    def fail() -> None:
        with limited_threads(before + 1):
            inside.append(torch.get_num_threads())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert inside == [before + 1]
    assert torch.get_num_threads() == before
