from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from repscape.errors import (
    ArtefactMissingError,
    InvalidParameterError,
    StoreError,
    UnknownNameError,
)
from repscape.representation import Origin, Representation
from repscape.store import Store
from repscape.store.atomic import host_name
from repscape.tasks import Recipe

RECIPE_OF_ROWS = Recipe("representation", 1)
RECIPE = Recipe("checkpoint", 1, {"seed": 0, "rate": 0.1})


def test_a_new_store_is_made_and_opened_again(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "store"
    key = Store(root).write_arrays(RECIPE, {"x": np.arange(3)})
    assert Store(str(root)).has(key)
    assert Store(root, create=False).keys() == [key]
    assert repr(Store(root)) == f"Store({str(root)!r})"


def test_an_empty_directory_becomes_a_store(tmp_path: Path) -> None:
    assert Store(tmp_path).keys() == []


def test_what_another_process_left_while_making_the_store_does_not_hinder(tmp_path: Path) -> None:
    (tmp_path / "store.json.tmp.host.1.01234567").write_text("{")
    assert Store(tmp_path).keys() == []


def test_a_directory_of_other_things_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(StoreError, match=r"is not a store: it holds 'thesis\.tex'"):
        Store(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="is a file: a store is a directory"):
        Store(tmp_path / "file")


def test_without_create_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no store at"):
        Store(tmp_path / "new", create=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"format": "repscape store", "version": 2}', "version 2, but this .* reads up to 1"),
        ('{"format": "another", "version": 1}', "not the description of a store"),
        ("{", "not the description of a store"),
        ("[]", "not the description of a store"),
    ],
)
def test_a_newer_or_foreign_store_is_refused(store: Store, content: str, words: str) -> None:
    (store.root / "store.json").write_text(content)
    with pytest.raises(StoreError, match=words):
        Store(store.root)


def test_arrays_metadata_and_what_lies_beside(store: Store) -> None:
    arrays = {
        "layer.weight": torch.randn(4, 3, generator=torch.Generator().manual_seed(0)).bfloat16(),
        "optimizer/step": np.int64(7),
        "generator": torch.Generator().manual_seed(3).get_state(),
        "names": np.asarray(["α", "b"]),
    }
    key = store.write_arrays(RECIPE, arrays, {"loss": 0.5}, {"device": "cpu"})
    assert key == RECIPE.key
    found = store.read_arrays(key)
    assert torch.equal(torch.as_tensor(found["layer.weight"]), arrays["layer.weight"])
    assert found["optimizer/step"] == 7
    torch.Generator().set_state(torch.as_tensor(found["generator"]))
    assert found["names"].tolist() == ["α", "b"]
    manifest = store.manifest(key)
    assert manifest.recipe == RECIPE
    assert manifest.metadata == {"loss": 0.5}
    assert manifest.beside == {"device": "cpu"}
    assert manifest.arrays["layer.weight"].dtype == "bfloat16"
    assert manifest.arrays["layer.weight"].shape == (4, 3)
    assert manifest.versions["torch"] == torch.__version__


def test_chosen_arrays_and_mapping(store: Store) -> None:
    key = store.write_arrays(RECIPE, {"x": np.arange(3), "y": np.ones((2, 2))})
    mapped = store.read_arrays(key, ["y"], mmap=True)
    assert list(mapped) == ["y"]
    mapped["y"][:] = 5
    np.testing.assert_array_equal(store.read_arrays(key)["y"], np.ones((2, 2)))
    with pytest.raises(UnknownNameError, match=r"no array 'yy'.*did you mean 'y'"):
        store.read_arrays(key, ["yy"])


def test_the_first_commit_wins(store: Store) -> None:
    store.write_arrays(RECIPE, {"x": np.zeros(3)}, beside={"device": "cpu"})
    key = store.write_arrays(RECIPE, {"x": np.ones(3)}, beside={"device": "cuda"})
    np.testing.assert_array_equal(store.read_arrays(key)["x"], np.zeros(3))
    assert store.manifest(key).beside == {"device": "cpu"}
    assert len(list((store.root / "checkpoint" / key).iterdir())) == 2


