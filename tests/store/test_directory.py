"""Truncated, altered and missing files are never served."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from repscape.errors import ArtefactMissingError, CorruptArtefactError
from repscape.representation import Origin, Representation
from repscape.store import Store
from repscape.tasks import Recipe

OTHER = Recipe("checkpoint", 7)
ARRAYS = Recipe("checkpoint", 1)
ROWS = Recipe("representation", 1)
TABLE = Recipe("table", 1)


@pytest.fixture
def full(store: Store) -> Store:
    store.write_arrays(OTHER, {"x": np.arange(5)})
    store.write_arrays(ARRAYS, {"x": np.arange(100.0), "y": np.ones(3)})
    with store.representation_writer(ROWS, Origin(model="m"), shard_rows=4) as writer:
        writer.append(np.ones((10, 3)), [f"id{i}" for i in range(10)])
        writer.commit()
    store.write_table(TABLE, pd.DataFrame({"value": np.linspace(0, 1, 20)}))
    return store


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def alter_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)


def alter_a_byte_and_keep_the_times(path: Path) -> None:
    status = path.stat()
    alter_a_byte(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def remove(path: Path) -> None:
    path.unlink()


def serve(store: Store, recipe: Recipe) -> object:
    if recipe == ROWS:
        return store.load_representation(recipe.key)
    if recipe == TABLE:
        return store.read_table(recipe.key)
    return store.read_arrays(recipe.key)


@pytest.mark.parametrize("read_before", [False, True])
@pytest.mark.parametrize(
    "damage", [truncate, alter_a_byte, alter_a_byte_and_keep_the_times, empty, remove]
)
@pytest.mark.parametrize("recipe", [ARRAYS, ROWS, TABLE])
def test_a_damaged_file_is_named_and_never_served(
    full: Store, recipe: Recipe, damage: Callable[[Path], None], read_before: bool
) -> None:
    if read_before:
        serve(full, recipe)
    name = full.manifest(recipe.key).files[-1].name
    path = full.root / recipe.kind / recipe.key / name
    damage(path)
    with pytest.raises(CorruptArtefactError) as caught:
        serve(full, recipe)
    assert str(path) in str(caught.value)
    assert f"store.delete('{recipe.key}')" in str(caught.value)
    assert "run again" in str(caught.value)
    (problem,) = full.verify()
    assert problem.key == recipe.key
    assert name in problem.message
    np.testing.assert_array_equal(full.read_arrays(OTHER.key)["x"], np.arange(5))


@pytest.mark.parametrize("damage", [truncate, alter_a_byte, empty])
def test_a_damaged_manifest_is_named_and_nothing_is_served(
    full: Store, damage: Callable[[Path], None]
) -> None:
    path = full.root / "checkpoint" / ARRAYS.key / "manifest.json"
    damage(path)
    with pytest.raises(CorruptArtefactError, match=r"manifest\.json: the manifest is broken"):
        full.read_arrays(ARRAYS.key)
    assert [problem.key for problem in full.verify()] == [ARRAYS.key]
    assert full.clean() == []


def test_a_manifest_in_the_wrong_directory(full: Store) -> None:
    source, target = (full.root / "checkpoint" / r.key for r in (OTHER, ARRAYS))
    shutil.rmtree(target)
    shutil.copytree(source, target)
    with pytest.raises(CorruptArtefactError, match=f"belongs to the key {OTHER.key}"):
        full.read_arrays(ARRAYS.key)


@pytest.mark.parametrize("recipe", [ARRAYS, ROWS, TABLE])
def test_deleting_the_key_rebuilds_a_damaged_artefact(full: Store, recipe: Recipe) -> None:
    before = full.manifest(recipe.key).to_json()
    truncate(full.root / recipe.kind / recipe.key / full.manifest(recipe.key).files[0].name)
    full.delete(recipe.key)
    assert not full.has(recipe.key)
    with pytest.raises(ArtefactMissingError):
        serve(full, recipe)
    if recipe == ARRAYS:
        full.write_arrays(ARRAYS, {"x": np.arange(100.0), "y": np.ones(3)})
    elif recipe == TABLE:
        full.write_table(TABLE, pd.DataFrame({"value": np.linspace(0, 1, 20)}))
    else:
        with full.representation_writer(ROWS, Origin(model="m"), shard_rows=4) as writer:
            writer.append(np.ones((10, 3)), [f"id{i}" for i in range(10)])
            writer.commit()
    assert full.verify() == []
    assert full.manifest(recipe.key).to_json() == before


def test_a_file_is_hashed_once_per_process_until_it_changes(
    full: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    import hashlib

    hashed = []
    digest = hashlib.file_digest

    def counted(file: object, name: str) -> object:
        hashed.append(file.name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", counted)
    for _ in range(3):
        full.read_arrays(ARRAYS.key)
    assert len(hashed) == 1
    path = full.root / "checkpoint" / ARRAYS.key / full.manifest(ARRAYS.key).files[0].name
    path.touch()
    full.read_arrays(ARRAYS.key)
    assert len(hashed) == 2
    full.verify(ARRAYS.key)
    assert len(hashed) == 3


def test_a_symlinked_or_moved_store_serves_the_same(full: Store, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    shutil.move(full.root, moved)
    (tmp_path / "link").symlink_to(moved)
    for root in (moved, tmp_path / "link"):
        loaded = Store(root).load_representation(ROWS.key)
        assert isinstance(loaded, Representation)
        assert loaded.n == 10
        assert Store(root).verify() == []


def test_no_path_of_this_machine_is_in_the_store(full: Store) -> None:
    for path in full.root.rglob("*.json"):
        assert str(full.root.parent) not in path.read_text()
