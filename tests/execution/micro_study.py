"""A study of seconds: layers, their likeness under two measures, and one table of all of it."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pandas as pd
from small_tasks import note

from repscape.compare import similarity_matrix
from repscape.execution.executor import Executor
from repscape.execution.outcomes import RunResult
from repscape.execution.run import run_tasks
from repscape.representation import Origin, Representation
from repscape.store import Store
from repscape.tasks import Recipe, Resources, Task

MEASURES = ("cka[kernel=linear,debiased=true]", "procrustes[score=distance]")
LAYERS = 4


def micro_tasks(log: Path, seconds: float = 0.0) -> list[Task]:
    """The tasks; each takes at least `seconds`."""
    said = {"log": str(log), "seconds": seconds}
    layers = [
        Task(
            Recipe("representation", 1, {"seed": seed}),
            run="micro_study:make_layer",
            label=f"layer-{seed}",
            stage="extract",
            arguments=said,
        )
        for seed in range(LAYERS)
    ]
    scores = [
        Task(
            Recipe("table", 1, {"measure": measure}, {layer.label: layer.key for layer in layers}),
            run="micro_study:compare_layers",
            label=measure,
            stage="compare",
            arguments=said,
            needs=tuple(layers),
            resources=Resources(cpus=cpus),
        )
        for cpus, measure in enumerate(MEASURES, start=1)
    ]
    everything = Task(
        Recipe("table", 1, {"all": True}, {score.label: score.key for score in scores}),
        run="micro_study:join",
        label="everything",
        stage="report",
        arguments=said,
        needs=tuple(scores),
    )
    return [everything]


def run_micro(
    root: Path, log: Path, executor: str | Executor = "inline", seconds: float = 0.0
) -> RunResult:
    return run_tasks(micro_tasks(log, seconds), Store(root), executor, lost_retries=99)


def make_layer(store: Store, task: Task) -> None:
    begin(store, task)
    seed = task.recipe.parameters["seed"]
    values = np.random.default_rng(seed).normal(size=(60, 8 + seed)).astype(np.float32)
    origin = Origin(model="random", layer=task.label)
    store.save_representation(task.recipe, Representation(values, origin=origin))


def compare_layers(store: Store, task: Task) -> None:
    begin(store, task)
    layers = {name: store.load_representation(key) for name, key in task.recipe.inputs.items()}
    scores = similarity_matrix(layers, task.recipe.parameters["measure"])
    store.write_table(task.recipe, scores.table)


def join(store: Store, task: Task) -> None:
    begin(store, task)
    tables = [store.read_table(key) for key in task.recipe.inputs.values()]
    store.write_table(task.recipe, pd.concat(tables, ignore_index=True))


def begin(store: Store, task: Task) -> None:
    """Note it, and note with a `!` what is committed already: that must not be done again."""
    note(task, suffix="!" if store.has(task.key) else "")
    time.sleep(task.arguments["seconds"])


def data_of(root: Path) -> dict[str, bytes]:
    """The bytes of everything that is committed, by its place."""
    store = Store(root)
    assert store.verify() == []
    paths = [
        root / store.manifest(key).kind / key / entry.name
        for key in store.keys()  # noqa: SIM118
        for entry in store.manifest(key).files
    ]
    return {str(path.relative_to(root)): path.read_bytes() for path in paths}