@pytest.mark.parametrize(
    ("arrays", "metadata"),
    [
        ({}, {}),
        ({"x": np.asarray([None])}, {}),
        ({"x": np.ones(2)}, {"loss": float("nan")}),
        ({"x": np.ones(2)}, {"model": object()}),
    ],
)
def test_what_cannot_be_stored_is_refused_and_leaves_nothing(
    store: Store, arrays: dict[str, Any], metadata: dict[str, Any]
) -> None:
    with pytest.raises(InvalidParameterError):
        store.write_arrays(RECIPE, arrays, metadata)
    assert not list(store.root.glob("checkpoint/*"))


@pytest.mark.parametrize("kind", ["../up", "Kind", "", "a/b", "store.json"])
def test_kinds_are_plain_names(store: Store, kind: str) -> None:
    with pytest.raises(InvalidParameterError, match="lower-case letters"):
        store.write_arrays(Recipe(kind, 1), {"x": np.ones(2)})


def test_a_recipe_that_json_changes_is_refused(store: Store) -> None:
    recipe = Recipe("checkpoint", 1, {"widths": {9: "a", 10: "b"}})
    with pytest.raises(InvalidParameterError, match="does not survive JSON"):
        store.write_arrays(recipe, {"x": np.ones(2)})


def test_keys_by_kind(store: Store) -> None:
    checkpoints = [store.write_arrays(Recipe("checkpoint", i), {"x": np.ones(1)}) for i in range(3)]
    table = store.write_table(Recipe("table", 1), pd.DataFrame({"a": [1]}))
    store.representation_writer(Recipe("representation", 1), Origin())
    assert store.keys() == sorted([*checkpoints, table])
    assert store.keys("checkpoint") == sorted(checkpoints)
    assert store.keys("representation") == []


@pytest.mark.parametrize("key", ["0" * 40, "../checkpoint", "", "nonsense"])
def test_a_missing_key(store: Store, key: str) -> None:
    assert not store.has(key)
    for ask in (
        store.manifest,
        store.read_arrays,
        store.read_table,
        store.load_representation,
        store.delete,
        store.verify,
    ):
        with pytest.raises(ArtefactMissingError, match="has no committed artefact"):
            ask(key)


def test_delete_leaves_the_others(store: Store) -> None:
    kept = store.write_arrays(Recipe("checkpoint", 2), {"x": np.ones(1)})
    gone = store.write_arrays(RECIPE, {"x": np.ones(1)})
    store.delete(gone)
    assert store.keys() == [kept]
    assert store.verify() == []
    unfinished = Recipe("representation", 1)
    store.representation_writer(unfinished, Origin(), plan={"batch": 1})
    store.delete(unfinished.key)
    assert store.representation_writer(unfinished, Origin(), plan={"batch": 2}).plan["batch"] == 2


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_save_and_load_a_representation(store: Store, dtype: torch.dtype) -> None:
    given = Representation(
        torch.arange(12.0).reshape(4, 3).to(dtype),
        ["a", "b", "c", "d"],
        labels=[0, 1, 0, 1],
        columns={"fold": ["x", "y", "x", "y"]},
        origin=Origin(model="m", data="digits", tags={"seed": "1"}),
    )
    recipe = Recipe("representation", 1)
    stored = store.save_representation(recipe, given, beside={"device": "cpu"})
    for found in (stored, store.load_representation(recipe.key)):
        assert torch.equal(torch.as_tensor(found.values), given.values)
        assert torch.as_tensor(found.values).dtype == dtype
        assert found.sample_digest == given.sample_digest
        assert found.labels.tolist() == [0, 1, 0, 1]
        assert found.columns["fold"].tolist() == ["x", "y", "x", "y"]
        assert found.origin == given.origin
        assert found.key == recipe.key
    assert store.manifest(recipe.key).beside["device"] == "cpu"
    again = store.save_representation(recipe, Representation(np.zeros((2, 2))))
    assert again.n == 4


