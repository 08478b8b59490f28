"""The micro-study, whole: what runs, what does not run again, what is left after a failure."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pandas as pd
import pytest
import yaml

from repscape.errors import InvalidParameterError, StoreNotWritableError
from repscape.execution.outcomes import Event
from repscape.store import Store
from repscape.studies.builtin_studies import builtin_path
from repscape.studies.load import load_study
from repscape.studies.plan import plan_study
from repscape.studies.run import StudyResult, run_study
from repscape.studies.study import Study

ALL_TASKS = 31


class Run:
    """Runs variants of the micro-study on one store and remembers what ran."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.store = folder, Store(folder / "store")
        self.made: list[str] = []

    def __call__(self, out: str = "out", **changes: object) -> StudyResult:
        self.made = []
        return run_study(self.study(**changes), self.folder / out, self.store, tell=self._note)

    def study(self, **changes: object) -> Study:
        if changes:  # drawing takes most of the time
            changes = {"figures": [], **changes}
        content = yaml.safe_load(builtin_path("micro").read_text(encoding="utf-8"))
        path = self.folder / "study.yaml"
        path.write_text(yaml.safe_dump({**content, **changes}), encoding="utf-8")
        return load_study(str(path))

    def _note(self, event: Event) -> None:
        if event.what == "made":
            self.made.append(f"{event.task.stage}: {event.task.label}")

    def outputs(self, out: str = "out") -> dict[str, bytes]:
        folder = self.folder / out
        files = [p for part in ("tables", "figures") for p in (folder / part).iterdir()]
        files.append(folder / "report.html")
        return {p.relative_to(folder).as_posix(): p.read_bytes() for p in files}

    def table(self, name: str, out: str = "out") -> pd.DataFrame:
        return pd.read_parquet(self.folder / out / "tables" / f"{name}.parquet")


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    done = Run(tmp_path_factory.mktemp("micro"))
    assert done().complete
    assert len(done.made) == ALL_TASKS
    return done


MODELS = yaml.safe_load(builtin_path("micro").read_text(encoding="utf-8"))["models"]


