"""Tests of questions as steps of a study: groups of models, curves along depth and by n."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import repscape
from repscape import Representation
from repscape.analysis.group_tests import group_tests
from repscape.analysis.model_scores import model_scores
from repscape.errors import RepscapeError
from repscape.representation import Origin
from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.run import run_study
from repscape.studies.steps.sample_curves import curves_along_depth, curves_by_n

OPTIONS = {"measures": (), "per_factor": 1}
BY_N = {**OPTIONS, "repeats": 2, "permutations": 9, "seed": 0}


@pytest.fixture(scope="module")
def made() -> tuple[dict[str, pd.DataFrame], dict[str, Representation]]:
    """Four models of two layers that share a signal; the tables of a study of them."""
    rng = np.random.default_rng(0)
    signal = rng.normal(size=(60, 3))
    reps = {
        f"{kind}{seed}:{layer}": Representation(
            np.hstack([signal, rng.normal(size=(60, 3))]),
            origin=Origin(
                model=f"{kind}{seed}", layer=layer, tags={"kind": kind, "seed": str(seed)}
            ),
        )
        for kind in "ab"
        for seed in (0, 1)
        for layer in ("first", "last")
    }
    scores = repscape.similarity_matrix(reps, ["cka", "mutual_knn"]).table.assign(data="made")
    there = [
        {"data": "made", "model": r.origin.model, "layer": r.origin.layer, "rep_key": key}
        for key, r in reps.items()
    ]
    return {"scores": scores, "representations": pd.DataFrame(there)}, reps


def test_curves_along_depth_have_the_intervals_of_their_scores(made) -> None:
    """Those of `compare` with the same seed."""
    tables, reps = made
    curves = curves_along_depth(tables, OPTIONS, reps.__getitem__)
    assert set(curves["measure"]) == {"cka[kernel=linear,debiased=true]@1"}
    assert set(curves["differs_in"]) == {"seed", "kind"}
    assert sorted(curves["depth"].unique()) == [0.0, 1.0]
    row = curves.iloc[0]
    sides = [reps[f"{row[f'model_{s}']}:{row[f'layer_{s}']}"] for s in "ab"]
    alone = repscape.compare(*sides, "cka", interval="jackknife")
    assert (row["interval_low"], row["interval_high"]) == pytest.approx(alone.interval)
    assert row["value"] == pytest.approx(float(alone))


def test_the_score_by_n_is_that_of_dependence_on_n(made) -> None:
    """Of the last layers of the example pairs, under each measure that was asked for."""
    tables, reps = made
    options = {**BY_N, "measures": ("mutual_knn", "cka")}
    found = curves_by_n(tables, options, reps.__getitem__)
    assert found.groupby("measure")["pair"].nunique().tolist() == [2, 2]
    assert set(found["layer_a"]) == set(found["layer_b"]) == {"last"}
    part = found[found["measure"].str.startswith("mutual_knn")]
    part = part[part["pair"] == part["pair"].iloc[0]]
    sides = [reps[f"{part[f'model_{s}'].iloc[0]}:last"] for s in "ab"]
    alone = repscape.dependence_on_n(*sides, "mutual_knn", repeats=2, n_permutations=9, seed=0)
    for column in ("n", "value", "null_mean", "interval_low"):
        np.testing.assert_array_equal(part[column], alone[column])


def test_a_measure_that_the_study_does_not_score_is_named(made) -> None:
    """With what there is."""
    tables, reps = made
    with pytest.raises(RepscapeError, match=r"does not score 'rsa.*mutual_knn"):
        curves_by_n(tables, {**BY_N, "measures": ("rsa",)}, reps.__getitem__)


def test_a_study_runs_them_all(tmp_path) -> None:
    """Group tests by default; curves where they are named, drawn and written about."""
    study = load_study(
        "micro",
        [
            "analyses=[similarity_summary, group_tests, layer_curves, score_by_n]",
            "figures=[score_by_n, layer_curves]",
            "report=[score_by_n, layer_curves]",
            "descriptors=[]",
            "describe={}",
        ],
    )
    assert "group_tests" in [one.step.name for one in load_study("micro").analyses]
    out = tmp_path / "out"
    assert run_study(study, out, Store(tmp_path / "store")).complete
    tables = {
        name: pd.read_parquet(out / "tables" / f"{name}.parquet")
        for name in ("scores", "group_tests", "layer_curves", "score_by_n")
    }
    expected = group_tests(model_scores(tables["scores"]))
    assert tables["group_tests"]["p_value"].tolist() == expected["p_value"].tolist()
    assert set(tables["group_tests"]["factor"]) == {"architecture", "seed"}
    assert tables["layer_curves"]["interval_low"].notna().all()
    assert tables["score_by_n"]["n"].max() == 449
    drawn = {path.stem.split("_cka")[0] for path in (out / "figures").glob("*.png")}
    assert drawn == {"score_by_n", "layer_curves"}
    report = (out / "report.html").read_text()
    assert "Does the score depend on the number of samples?" in report
    assert "Along depth" in report
