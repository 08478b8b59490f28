"""Tasks that take no time, as plain data: what they do is said by their arguments.

Each function appends its task's name to a log when it begins, so that tests can count.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from repscape.store import Store
from repscape.tasks import Recipe, Resources, Task


def array_task(
    name: str,
    log: Path,
    needs: tuple[Task, ...] = (),
    run: str = "add_up",
    cpus: int = 1,
    **arguments: Any,
) -> Task:
    """Makes an array: the sum of those that it needs, and what its name adds."""
    recipe = Recipe("predictions", 1, {"name": name}, {task.label: task.key for task in needs})
    return Task(
        recipe,
        run=f"small_tasks:{run}",
        label=name,
        stage="test",
        arguments={"log": str(log), **arguments},
        needs=needs,
        resources=Resources(cpus=cpus),
    )


def add_up(store: Store, task: Task) -> None:
    note(task)
    values = np.arange(3.0) + len(task.label)
    for key in task.recipe.inputs.values():
        values = values + store.read_arrays(key)["values"]
    store.write_arrays(task.recipe, {"values": values})


def write_nothing(store: Store, task: Task) -> None:
    note(task)


def fail(store: Store, task: Task) -> None:
    """Fails while the file `arguments["until"]` is not there."""
    note(task)
    until = task.arguments.get("until")
    if until is None or not Path(until).exists():
        raise ValueError(f"{task.label} does not work")
    store.write_arrays(task.recipe, {"values": np.arange(3.0)})


def count_threads(store: Store, task: Task) -> None:
    import numba
    import torch
    from threadpoolctl import threadpool_info

    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    counted = [torch.get_num_threads(), numba.get_num_threads(), *blas]
    store.write_arrays(task.recipe, {"threads": np.asarray(counted)})


def note(task: Task) -> None:
    line = f"{task.label}\n".encode()
    descriptor = os.open(task.arguments["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line)
    finally:
        os.close(descriptor)


def begun(log: Path) -> list[str]:
    """The names of the tasks that began, in order."""
    return log.read_text().split() if log.exists() else []


def times_begun(log: Path) -> Counter[str]:
    return Counter(begun(log))