def test_the_tables_hold_every_number_that_was_asked_for(run):
    scores = run.table("scores")
    assert len(scores) == 2 * (8 * 7 // 2)
    assert scores["value"].notna().all()
    assert scores["p_value"].between(1 / 21, 1).all()
    assert set(scores["n"]) == {449}
    first = scores.iloc[0]
    assert (first["rep_a"], first["rep_b"]) == ("mlp/0:blocks.0", "mlp/0:blocks.2")
    assert (first["architecture_a"], first["seed_b"]) == ("mlp", "0")
    assert list(scores["measure"].unique()) == [
        "cka[kernel=linear,debiased=true]@1",
        "mutual_knn[k=10,metric=cosine]@1",
    ]
    models = run.table("models")
    assert list(models["model"]) == ["mlp/0", "mlp/1", "cnn/0", "cnn/1"]
    assert (models["held_out_accuracy"] > 0.5).all()
    geometry = run.table("geometry")
    assert len(geometry[geometry["chosen"]]) == 8
    assert set(geometry["model"]) == set(models["model"])
    overlaps = run.table("overlaps")
    assert list(overlaps["rep_a"]) == [f"{model}:blocks.0" for model in models["model"]]


def test_a_score_is_what_compare_says(run):
    import repscape

    row = run.table("scores").iloc[5]
    a, b = (run.store.load_representation(row[key]) for key in ("key_a", "key_b"))
    score = repscape.compare(a, b, row["measure"], null="permutation", n_permutations=20)
    assert float(score) == pytest.approx(row["value"], rel=1e-6)
    assert score.p_value == row["p_value"]


def test_a_second_run_runs_no_model_and_computes_no_distance(run, monkeypatch):
    import torch

    import repscape.compute.neighbours
    import repscape.pairwise

    calls: list[str] = []

    def counted(name, function):
        return lambda *a, **k: calls.append(name) or function(*a, **k)

    module = torch.nn.Module
    monkeypatch.setattr(module, "__call__", counted("forward", module.__call__))
    pairwise = repscape.pairwise
    monkeypatch.setattr(pairwise, "_score_block", counted("pairs", pairwise._score_block))
    neighbours = repscape.compute.neighbours
    monkeypatch.setattr(neighbours, "neighbours", counted("distances", neighbours.neighbours))
    before = run.outputs()
    done = run()
    assert done.complete
    assert (done.made, done.found, calls) == (0, ALL_TASKS, [])
    assert run.outputs() == before


def test_the_same_study_on_another_store_gives_the_same_bytes(run, tmp_path):
    again = Run(tmp_path)
    assert again().complete
    assert again.outputs() == run.outputs()


def test_another_measure_computes_only_it(run):
    run("measure", measures=["cka", "mutual_knn[k=10]", "procrustes"])
    assert run.made == [
        "compare: procrustes[score=distance,center=true]@1 on digits",
        "tables: table scores",
        "analyse: similarity_summary",
        "analyse: group_tests",
        "analyse: chance",
    ]


def test_another_model_computes_only_its_scores_and_leaves_the_old_ones(run):
    before = run.table("scores")
    third = {**MODELS[0], "each": {"architecture": ["mlp"], "seed": [2]}}
    done = run("model", models=[*MODELS, third])
    assert done.complete
    new = [line for line in run.made if line.startswith(("train", "extract", "describe"))]
    assert all("mlp/2" in line or "mlp/supervised/2" in line for line in new), new
    assert [line for line in run.made if line.startswith("compare")] == [
        "compare: cka[kernel=linear,debiased=true]@1 on digits, 5 models",
        "compare: mutual_knn[k=10,metric=cosine]@1 on digits, 5 models",
    ]
    after = run.table("scores", "model")
    assert len(after) == 2 * (10 * 9 // 2)
    old = after[(after["model_a"] != "mlp/2") & (after["model_b"] != "mlp/2")]
    pd.testing.assert_frame_equal(old.reset_index(drop=True), before, check_exact=True)
    assert run("model", models=[*MODELS, third]).made == 0, "it knows what it chose"


def test_leaving_a_model_out_or_turning_the_order_computes_no_score(run):
    fewer = [{**MODELS[0], "each": {"architecture": ["cnn", "mlp"], "seed": [1]}}]
    run("fewer", models=fewer)
    assert [line for line in run.made if not line.startswith(("tables", "analyse"))] == []
    turned = run.table("scores", "fewer")
    assert list(turned["model_a"].unique()) == ["cnn/1", "mlp/1"], "in the order of the study"
    whole = run.table("scores").set_index(["rep_b", "rep_a", "measure"])["value"]
    for row in turned.itertuples():
        if row.model_a != row.model_b:
            assert whole[row.rep_a, row.rep_b, row.measure] == row.value


def test_new_tags_and_names_compute_nothing_but_tables(run):
    renamed = [{**MODELS[0], "name": "net-{architecture}-{seed}", "tags": {"depth": 4}}]
    run("renamed", models=renamed)
    assert {line.partition(":")[0] for line in run.made} == {"tables", "analyse"}
    scores = run.table("scores", "renamed")
    assert scores.loc[0, "rep_a"] == "net-mlp-0:blocks.0"
    assert "architecture_a" not in scores


def test_only_one_stage(run):
    study = run.study(measures=["cka"])
    store = Store(run.folder / "only")
    done = run_study(study, run.folder / "only-out", store, only="train")
    assert (done.made, done.outputs) == (8, None)
    assert store.keys("representation") == []
    done = run_study(study, run.folder / "only-out", store, only="compare")
    assert done.made == 4 + 1, "the extractions that it needs, and nothing else"
    assert store.keys("descriptions") == []
    with pytest.raises(InvalidParameterError, match="no stage 'trian': did you mean 'train'"):
        run_study(study, run.folder / "only-out", store, only="trian")


def test_what_fails_does_not_stop_the_rest_and_is_tried_again(tmp_path):
    run = Run(tmp_path)
    broken = {"train": "digits_network", "options": {"architecture": "mlp", "epochs": 1}}
    other = {**broken, "name": "other", "layers": ["nothing.*"]}
    models = [{**broken, "name": "whole"}, other]
    done = run(models=models, significance="off")
    assert not done.complete
    assert {failure.label for failure in done.failed} == {"other on digits"}
    scores = run.table("scores")
    assert set(scores["model_a"]) == {"whole"}
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "What is missing" in page
    assert "nothing.*" in page
    done = run(models=[models[0], {**other, "layers": ["blocks.1"]}], significance="off")
    assert done.complete
    assert set(run.table("scores")["model_b"]) == {"whole", "other"}
    assert "What is missing" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


UNLUCKY = """\
from repscape.studies.steps.base import TRAINERS, NoOptions, Trainer
from repscape.tasks import Recipe, Task

def fail(store, task):
    raise RuntimeError("no luck today")

STEP = TRAINERS.register(
    Trainer(
        name="unlucky",
        summary="fails",
        options=NoOptions,
        task=lambda options, name: Task(Recipe("checkpoint", 1), "unlucky:fail", name, "train"),
        load="unlucky:load",
        evaluate="unlucky:evaluate",
    )
)
"""


def test_a_training_that_fails_leaves_the_other_models_whole(tmp_path, monkeypatch):
    (tmp_path / "unlucky.py").write_text(UNLUCKY, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    run = Run(tmp_path)
    good = {"train": "digits_network", "options": {"architecture": "mlp", "epochs": 1}}
    good["tags"] = {"seed": "0", "architecture": "mlp"}
    bad = {"train": "unlucky:STEP", "name": "bad", "tags": {"seed": "1", "architecture": "cnn"}}
    settings = {"significance": "off", "descriptors": [], "describe": {}, "report": []}
    done = run(models=[good, bad], measures=["cka"], **settings)
    assert [failure.message for failure in done.failed] == ["no luck today"]
    assert done.blocked == 2, "its evaluation and its extraction"
    models = run.table("models").set_index("model")
    assert models.loc["digits_network", "held_out_accuracy"] > 0.5
    assert models.loc["bad", ["held_out_accuracy", "seed"]].isna().all()
    assert models.loc["digits_network", "seed"] == 0, "as it was evaluated"
    assert list(models["architecture"]) == ["mlp", "cnn"]
    assert set(run.table("scores")["model_a"]) == {"digits_network"}


def test_a_model_that_is_not_at_hand_is_named_with_its_line(tmp_path):
    run = Run(tmp_path)
    missing = {"model": "hf:no-such-folder/model", "expect": {"layers": 3, "width": 8}}
    one = {"train": "digits_network", "options": {"architecture": "mlp", "epochs": 1}}
    study = run.study(models=[one, missing], measures=["cka"], descriptors=[], describe={})
    done = run_study(study, tmp_path / "out", run.store)
    assert not done.complete
    assert done.failed == ()
    [reason] = done.missing
    assert "hf:no-such-folder/model" in reason.what
    assert set(run.table("scores")["model_a"]) == {one["train"]}
    planned = plan_study(study, run.store)
    [unresolved] = planned.unresolved
    assert str(run.folder / "study.yaml") in unresolved.place
    extract = next(stage for stage in planned.stages if stage.stage == "extract")
    assert [one.task.label for one in extract.to_do] == ["hf:no-such-folder/model on digits"]


def test_outputs_that_were_altered_are_written_again(run):
    before = run.outputs()
    (run.folder / "out" / "tables" / "scores.csv").write_text("mine now")
    done = run()
    assert done.outputs is not None
    assert done.outputs.fresh
    assert run.outputs() == before


@pytest.mark.parametrize("room", [200, 20_000], ids=["no table", "a few tables"])
def test_a_disk_that_is_full_when_the_outputs_are_written(run, room):
    """The study on a disk whose files may not be larger than `room`: nothing half-written."""
    run("wanted", figures=[])
    study, out = run.study(figures=[]), run.folder / f"full-{room}"
    out.mkdir()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))

    try:
        with pytest.raises(StoreNotWritableError, match=rf"cannot write .*{out.name}.* run again"):
            run_study(study, out, run.store, on_write=fill)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    left = [path for path in out.rglob("*") if path.is_file()]
    assert not [path for path in left if ".tmp." in path.name]
    wanted = run.outputs("wanted")
    tables = {p.name: p.read_bytes() for p in left if p.parent.name == "tables"}
    assert all(wanted[f"tables/{name}"] == content for name, content in tables.items())
    run("wanted", figures=[])
    assert run_study(study, out, run.store).complete
    assert run.outputs(out.name) == wanted


def test_the_manifest_of_the_outputs_lists_the_headlines(run):
    record = json.loads((run.folder / "out" / "outputs.json").read_text())
    assert len(record["headlines"]) == 3
    assert set(record["files"]) >= set(run.outputs())
