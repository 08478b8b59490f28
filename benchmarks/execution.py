"""What running tasks costs beside the tasks themselves.

* the overhead of a task in this process (look into the store, lease, threads, ledger), against
  calling its function: processor time and wall time of 200 tasks that write three numbers each;
* a run of 10,000 tasks of which the store has every artefact, in seconds.

The store lies in memory where the system offers that: a disk takes its own time to flush what a
task writes, with or without a runner.

Run: python benchmarks/execution.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np

from repscape.execution.run import run_tasks
from repscape.store import Store
from repscape.tasks import Recipe, Task
from timing import timed


def write_numbers(store: Store, task: Task) -> None:
    store.write_arrays(task.recipe, {"values": np.arange(3.0)})


def tasks_of(count: int, salt: str) -> list[Task]:
    recipes = [Recipe("predictions", 1, {"n": n, "salt": salt}) for n in range(count)]
    return [Task(recipe, f"{__name__}:write_numbers", "numbers", "test") for recipe in recipes]


def overhead(store: Store, count: int) -> None:
    run_tasks(tasks_of(5, "warm"), store)
    walls, processors = [], []
    for start in range(0, count, 20):  # interleaved, so that a busy machine disturbs both
        run = tasks_of(20, f"run-{start}")
        call = tasks_of(20, f"call-{start}")
        through = timed(run_tasks, run, store)
        direct = timed(lambda call=call: [t.make(store) for t in call])
        walls.append((through.wall - direct.wall) / 20)
        processors.append((through.processor - direct.processor) / 20)
    print(f"overhead of a task in this process, median of {count} (limit 20 ms):")
    print(f"  {statistics.median(walls) * 1e3:.1f} ms of wall time")
    print(f"  {statistics.median(processors) * 1e3:.1f} ms of processor time")


def found(store: Store, count: int) -> None:
    tasks = tasks_of(count, "found")
    for task in tasks:  # as an artefact looks: a directory with its manifest
        folder = store.root / "predictions" / task.key
        folder.mkdir(parents=True)
        (folder / "manifest.json").touch()
    taken = timed(run_tasks, tasks, store)
    print(f"a run of {count:,} tasks that are all there:")
    print(f"  {taken.wall:.2f} s of wall time, {taken.processor:.2f} s of processor time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the tasks")
    part = 10 if parser.parse_args().quick else 1
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        overhead(Store(Path(folder) / "overhead"), 200 // part)
        found(Store(Path(folder) / "found"), 10_000 // part)


if __name__ == "__main__":
    main()
