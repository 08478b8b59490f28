from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    StoreError,
)
from repscape.representation import Origin
from repscape.store import RepresentationWriter, Store
from repscape.store.shards import PlanStep
from repscape.tasks import Recipe

RECIPE = Recipe("representation", 1, {"layer": "a"})
ORIGIN = Origin(model="m", layer="a", tags={"seed": "0"})
VALUES = np.random.default_rng(0).normal(size=(23, 3)).astype(np.float32)
IDS = np.asarray([f"id-{i}" for i in range(23)])
LABELS = np.arange(23) % 4
COLUMNS = {"writer": np.asarray(["ann", "bob"] * 11 + ["cy"]), "weight": np.linspace(0, 1, 23)}


def writer_of(store: Store, recipe: Recipe = RECIPE, **options: Any) -> RepresentationWriter:
    return store.representation_writer(recipe, ORIGIN, **{"shard_rows": 5, **options})


def feed(writer: RepresentationWriter, start: int, stop: int, batch: int = 3) -> None:
    for first in range(start, stop, batch):
        rows = slice(first, min(first + batch, stop))
        columns = {name: column[rows] for name, column in COLUMNS.items()}
        writer.append(VALUES[rows], IDS[rows], LABELS[rows], columns)


def files(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("shard_rows", [1, 5, 23, 100])
@pytest.mark.parametrize("batch", [1, 4, 23])
def test_rows_come_back_whatever_the_batches_and_shards(
    store: Store, shard_rows: int, batch: int
) -> None:
    with writer_of(store, shard_rows=shard_rows) as writer:
        feed(writer, 0, 23, batch)
        stored = writer.commit()
    np.testing.assert_array_equal(stored.values, VALUES)
    assert stored.values.dtype == np.float32
    np.testing.assert_array_equal(stored.sample_ids, IDS)
    np.testing.assert_array_equal(stored.labels, LABELS)
    assert stored.columns.keys() == COLUMNS.keys()
    for name, column in COLUMNS.items():
        np.testing.assert_array_equal(stored.columns[name], column)
    assert stored.origin == ORIGIN
    assert stored.key == RECIPE.key
    assert len(store.manifest(RECIPE.key).files) == -(-23 // shard_rows)


def is_mapped(array: Any) -> bool:
    """Whether the values lie in a mapping of a file, and not in memory of their own."""
    while isinstance(array, np.ndarray) and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(getattr(array, "obj", array), mmap.mmap | np.memmap)


# Rows of 1,024 float32 fill whole pages; five rows of three do not.
@pytest.mark.parametrize(
    ("shard_rows", "width", "mapped"), [(23, 3, True), (5, 3, False), (5, 1024, True)]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_shards_are_mapped_one_behind_the_other_where_they_fill_pages(
    store: Store, shard_rows: int, width: int, mapped: bool, dtype: torch.dtype
) -> None:
    width *= 2 if dtype.itemsize == 2 else 1
    values = torch.arange(23 * width).reshape(23, width).to(dtype)
    with writer_of(store, shard_rows=shard_rows) as writer:
        for first in range(0, 23, 4):
            writer.append(
                values[first : first + 4], IDS[first : first + 4], LABELS[first : first + 4]
            )
        got = writer.commit().values
    assert len(store.manifest(RECIPE.key).files) == -(-23 // shard_rows)
    if dtype != torch.bfloat16:
        assert is_mapped(got) == mapped
    torch.testing.assert_close(torch.as_tensor(got), values, rtol=0, atol=0)


def test_a_mapping_of_several_shards_is_private_and_outlasts_the_files(store: Store) -> None:
    values = np.arange(23 * 1024, dtype=np.float32).reshape(23, 1024)
    with writer_of(store) as writer:
        writer.append(values, IDS)
        got = writer.commit().values
    got[7, 5] = -1.0
    again = store.load_representation(RECIPE.key).values
    np.testing.assert_array_equal(again, values)
    rows = again[6:12]
    del again
    store.delete(RECIPE.key)
    np.testing.assert_array_equal(rows, values[6:12])
    assert got[7, 5] == -1.0


@pytest.mark.parametrize("killed_after", [0, 4, 5, 12, 22, 23])
def test_a_resumed_run_gives_the_bytes_of_an_uninterrupted_one(
    tmp_path: Path, killed_after: int
) -> None:
    whole, resumed = Store(tmp_path / "whole"), Store(tmp_path / "resumed")
    with writer_of(whole) as writer:
        feed(writer, 0, 23)
        writer.commit()
    with writer_of(resumed) as writer:
        feed(writer, 0, killed_after)
    assert not resumed.has(RECIPE.key)
    assert resumed.keys() == []
    with writer_of(resumed) as writer:
        assert writer.rows_done == killed_after // 5 * 5
        feed(writer, writer.rows_done, 23)
        writer.commit()
    assert files(resumed.root) == files(whole.root)


def test_layers_in_lock_step_resume_at_the_one_that_is_behind(store: Store) -> None:
    layers = [Recipe("representation", 1, {"layer": name}) for name in "ab"]
    for recipe, stop in zip(layers, (20, 7), strict=True):
        with writer_of(store, recipe) as writer:
            feed(writer, 0, stop)
    writers = [writer_of(store, recipe) for recipe in layers]
    assert [writer.rows_done for writer in writers] == [20, 5]
    begin = min(writer.rows_done for writer in writers) - 2  # the batch begins before the shard
    for writer in writers:
        writer.start_at(begin)
        feed(writer, begin, 23)
        np.testing.assert_array_equal(writer.commit().values, VALUES)


def test_a_writer_that_is_ahead_ignores_other_values_for_rows_it_has(store: Store) -> None:
    with writer_of(store) as writer:
        writer.append(np.ones((5, 2)), range(5))
    with writer_of(store) as writer:
        writer.start_at(2)
        writer.append(np.zeros((4, 2)), range(2, 6))
        stored = writer.commit()
    np.testing.assert_array_equal(stored.values[:, 0], [1, 1, 1, 1, 1, 0])


def test_a_resumed_run_with_other_samples_is_refused(store: Store) -> None:
    with writer_of(store) as writer:
        feed(writer, 0, 10)
    with writer_of(store) as writer:
        writer.start_at(4)
        with pytest.raises(
            InvalidRepresentationError, match=r"row 6 is stored as sample 'id-6', but now .* 'x'"
        ):
            writer.append(
                VALUES[4:8],
                ["id-4", "id-5", "x", "id-7"],
                LABELS[4:8],
                {name: column[4:8] for name, column in COLUMNS.items()},
            )


def test_start_at_is_bounded_and_comes_first(store: Store) -> None:
    writer = writer_of(store)
    for row in (-1, 1):
        with pytest.raises(InvalidParameterError, match=r"rows_done=0"):
            writer.start_at(row)
    feed(writer, 0, 6)
    with pytest.raises(InvalidParameterError, match="before the first append"):
        writer.start_at(0)


def test_a_run_that_ends_before_what_is_stored_is_refused(store: Store) -> None:
    with writer_of(store) as writer:
        feed(writer, 0, 10)
    with writer_of(store) as writer:
        writer.start_at(0)
        feed(writer, 0, 6)
        with pytest.raises(StoreError, match=r"10 rows in committed shards.* ended after 6"):
            writer.commit()


def test_the_first_writers_plan_and_shard_size_hold(store: Store) -> None:
    with writer_of(store, plan={"batch": 64}) as writer:
        feed(writer, 0, 7)
    with writer_of(store, plan={"batch": 8}, shard_rows=9) as writer:
        assert writer.plan == {"batch": 64}
        assert writer.shard_rows == 5
        feed(writer, writer.rows_done, 23)
        writer.commit()
        assert writer.plan == {"batch": 64}
    beside = store.manifest(RECIPE.key).beside
    assert beside == {"plan": [{"from_row": 0, "plan": {"batch": 64}}], "shard_rows": 5}


def test_a_changed_plan_holds_from_its_row_on_and_is_resumed(store: Store) -> None:
    with writer_of(store, plan={"batch": 64}) as writer:
        feed(writer, 0, 7)
        writer.change_plan(7, {"batch": 32})
        assert writer.plan == {"batch": 32}
    with writer_of(store, plan={"batch": 64}) as writer:
        assert writer.plan == {"batch": 64}  # for row 5, where it resumes
        assert [writer.plan_at(row)["batch"] for row in (0, 6, 7, 100)] == [64, 64, 32, 32]
        writer.change_plan(5, {"batch": 16})  # a smaller device: holds for all that follows
        assert [writer.plan_at(row)["batch"] for row in (4, 5, 100)] == [64, 16, 16]
        feed(writer, 5, 23)
        writer.commit()
        assert writer.plan_steps == (
            PlanStep(0, {"batch": 64}),
            PlanStep(7, {"batch": 32}),
            PlanStep(5, {"batch": 16}),
        )
        writer.change_plan(23, {"batch": 1})
        assert len(writer.plan_steps) == 3
    with writer_of(store) as late:
        assert late.plan_at(0) == {"batch": 64}


@pytest.mark.parametrize("damage", ["truncate", "alter", "remove", "record"])
def test_a_broken_shard_of_an_unfinished_artefact_is_made_anew(store: Store, damage: str) -> None:
    with writer_of(store) as writer:
        feed(writer, 0, 17)
    folder = store.root / "representation" / RECIPE.key
    (shard,) = folder.glob("shard-000001-*.safetensors")
    if damage == "truncate":
        shard.write_bytes(shard.read_bytes()[:-1])
    elif damage == "alter":
        shard.write_bytes(shard.read_bytes()[:-1] + b"\x55")
    elif damage == "remove":
        shard.unlink()
    else:
        (folder / "shard-000001.json").write_text("{")
    with writer_of(store) as writer:
        assert writer.rows_done == 5
        feed(writer, 5, 23)
        np.testing.assert_array_equal(writer.commit().values, VALUES)
    assert store.verify() == []


def test_the_first_commit_wins_and_the_second_is_discarded(store: Store) -> None:
    first, second = writer_of(store), writer_of(store)
    first.append(np.ones((7, 2)), range(7))
    second.append(np.zeros((7, 2)), range(7))
    assert first.commit().values.min() == 1
    assert second.commit().values.min() == 1
    folder = store.root / "representation" / RECIPE.key
    listed = {entry.name for entry in store.manifest(RECIPE.key).files}
    assert {p.name for p in folder.iterdir()} == {"manifest.json", "plan-000000.json", *listed}


def test_a_writer_overtaken_by_another_goes_on_with_the_others_rows(store: Store) -> None:
    slow, quick = writer_of(store), writer_of(store)
    slow.append(np.zeros((6, 2)), range(6))
    quick.append(np.ones((12, 2)), range(12))
    quick.commit()
    slow.append(np.zeros((6, 2)), range(6, 12))
    assert slow.is_committed
    assert slow.rows_done == 12
    assert slow.commit().values.min() == 1
    assert store.verify() == []


def test_a_writer_on_a_committed_artefact_only_checks(store: Store) -> None:
    with writer_of(store) as writer:
        feed(writer, 0, 23)
        writer.commit()
    before = files(store.root)
    with writer_of(store) as writer:
        assert writer.is_committed
        assert writer.rows_done == 23
        writer.start_at(0)
        feed(writer, 0, 23)
        np.testing.assert_array_equal(writer.commit().values, VALUES)
        with pytest.raises(StoreError, match="a row after the last was appended"):
            writer.append(VALUES[:1], ["new"], LABELS[:1], {k: v[:1] for k, v in COLUMNS.items()})
    assert files(store.root) == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": np.ones((2, 4), np.float32)}, "'values' is float32 of width 4.*width 3"),
        ({"values": np.ones((2, 3), np.float64)}, "'values' is float64 of width 3.*float32"),
        ({"ids": [1, 2]}, "'ids' is int64, but in the rows before it is str"),
        ({"labels": None}, "'labels' is absent, but in the rows before it is int64"),
        ({"columns": {"extra": [1, 2]}}, "'column/extra' is int64.*absent"),
    ],
)
@pytest.mark.parametrize("rows_before", [2, 5])
def test_rows_of_another_kind_are_refused(
    store: Store, change: dict[str, Any], words: str, rows_before: int
) -> None:
    writer = writer_of(store)
    writer.append(VALUES[:rows_before], IDS[:rows_before], LABELS[:rows_before])
    good = {"values": VALUES[5:7], "ids": IDS[5:7], "labels": LABELS[5:7], "columns": None}
    with pytest.raises(InvalidRepresentationError, match=f"row {rows_before}: {words}"):
        writer.append(**{**good, **change})
    writer.append(**good)
    assert writer.commit().n == rows_before + 2


def test_repeated_ids_are_refused_before_anything_is_committed(store: Store) -> None:
    writer = writer_of(store)
    writer.append(VALUES[:4], ["a", "b", "c", "d"])
    writer.append(VALUES[4:8], ["e", "b", "f", "g"])
    with pytest.raises(InvalidRepresentationError, match="'b' stands at rows 1 and 5"):
        writer.commit()
    assert not store.has(RECIPE.key)


def test_nothing_appended_cannot_be_committed(store: Store) -> None:
    with pytest.raises(InvalidRepresentationError, match="no row was appended"):
        writer_of(store).commit()
    assert not store.has(RECIPE.key)


def test_the_callers_memory_may_be_used_again_after_append(store: Store) -> None:
    batch, writer = np.zeros((2, 3)), writer_of(store)
    for start in range(0, 8, 2):
        batch[:] = start
        writer.append(batch, range(start, start + 2))
    assert writer.commit().values[:, 0].tolist() == [0, 0, 2, 2, 4, 4, 6, 6]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("shard_rows", [5, 100])
def test_tensors_keep_their_precision(store: Store, dtype: torch.dtype, shard_rows: int) -> None:
    values = torch.as_tensor(VALUES).to(dtype)
    writer = writer_of(store, shard_rows=shard_rows)
    for start in range(0, 23, 6):
        writer.append(values[start : start + 6], range(start, min(start + 6, 23)))
    stored = torch.as_tensor(writer.commit().values)
    assert stored.dtype == dtype
    assert torch.equal(stored, values)


@pytest.mark.parametrize("shard_rows", [0, -3])
def test_shards_need_rows(store: Store, shard_rows: int) -> None:
    with pytest.raises(InvalidParameterError, match=f"shard_rows={shard_rows}"):
        writer_of(store, shard_rows=shard_rows)


@pytest.mark.parametrize("kind", ["text", "numbers"])
def test_a_hundred_thousand_ids(store: Store, kind: str) -> None:
    n = 100_000
    ids = np.arange(n)[::-1] * 7
    if kind == "text":
        ids = np.asarray([f"images/班级 {i}.png" for i in ids])
    with writer_of(store, shard_rows=30_000) as writer:
        writer.append(np.zeros((n, 1), np.float32), ids)
        stored = writer.commit()
    np.testing.assert_array_equal(stored.sample_ids, ids)
    assert stored.sample_ids.dtype == ids.dtype
