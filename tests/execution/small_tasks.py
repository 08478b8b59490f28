"""Tasks that take no time, as plain data: what they do is said by their arguments.

Each function appends its task's name to a log when it begins, so that tests can count.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from multiprocessing.util import Finalize
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
    gpus: int = 0,
    minutes: int | None = None,
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
        resources=Resources(cpus=cpus, gpus=gpus, minutes=minutes),
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


def sleep(store: Store, task: Task) -> None:
    """Takes `arguments["seconds"]`, the first time only if a file `arguments["once"]` is named."""
    note(task)
    once = task.arguments.get("once")
    if once is None or not Path(once).exists():
        if once is not None:
            Path(once).touch()
        time.sleep(task.arguments["seconds"])
    store.write_arrays(task.recipe, {"values": np.arange(3.0)})


def die(store: Store, task: Task) -> None:
    """Kills its own process until it has begun `arguments["deaths"]` times."""
    note(task)
    if times_begun(Path(task.arguments["log"]))[task.label] <= task.arguments["deaths"]:
        os.kill(os.getpid(), signal.SIGKILL)
    store.write_arrays(task.recipe, {"values": np.arange(3.0)})


def die_with_child(store: Store, task: Task) -> None:
    """The first time kills its own process, and leaves a child that holds all that it had open."""
    note(task)
    once = Path(task.arguments["once"])
    if not once.exists():
        child = os.fork()
        if child == 0:
            time.sleep(600)
        once.write_text(str(child))
        os.kill(os.getpid(), signal.SIGKILL)
    store.write_arrays(task.recipe, {"values": np.arange(3.0)})


def see(store: Store, task: Task) -> None:
    """Stores the process and the GPUs that it may see."""
    time.sleep(task.arguments["seconds"])
    seen = os.environ.get("CUDA_VISIBLE_DEVICES", "all")
    store.write_arrays(task.recipe, {"pid": np.asarray([os.getpid()]), "gpus": np.asarray([seen])})


def tidy_up(store: Store, task: Task) -> None:
    """Adds up, and leaves a file when its process ends as processes do that are not killed."""
    add_up(store, task)
    Finalize(None, Path(f"{task.arguments['log']}.tidied").touch, exitpriority=0)


def count_threads(store: Store, task: Task) -> None:
    import numba
    import torch
    from threadpoolctl import threadpool_info

    blas = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    counted = [torch.get_num_threads(), numba.get_num_threads(), *blas]
    store.write_arrays(task.recipe, {"threads": np.asarray(counted)})


def tell_pid(store: Store, task: Task) -> None:
    """Says who runs it, and never ends."""
    Path(f"{task.arguments['log']}.pid").write_text(str(os.getpid()))
    note(task)
    time.sleep(600)


def note(task: Task, suffix: str = "") -> None:
    line = f"{task.label}{suffix}\n".encode()
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
