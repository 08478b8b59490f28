"""Nulls are on by default; what has none, or whose null costs too much, says so."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape import Representation
from repscape.measures.base import get_measure
from repscape.representation import Origin
from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.plan import plan_study
from repscape.studies.run import run_study
from repscape.studies.steps.score import score_with_nulls

QUIET = ("figures=[]", "report=[]", "descriptors=[]", "describe={}", "models.0.each.seed=[0]")
NULL = {"null": "permutation", "n_permutations": 9, "seed": 0}
SETTINGS = {"align": "strict", "memory_limit": "1GiB", "device": None}


def layers() -> dict[str, Representation]:
    """Two models of two layers; the second model is wide."""
    rng = np.random.default_rng(0)
    widths = {"narrow/0": 4, "narrow/1": 6, "other/0": 5, "wide/0": 4, "wide/1": 30}
    return {
        name: Representation(
            rng.normal(size=(40, d)), origin=Origin(model=name[:-2], layer=name[-1])
        )
        for name, d in widths.items()
    }


def test_a_study_without_a_word_about_significance_has_p_values(tmp_path) -> None:
    """Of a measure that matches samples; the other says why there is none."""
    study = load_study("micro", [*QUIET, "measures=[cka, magnitude_difference]"])
    content = dict(study.source.content)
    assert content.pop("significance") == {"permutations": 20}
    plain = load_study("micro", [*QUIET, "measures=[cka, magnitude_difference]", "significance={}"])
    assert plain.file.significance is not None
    assert plain.file.significance.permutations == 100
    plan = plan_study(plain, None)
    [line] = plan.without_null
    assert line.startswith("magnitude_difference@1: no null")
    done = run_study(plain, tmp_path / "out", Store(tmp_path / "store"))
    assert done.complete
    assert done.outputs is not None
    scores = pd.read_parquet(tmp_path / "out" / "tables" / "scores.parquet")
    by_measure = scores.groupby(scores["measure"].str.startswith("cka"))
    assert by_measure.get_group(True)["p_value"].between(1 / 101, 1).all()
    assert (by_measure.get_group(True)["n_permutations"] == 100).all()
    without = by_measure.get_group(False)
    assert without["value"].notna().all()
    assert without["p_value"].isna().all()
    assert without["null_reason"].str.contains("no permutation null").all()


def test_a_measure_that_significance_does_not_name_says_so(tmp_path) -> None:
    settings = ["measures=[cka, procrustes]", "significance={measures: [cka], permutations: 9}"]
    study = load_study("micro", [*QUIET, *settings, "analyses=[]"])
    run_study(study, tmp_path / "out", Store(tmp_path / "store"))
    scores = pd.read_parquet(tmp_path / "out" / "tables" / "scores.parquet")
    named = scores["measure"].str.startswith("cka")
    assert scores.loc[named, "p_value"].notna().all()
    assert scores.loc[~named, "value"].notna().all()
    assert scores.loc[~named, "p_value"].isna().all()
    reasons = scores.loc[~named, "null_reason"]
    assert len(reasons) > 0
    assert reasons.str.contains(r"significance\.measures of the study does not name it").all()
    assert scores.loc[named, "null_reason"].isna().all()


def test_the_default_is_on_and_none_switches_it_off() -> None:
    """As the schema says."""
    assert load_study("llm-similarity").calibrated == load_study("llm-similarity").measures
    assert load_study("quickstart", ["significance=none"]).calibrated == ()


def test_beyond_the_budget_is_scored_without_a_null_and_says_so() -> None:
    """All layers of two models are within it, or none."""
    reps = layers()
    names = list(reps)
    pairs = [(a, b) for a in range(5) for b in range(a + 1, 5)]
    measure = get_measure("procrustes")
    table = score_with_nulls(reps, measure, pairs, SETTINGS, {**NULL, "budget": 1e5})
    whole = score_with_nulls(reps, measure, pairs, SETTINGS, {**NULL, "budget": None})
    key = ["rep_a", "rep_b"]
    both = table.merge(whole, on=key, suffixes=("", "_whole"))
    assert len(both) == len(pairs)
    np.testing.assert_array_equal(both["value"], both["value_whole"])
    wide = both["rep_a"].str.startswith("wide") | both["rep_b"].str.startswith("wide")
    assert wide.sum() == 7
    assert both["p_value"].isna().tolist() == wide.tolist()
    assert both.loc[wide, "null_reason"].str.contains(r"significance\.budget is 1e\+05").all()
    within = both[~wide]
    for column in ("p_value", "null_mean", "p_max"):
        np.testing.assert_array_equal(within[column], within[f"{column}_whole"])
    assert set(names) == set(table["rep_a"]) | set(table["rep_b"])


def test_the_plan_counts_the_nulls_and_names_those_beyond_the_budget() -> None:
    """As the score task will decide."""
    cheap, dear, off = (
        plan_study(load_study("micro", [*QUIET, "measures=[procrustes]", setting]), None)
        for setting in (
            "significance={budget: 1e12}",
            "significance={budget: 1e3}",
            "significance=none",
        )
    )
    costs = [
        next(stage.operations for stage in plan.stages if stage.stage == "compare")
        for plan in (cheap, dear, off)
    ]
    assert costs[0] > 10 * costs[1]
    assert costs[1] == pytest.approx(costs[2])
    assert (cheap.without_null, off.without_null) == ((), ())
    [line] = dear.without_null
    assert "procrustes[score=distance,center=true]@1 on digits" in line
    assert "significance.budget: 1e+03" in line


def test_named_measures_have_no_budget() -> None:
    """Whoever names them wants them."""
    named = load_study("micro", ["significance={measures: [cka]}"]).file.significance
    assert named is not None
    assert named.affordable is None
