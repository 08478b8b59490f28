"""A representation that begins with the shards of another one."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import numpy as np
import pytest

from repscape.representation import Origin
from repscape.store import Store
from repscape.tasks import Recipe

ROWS, SHARD = 50, 8


def recipe(name: str) -> Recipe:
    return Recipe("representation", 1, {"name": name})


def fill(store: Store, name: str, rows: int = ROWS, commit: bool = True) -> None:
    values = np.arange(2 * ROWS, dtype=np.float32).reshape(ROWS, 2)
    with store.representation_writer(recipe(name), Origin(), SHARD, {"batch": 4}) as writer:
        start = writer.rows_done
        writer.start_at(start)
        for first in range(start, rows, 5):
            part = slice(first, min(first + 5, rows))
            if first == 20:
                writer.change_plan(20, {"batch": 2})
            writer.append(values[part], np.arange(ROWS)[part])
        if commit:
            writer.commit()


def rows_done(store: Store, name: str) -> int:
    with store.representation_writer(recipe(name), Origin(), 99) as writer:
        assert writer.shard_rows == SHARD
        return writer.rows_done


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("links", [True, False])
def test_full_shards_are_taken_up_to_a_row_with_the_plan_that_held(
    tmp_path, monkeypatch, whole, links
):
    if not links:

        def refused(self, target):
            raise OSError(errno.EPERM, "no links here")

        monkeypatch.setattr(Path, "hardlink_to", refused)
    store = Store(tmp_path)
    fill(store, "a", commit=whole)
    store.carry_over(recipe("a"), recipe("b"), 30)
    assert rows_done(store, "b") == 24
    with store.representation_writer(recipe("b"), Origin()) as writer:
        assert [(s.from_row, s.plan) for s in writer.plan_steps] == [
            (0, {"batch": 4}),
            (20, {"batch": 2}),
        ]
        assert np.concatenate(list(writer.known_ids())).tolist() == list(range(24))
    store.carry_over(recipe("a"), recipe("b"), 45)  # as if that had been interrupted
    assert rows_done(store, "b") == 40
    fill(store, "b")
    fill(store, "a")
    one, two = (store.load_representation(recipe(name).key) for name in "ab")
    assert np.array_equal(one.values, two.values)
    assert store.verify() == []
    store.delete(recipe("a").key)
    assert np.array_equal(store.load_representation(recipe("b").key).values, two.values)


def test_nothing_is_taken_by_another_plan_or_into_what_is_whole(tmp_path):
    store = Store(tmp_path)
    fill(store, "a", commit=False)
    with store.representation_writer(recipe("b"), Origin(), SHARD, {"batch": 64}):
        pass
    with store.representation_writer(recipe("c"), Origin(), SHARD + 1, {"batch": 4}):
        pass
    for name in "bc":
        store.carry_over(recipe("a"), recipe(name), 45)
        with store.representation_writer(recipe(name), Origin()) as writer:
            assert writer.rows_done == 0
    store.carry_over(recipe("missing"), recipe("d"), 45)
    assert store.unfinished().keys() == {recipe(name).key for name in "abc"}


def test_shards_are_hashed_once_however_often_they_are_taken(tmp_path, monkeypatch):
    store = Store(tmp_path)
    fill(store, "a", commit=False)
    hashed = []
    digest = hashlib.file_digest
    monkeypatch.setattr(
        hashlib, "file_digest", lambda *given: hashed.append(given) or digest(*given)
    )
    for one, other in ("ab", "bc", "cd"):
        store.carry_over(recipe(one), recipe(other), 45)
    assert rows_done(store, "d") == 40
    assert len(hashed) == 6  # the full shards of a
