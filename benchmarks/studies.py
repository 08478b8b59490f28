"""How good estimates are; planning a large study; its status; reading scores; a divided sweep.

Prints seconds, and their ratio to what the disk and the libraries need at least: the same files
looked up or the same table read without Repscape.

    python benchmarks/studies.py [--tasks 10000] [--rows 1000000] [--sweep 12000]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from repscape.compute.tile_groups import Division
from repscape.execution.outcomes import Event
from repscape.execution.processes import ProcessExecutor
from repscape.execution.run import opened, run_tasks
from repscape.measures.base import get_measure
from repscape.representation import Origin, Representation
from repscape.store import Store
from repscape.studies.first_phase import begin
from repscape.studies.load import load_study
from repscape.studies.pairs import Pairs
from repscape.studies.plan import Plan, plan_study
from repscape.studies.run import run_study
from repscape.studies.snapshot import write_snapshot
from repscape.studies.status import study_status
from repscape.studies.steps.extract import sizes_of
from repscape.studies.study import Study
from repscape.tables import read_scores
from repscape.tasks import Recipe, Task

LARGE = """\
study: large
models:
{models}
data: [{{data: digits, split: held_out}}]
measures: [cka, procrustes, mutual_knn]
descriptors: [gride, twonn, mle, participation_ratio, anisotropy, "label_overlap[k=10]",
  "label_overlap[k=20]", "label_overlap[k=30]"]
