"""Kills, interrupts, races and full disks: nothing committed is harmed, nothing torn is served."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scenario import check_what_is_there, interrupted_at, tree, write_everything

from repscape.errors import StoreError, StoreNotWritableError
from repscape.representation import Origin
from repscape.store import Store
from repscape.tasks import Recipe

RECIPE = Recipe("checkpoint", 1)


@pytest.mark.slow
@pytest.mark.parametrize("links", ["links", "no-links"])
def test_killed_at_every_write_point_and_resumed_to_the_same_bytes(
    tmp_path: Path, run_script: Callable[..., str], links: str
) -> None:
    kills = int(run_script("kill_everywhere.py", tmp_path, links))
    # store.json, plan, 3 shards with 2 records, 3 manifests and 2 files: four calls at least each.
    assert kills > 4 * 12


def test_ctrl_c_at_every_write_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)  # no power cut here: be quick
    reference = tmp_path / "reference"
    write_everything(reference)
    count = 0
    finished = False
    while not finished:
        count += 1
        root = tmp_path / f"interrupted-{count}"
        try:
            with interrupted_at(count, lambda: signal.raise_signal(signal.SIGINT)):
                write_everything(root)
            finished = True
        except KeyboardInterrupt:
            check_what_is_there(root)
            write_everything(root)
            Store(root).clean()
        assert tree(root).keys() <= tree(reference).keys() | _left_by_this_process(root)
        assert tree(reference).items() <= tree(root).items()
    assert count > 48


def _left_by_this_process(root: Path) -> set[str]:
    """An interrupt between a write and its clean-up leaves a temporary file of this process."""
    return {name for name in tree(root) if f".{os.getpid()}." in name}


def test_ctrl_c_leaves_the_committed_shards(store: Store) -> None:
    recipe = Recipe("representation", 1)

    def extract_until_ctrl_c() -> None:
        with store.representation_writer(recipe, Origin(), shard_rows=2) as writer:
            writer.append(np.ones((5, 3)), range(5))
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        extract_until_ctrl_c()
    assert not store.has(recipe.key)
    with store.representation_writer(recipe, Origin(), shard_rows=2) as writer:
        assert writer.rows_done == 4
        writer.append(np.full((2, 3), 2.0), [4, 5])
        stored = writer.commit()
    np.testing.assert_array_equal(stored.values[:, 0], [1, 1, 1, 1, 2, 2])


def test_processes_racing_on_one_key_agree_on_the_first(
    tmp_path: Path, run_script: Callable[..., str]
) -> None:
    root = tmp_path / "store"
    printed = [json.loads(line) for line in run_script("race.py", root).splitlines()]
    assert len(printed) == 3
    assert printed[0] == printed[1] == printed[2]
    store = Store(root)
    assert store.verify() == []
    assert len(store.keys("checkpoint")) == len(store.keys("representation")) == 25
    for key in store.keys("checkpoint"):
        on_disk = {path.name for path in (root / "checkpoint" / key).iterdir()}
        assert on_disk == {"manifest.json", store.manifest(key).files[0].name}
    store.clean()
    for key in store.keys("representation"):
        on_disk = {path.name for path in (root / "representation" / key).iterdir()}
        listed = {entry.name for entry in store.manifest(key).files}
        assert on_disk == {"manifest.json", "plan-000000.json", *listed}


def test_full_and_read_only_disk(
    tmp_path: Path, run_script: Callable[..., str], own_mounts: tuple[str, ...]
) -> None:
    assert run_script("small_disk.py", tmp_path, before=own_mounts) == "ok\n"


def test_a_file_larger_than_the_limit(store: Store) -> None:
    small = store.write_arrays(Recipe("checkpoint", 2), {"x": np.arange(3)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(StoreNotWritableError, match=r"larger than allowed.*ulimit -f"):
            store.write_arrays(RECIPE, {"x": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert store.keys() == [small]
    assert not [name for name in tree(store.root) if RECIPE.key in name]
    store.write_arrays(RECIPE, {"x": np.zeros(100_000)})
    assert store.verify() == []


@pytest.mark.parametrize("call", ["write", "fsync", "replace", "link", "mkdir"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_every_failing_call_becomes_one_typed_error(
    store: Store, monkeypatch: pytest.MonkeyPatch, call: str, number: int
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, call, fail)
        if (call, number) == ("link", errno.EACCES):
            patched.setattr(os, "rename", fail)  # else it is taken for "no hard links here"
        with pytest.raises(StoreNotWritableError, match="run again") as caught:
            store.write_arrays(RECIPE, {"x": np.arange(3)})
    assert caught.value.errno == number
    assert str(store.root) in str(caught.value)
    assert not store.has(RECIPE.key)
    assert not [name for name in tree(store.root) if ".tmp." in name]
    key = store.write_arrays(RECIPE, {"x": np.arange(3)})
    np.testing.assert_array_equal(store.read_arrays(key)["x"], [0, 1, 2])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write in spite of permissions")
def test_a_directory_without_write_permission(store: Store) -> None:
    kept = store.write_arrays(Recipe("checkpoint", 2), {"x": np.arange(3)})
    folder = store.root / "checkpoint"
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(StoreNotWritableError, match="you may not write there"):
            store.write_arrays(RECIPE, {"x": np.arange(3)})
        np.testing.assert_array_equal(store.read_arrays(kept)["x"], [0, 1, 2])
    finally:
        folder.chmod(stat.S_IRWXU)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a directory immutable")
def test_an_immutable_directory(store: Store) -> None:
    kept = store.write_arrays(Recipe("checkpoint", 2), {"x": np.arange(3)})
    folder = str(store.root / "checkpoint")
    made = subprocess.run(["chattr", "+i", folder], capture_output=True, text=True, check=False)
    if made.returncode != 0:
        pytest.skip(f"chattr does not work here: {made.stderr.strip()}")
    try:
        with pytest.raises(StoreNotWritableError, match="not permitted"):
            store.write_arrays(RECIPE, {"x": np.arange(3)})
        np.testing.assert_array_equal(store.read_arrays(kept)["x"], [0, 1, 2])
    finally:
        subprocess.run(["chattr", "-i", folder], check=True)


def test_an_artefact_deleted_while_it_is_written(store: Store) -> None:
    recipe = Recipe("representation", 1)
    writer = store.representation_writer(recipe, Origin(), shard_rows=2)
    writer.append(np.ones((2, 3)), range(2))
    store.delete(recipe.key)
    with pytest.raises(StoreError, match=r"vanished while it was being written.*run again"):
        writer.append(np.ones((2, 3)), range(2, 4))
