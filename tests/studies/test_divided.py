"""Sweeps over tiles that are divided among tasks: the same bytes whatever runs the groups."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from micro_study import data_of

from repscape.execution.outcomes import Event
from repscape.execution.processes import ProcessExecutor
from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.plan import plan_study
from repscape.studies.run import run_study
from repscape.studies.status import study_status
from repscape.studies.steps import tiles
from repscape.studies.study import Study

BASE = (
    "descriptors=[]",
    "describe={}",
    "significance=off",
    "figures=[]",
    "report=[]",
    # Small tiles; and no room for products that a single task would hold from larger blocks, whose
    # float32 values are rounded otherwise.
    "compare.memory_limit=1700KiB",
    "measures=[cka, 'cka[kernel=rbf]']",
)
SPLIT = (*BASE, "compare.split=5e7")
GROUPS = 4


def run(folder: Path, executor="inline", settings=SPLIT, tell=None):
    study = load_study("micro", settings)
    store = Store(folder / "store")
    return run_study(study, folder / "out", store, executor, tell=tell)


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((folder / "out" / "tables").iterdir())}


def study_of(settings=SPLIT) -> Study:
    return load_study("micro", settings)


@pytest.fixture(scope="module")
def inline(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("inline")
    assert run(folder).complete
    return folder


def test_the_plan_shows_the_groups_and_the_estimate_is_shared_among_them(inline, tmp_path):
    shutil.copytree(inline / "store", tmp_path / "store")
    for kind in ("scores", "cover", "tile_sums", "fitted"):
        shutil.rmtree(tmp_path / "store" / kind)
    extracted = Store(tmp_path / "store")
    planned = plan_study(study_of(), extracted)
    compare = next(stage for stage in planned.stages if stage.stage == "compare")
    labels = [one.task.label for one in compare.tasks]
    assert labels.count("cka[kernel=linear,debiased=true]@1 on digits") == 1
    first = "cka[kernel=linear,debiased=true]@1 on digits, tiles 1 of "
    [groups] = [int(label.removeprefix(first)) for label in labels if label.startswith(first)]
    assert groups == GROUPS
    assert sum("rbf" in label and "fitted to" in label for label in labels) == 4
    shares = [one.cost.operations for one in compare.tasks if ", tiles " in one.task.label]
    whole = plan_study(study_of(BASE), extracted)
    [before] = [stage.operations for stage in whole.stages if stage.stage == "compare"]
    assert sum(shares) == pytest.approx(before, rel=1e-9)
    after = plan_study(study_of(), Store(inline / "store"))
    assert after.to_do == 0
    assert [len(s.tasks) for s in after.stages if s.stage == "compare"] == [2], "only the scores"


def test_the_scores_are_those_of_one_task(inline, tmp_path):
    assert run(tmp_path, settings=BASE).complete
    whole, divided = (pd.read_parquet(f / "out" / "tables" / "scores.parquet")
                      for f in (tmp_path, inline))  # fmt: skip
    assert list(divided["value"]) == pytest.approx(list(whole["value"]), rel=1e-12)
    same = [name for name in whole.columns if name != "value"]
    pd.testing.assert_frame_equal(divided[same], whole[same])
    store = Store(inline / "store")
    assert (len(store.keys("tile_sums")), len(store.keys("fitted"))) == (2 * GROUPS, 4)
    assert Store(tmp_path / "store").keys("tile_sums") == []


def test_the_sums_are_added_in_the_order_of_the_groups(inline, monkeypatch):
    store = Store(inline / "store")
    recipes = [store.manifest(key).recipe for key in store.keys("scores")]
    inputs = next(one.inputs for one in recipes if "linear" in one.parameters["measure"])
    monkeypatch.setattr(tiles, "scorer_of_sums", lambda sums, fitted: list(sums))
    added = tiles.SumsOfGroups(store, inputs, GROUPS).scorer(0, [])
    assert len(added) == GROUPS
    for number, sums in enumerate(added):
        own = store.read_arrays(inputs[f"group/{number}"])
        for name, array in sums.items():
            assert array.numpy().tobytes() == own[f"0:{name}"].tobytes()


def test_where_the_null_is_beyond_its_budget_the_sweep_is_divided_and_the_table_says_so(
    inline, tmp_path
):
    shutil.copytree(inline, tmp_path, dirs_exist_ok=True)
    null = "significance={permutations: 20, budget: 1e6}"
    settings = (*SPLIT[:2], null, *SPLIT[3:], "measures=[cka]")
    assert run(tmp_path, settings=settings).complete
    scores = pd.read_parquet(tmp_path / "out" / "tables" / "scores.parquet")
    assert scores["p_value"].isna().all()
    assert scores["null_reason"].str.contains("significance.budget is 1e\\+06").all()
    before = pd.read_parquet(inline / "out" / "tables" / "scores.parquet")
    assert list(scores["value"]) == list(before["value"][: len(scores)])
    assert len(Store(tmp_path / "store").keys("tile_sums")) == 2 * GROUPS, "the same sums serve"


def test_blocks_of_models_give_the_same_nulls_and_go_on_where_a_run_was_killed(inline, tmp_path):
    """Nulls of too many models for one task: blocks by themselves, of which each is kept."""
    null = (
        *BASE[:2],
        "significance={permutations: 20}",
        *BASE[3:5],
        "measures=['mutual_knn[k=9]']",
    )
    folders = whole, divided = tmp_path / "whole", tmp_path / "divided"
    for folder in folders:
        shutil.copytree(inline / "store", folder / "store")
    planned = plan_study(study_of(null), Store(whole / "store"))
    [stage] = [one for one in planned.stages if one.stage == "compare"]
    assert run(whole, settings=null).complete
    settings, made = (*null, f"compare.split={0.9 * stage.operations}"), 0

    def kill(event: Event) -> None:
        nonlocal made
        made += event.what == "made" and event.task.stage == "compare"
        if made:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(divided, settings=settings, tell=kill)
    [stage] = [s for s in study_status(divided / "out").stages if s.stage == "compare"]
    assert (stage.tasks, stage.done) == (3, 1), "two blocks a side"
    begun: list[str] = []
    assert run(divided, settings=settings, tell=lambda e: begun.append(f"{e.what} {e.task.stage}"))
    assert begun.count("made compare") == 2, "and the first block is not done again"
    one, other = (
        pd.read_parquet(folder / "out" / "tables" / "scores.parquet")
        .set_index(["rep_a", "rep_b"])
        .sort_index()
        for folder in folders
    )
    pd.testing.assert_frame_equal(other, one, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_the_bytes_do_not_depend_on_the_executor_or_the_number_of_workers(
    inline, tmp_path, workers
):
    assert run(tmp_path, ProcessExecutor(cpus=workers)).complete
    assert tables(tmp_path) == tables(inline)


@pytest.mark.slow
@pytest.mark.parametrize(
    "cluster",
    [
        pytest.param("slurm", marks=pytest.mark.slurm),
        pytest.param("ray_cluster", marks=pytest.mark.ray),
    ],
)
def test_groups_that_a_cluster_computes_have_the_same_bytes(inline, tmp_path, request, cluster):
    """The networks are there already; every group and the sums of them are to do."""
    executor = request.getfixturevalue(cluster)
    shutil.copytree(inline / "store", tmp_path / "store")
    for kind in ("scores", "cover", "tile_sums", "fitted"):
        shutil.rmtree(tmp_path / "store" / kind)
    done = run(tmp_path, executor)
    assert done.complete
    assert done.made == 2 * GROUPS + 4 + 2
    assert tables(tmp_path) == tables(inline)
    assert data_of(tmp_path / "store") == data_of(inline / "store")


def test_another_threshold_keeps_what_was_decided_and_a_new_model_divides_only_its_own(
    inline, tmp_path
):
    shutil.copytree(inline, tmp_path, dirs_exist_ok=True)
    assert run(tmp_path, settings=(*BASE, "compare.split=off")).made == 0
    made: list[str] = []

    def note(event: Event) -> None:
        if event.what == "made" and event.task.stage == "compare":
            made.append(event.task.label)

    more = "models.0.each={architecture: [mlp, cnn], seed: [0, 1, 2]}"
    assert run(tmp_path, settings=(*SPLIT, "measures=[cka]", more), tell=note).complete
    assert made, "the pairs of the two new models"
    assert sum(", tiles 1 of " in label for label in made) == 1
    assert all(", 6 models" in label for label in made), made


@pytest.mark.slow
def test_a_run_that_is_killed_between_groups_does_none_of_them_again(inline, tmp_path):
    command = [sys.executable, "-m", "repscape", "run", "micro", "--out", str(tmp_path / "out")]
    command += ["--store", str(tmp_path / "store")]
    for setting in SPLIT:
        command += ["--set", setting]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    sums = tmp_path / "store" / "tile_sums"
    while process.poll() is None and len(list(sums.glob("*/manifest.json"))) < 3:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    finished = {path: path.stat().st_ino for path in sums.glob("*/manifest.json")}
    assert 3 <= len(finished) < 2 * GROUPS
    made: list[str] = []
    done = run(tmp_path, tell=lambda e: made.append(e.task.key) if e.what == "made" else None)
    assert done.complete
    assert {path: path.stat().st_ino for path in finished} == finished
    assert not {path.parent.name for path in finished} & set(made)
    assert tables(tmp_path) == tables(inline)
    known = json.loads((tmp_path / "out" / "tasks.json").read_text())["tasks"]
    assert sum(", tiles " in label for *_, label in known) > 0, "status counts the groups"