"""
MODEL = """\
  - train: digits_network
    name: mlp/{seed}
    options: {{architecture: mlp, seed: {seed}}}
    tags: {{seed: {seed}}}"""


def large_study(tasks: int, path: Path) -> Path:
    """A study whose plan has about this many tasks: models × (extraction, 8 descriptors, …)."""
    models = [MODEL.format(seed=seed) for seed in range(tasks // 11)]
    path.write_text(LARGE.format(models="\n".join(models)), encoding="utf-8")
    return path


def seconds(function: Callable[[], object]) -> tuple[float, float, object]:
    """Wall and processor time, and what it returned."""
    wall, cpu = time.perf_counter(), time.process_time()
    found = function()
    return time.perf_counter() - wall, time.process_time() - cpu, found


def bench_terminal(file: Path) -> None:
    """`repscape plan` from a terminal, against the imports that this study needs at least."""
    least = "import torch, pandas, pydantic, typer, sklearn.datasets, matplotlib.figure"
    took = []
    for command in (["-c", least], ["-m", "repscape", "plan", str(file)]):
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)
        after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - wall
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        took.append(cpu)
    print(
        f"`repscape plan` from a terminal {wall:6.2f} s wall {cpu:6.2f} s cpu "
        f"({took[1] / took[0]:.1f} times importing torch, pandas, … alone)"
    )


def bench_plan(tasks: int, folder: Path) -> None:
    """Read, check and plan, with half of the artefacts there; then the status of the same run."""
    store = Store(folder / "store")
    file = large_study(tasks, folder / "large.yaml")
    load_study("micro")  # steps are imported
    read_wall, read_cpu, study = seconds(lambda: load_study(str(file)))
    assert isinstance(study, Study)
    table = pd.DataFrame({"layer": ["x"], "pooling": ["mean"], "n": [449], "d": [128]})
    everything = [*begin(study).tasks]
    for task in everything[: tasks // 2]:
        if task.stage == "extract":
            store.write_table(task.recipe, table, sizes_of(table))
            continue
        directory = store.root / task.recipe.kind / task.key
        directory.mkdir(parents=True)
        (directory / "manifest.json").write_bytes(b"{}")
    wall, cpu, plan = seconds(lambda: plan_study(study, store))
    assert isinstance(plan, Plan)
    print(
        f"read, check and plan {plan.tasks} tasks {read_wall + wall:6.2f} s wall "
        f"{read_cpu + cpu:6.2f} s cpu (of which reading and checking {read_cpu:.2f} s cpu)"
    )
    bench_terminal(file)
    planned = [one.task for stage in plan.stages for one in stage.tasks]
    write_snapshot(folder / "out", study, store, planned)
    wall, cpu, _ = seconds(lambda: study_status(folder / "out"))
    paths = [store.root / t.recipe.kind / t.key / "manifest.json" for t in planned]
    least, _, _ = seconds(lambda: [path.exists() for path in paths])
    print(
        f"status of {len(planned)} tasks          {wall:6.2f} s wall {cpu:6.2f} s cpu "
        f"({wall / least:.1f} times looking the files up)"
    )


def sweep_tasks(store: Store, n: int, division: Division | None) -> list[Task]:
    """The scores of 8 random layers (256 features, RBF kernel), in one task or divided."""
    measure = get_measure("cka[kernel=rbf,sigma=20]").name
    draw = np.random.default_rng(0)
    rows = []
    for layer in map(str, range(8)):
        values = draw.normal(size=(n, 256)).astype(np.float32)
        origin = Origin(model="random", layer=layer)
        recipe = Recipe("representation", 1, {"n": n, "layer": layer})
        rep = store.save_representation(recipe, Representation(values, origin=origin))
        rows.append({"layer": layer, "pooling": "mean", "rep_key": rep.key})
    key = store.write_table(Recipe("extraction", 1, {"n": n}), pd.DataFrame(rows))
    part = Pairs(within=(key,), division=division)
    known = {"measure": measure, "pooling": "mean", "which": "all", "align": "strict"}
    known["pairs"] = part.to_dict()
    arguments = {"memory_limit": None, "device": None}
    steps = "repscape.studies.steps"
    groups = [
        Task(Recipe("tile_sums", 1, {**known, "group": number}, {key: key}),
             f"{steps}.tiles:run_tile_sums", f"group {number}", "compare", arguments)
        for number in range(division.groups if division else 0)
    ]  # fmt: skip
    inputs = {key: key} | {f"group/{number}": one.key for number, one in enumerate(groups)}
    recipe = Recipe("scores", 1, {**known, "null": None}, inputs)
    run = f"{steps}.score:run_scores"
    return [Task(recipe, run, "scores", "compare", arguments, tuple(groups))]


def bench_divided(n: int, folder: Path) -> None:
    """A sweep over tiles in one task and divided between two processes, in turn."""
    took: dict[str, list[float]] = {"one task": [], "8 groups": []}
    for turn in range(3):
        for name, division in (("one task", None), ("8 groups", Division(512, 8))):
            store = Store(folder / f"{name} {turn}")
            tasks = sweep_tasks(store, n, division)
            with opened(ProcessExecutor(cpus=2), store) as pool:
                # Both processes have begun and imported before the clock runs.
                run_tasks(sweep_tasks(store, 700, Division(512, 2)), store, pool)
                begin = time.perf_counter()
                run_tasks(tasks, store, pool)
                took[name].append(time.perf_counter() - begin)
    whole, divided = (min(values) for values in took.values())
    print(
        f"a sweep of n={n} in one task {whole:6.2f} s wall, in 8 groups on two workers "
        f"{divided:6.2f} s wall (ratio {whole / divided:.2f})"
    )


def bench_rows(rows: int, folder: Path) -> None:
    """Read a table of scores, from the store and from the output folder."""
    draw = np.random.default_rng(0)
    models = int(np.ceil(np.sqrt(rows)))
    a, b = np.divmod(np.arange(rows), models)
    names = np.asarray([f"model-{i}" for i in range(models)])
    table = pd.DataFrame(
        {
            "data": "digits",
            "split": "held_out",
            "rep_a": names[a],
            "rep_b": names[b],
            "model_a": names[a],
            "model_b": names[b],
            "key_a": np.asarray([f"{i:040x}" for i in range(models)])[a],
            "key_b": np.asarray([f"{i:040x}" for i in range(models)])[b],
            "measure": "cka[kernel=linear,debiased=true]@1",
            "kind": "similarity",
            "n": 449,
            "value": draw.random(rows),
            "reason": None,
        }
    )
    store = Store(folder / "rows")
    key = store.write_table(Recipe("table", 1, {"rows": rows}), table)
    wall, cpu, _ = seconds(lambda: Store(folder / "rows").read_table(key))
    [path] = (store.root / "table" / key).glob("*.parquet")
    least, _, _ = seconds(lambda: pq.read_table(path).to_pandas())
    print(
        f"read {rows} rows from the store {wall:6.2f} s wall {cpu:6.2f} s cpu "
        f"({wall / least:.1f} times pyarrow alone)"
    )
    wall, cpu, _ = seconds(lambda: read_scores(path))
    print(f"read {rows} rows from a file    {wall:6.2f} s wall {cpu:6.2f} s cpu")


def bench_estimates(folder: Path) -> None:
    """What `plan` says that the micro-study takes, against what it took, stage by stage.

    On an empty store, by assumed rates; then with more models, by what tasks before took.
    """
    more = ("models.0.each.seed=[0, 1, 2, 3]", 'measures=[cka, "mutual_knn[k=10]"]')
    for name, settings in (("imports", ()), ("empty store", ()), ("more models", more)):
        study = load_study("micro", ("figures=[]", "report=[]", *settings))
        store = Store(folder / ("imports" if name == "imports" else "estimates"))
        stages = plan_study(study, store).stages
        planned = {stage.stage: stage.seconds for stage in stages if stage.to_do}
        took, last = dict.fromkeys(planned, 0.0), time.perf_counter()

        def tell(event: Event, took: dict[str, float] = took) -> None:
            nonlocal last
            now = time.perf_counter()
            if event.what == "made":
                took[event.task.stage] += now - last
            last = now

        run_study(study, folder / f"{name} out", store, tell=tell)
        if name == "imports":  # and compiles: not what is estimated
            continue
        planned["all"], took["all"] = sum(planned.values()), sum(took.values())
        for stage, said in planned.items():
            print(f"{name}: {stage:9} planned {said:5.2f} s, took {took[stage]:5.2f} s wall "
                  f"(ratio {took[stage] / said:.1f})")  # fmt: skip


def main() -> None:
    """Print the numbers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--sweep", type=int, default=12_000, help="samples of the divided sweep")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        bench_estimates(Path(folder))
        bench_plan(chosen.tasks, Path(folder))
        bench_rows(chosen.rows, Path(folder))
        bench_divided(chosen.sweep, Path(folder))


if __name__ == "__main__":
    main()