def test_a_large_representation_is_saved_in_shards(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("repscape.store.store._SHARD_BYTES", 100)
    given = Representation(np.random.default_rng(0).normal(size=(11, 4)))
    stored = store.save_representation(Recipe("representation", 1), given)
    assert len(store.manifest(stored.key).files) == 4
    np.testing.assert_array_equal(stored.values, given.values)
    np.testing.assert_array_equal(stored.sample_ids, np.arange(11))


def test_reading_an_artefact_as_something_else(store: Store) -> None:
    arrays = store.write_arrays(RECIPE, {"x": np.ones(2)})
    table = store.write_table(Recipe("table", 1), pd.DataFrame({"a": [1]}))
    with pytest.raises(StoreError, match="is a checkpoint: it holds no table"):
        store.read_table(arrays)
    with pytest.raises(StoreError, match="is a checkpoint, not a representation"):
        store.load_representation(arrays)
    with pytest.raises(StoreError, match="is a table: it holds no arrays"):
        store.read_arrays(table)


def test_tables(store: Store, tmp_path: Path) -> None:
    frame = pd.DataFrame({"measure": ["cka"], "value": [0.5]})
    key = store.write_table(Recipe("table", 1), frame, {"study": "quick"}, {"host": "h"})
    pd.testing.assert_frame_equal(store.read_table(key), frame)
    assert store.manifest(key).metadata == {"study": "quick"}
    other = Store(tmp_path / "other")
    assert other.write_table(Recipe("table", 1), frame) == key
    assert other.manifest(key).files == store.manifest(key).files


def test_clean_removes_only_what_the_dead_left(store: Store) -> None:
    key = store.write_arrays(RECIPE, {"x": np.ones(2)})
    folder = store.root / "checkpoint" / key
    unfinished = Recipe("representation", 1)
    with store.representation_writer(unfinished, Origin(), shard_rows=2) as writer:
        writer.append(np.ones((2, 2)), range(2))
    old = [
        store.root / "store.json.tmp.elsewhere.1.00000000",
        store.root / "checkpoint" / f"{key}.tmp.elsewhere.1.00000000",
        folder / "arrays.tmp.elsewhere.1.00000000",
    ]
    for path in old:
        path.touch()
        os.utime(path, (0, 0))
    unlisted = folder / "arrays-0123456789abcdef.safetensors"
    unlisted.touch()
    (folder / "notes.txt").touch()
    living = folder / "arrays.tmp.elsewhere.1.11111111"
    living.touch()
    assert set(store.clean()) == {*old, unlisted}
    assert store.clean() == []
    assert living.exists()
    assert (folder / "notes.txt").exists()
    assert store.verify() == []
    assert store.representation_writer(unfinished, Origin()).rows_done == 2


def test_a_commit_removes_what_killed_processes_left_and_leaves_the_living_alone(store):
    folder = store.root / "representation" / RECIPE_OF_ROWS.key
    with store.representation_writer(RECIPE_OF_ROWS, Origin(), shard_rows=2) as writer:
        writer.append(np.ones((5, 2)), range(5))
        assert store.unfinished() == {RECIPE_OF_ROWS.key: 2}
        ended = subprocess.Popen(["true"])
        ended.wait()
        dead = folder / f"shard-000002.json.tmp.{host_name()}.{ended.pid}.00000000"
        living = folder / f"shard-000002.json.tmp.{host_name()}.{os.getpid()}.00000000"
        for path in (dead, living):
            path.touch()
        writer.commit()
    assert (dead.exists(), living.exists()) == (False, True)
    assert store.unfinished() == {}
    assert store.verify() == []


def test_importing_the_store_loads_neither_torch_nor_pandas_nor_pyarrow() -> None:
    code = (
        "import sys; from repscape.store import Store; "
        "sys.exit(bool({'torch', 'pandas', 'pyarrow', 'sklearn'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
