"""Run tasks on a store whose disk becomes full, and then read-only."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from small_tasks import array_task

from repscape.errors import StoreNotWritableError
from repscape.execution.processes import ProcessExecutor
from repscape.execution.run import run_tasks
from repscape.store import Store
from repscape.tasks import Task


def fill(store: Store, task: Task) -> None:
    """More than the disk holds."""
    store.write_arrays(task.recipe, {"values": np.zeros(10**6)})


def main(disk: Path, log: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    store = Store(disk / "store")
    first, second = array_task("first", log), array_task("second", log)
    big = Task(array_task("big", log).recipe, "small_disk_run:fill", "big", "test")
    assert len(run_tasks([first], store).made) == 1
    ballast = disk / "ballast"
    for executor in ("inline", ProcessExecutor(1)):
        with pytest.raises(StoreNotWritableError, match="the disk is full"):
            run_tasks([big, second], store, executor)
        assert store.verify() == []
        assert store.keys() == [first.key]
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with pytest.raises(StoreNotWritableError, match="the disk is full"):
        run_tasks([second], store)  # there is not even room for a lease
    ballast.unlink()
    assert len(run_tasks([first, second], store).made) == 1
    assert not [path for path in store.root.rglob("*") if ".tmp." in path.name]
    assert not list((store.root / "_leases").iterdir())

    subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
    assert len(run_tasks([first, second], store).found) == 2
    with pytest.raises(StoreNotWritableError, match="read-only"):
        run_tasks([array_task("third", log)], store)
    with pytest.raises(StoreNotWritableError, match="read-only"):
        run_tasks([array_task("third", log)], store, ProcessExecutor(1))
    assert store.verify() == []
    sys.stdout.write("ok\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
