from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import pearsonr, spearmanr

from repscape.analysis.data_agreement import COLUMNS, data_agreement, in_words
from score_tables import SIMILARITY, row

MODELS = ["a", "b", "c", "d", "e", "f"]


def table(values: dict[str, np.ndarray], models: list[str] = MODELS) -> pd.DataFrame:
    return pd.DataFrame(
        [
            row(f"{a}/last", f"{b}/last", float(v) if np.isfinite(v) else None, data=data)
            for data, several in values.items()
            for v, (a, b) in zip(several, combinations(models, 2), strict=True)
        ]
    )


@pytest.fixture
def values() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    prose = rng.uniform(size=15)
    return {"prose": prose, "code": prose + 0.1 * rng.normal(size=15)}


def test_is_the_correlation_of_the_lower_triangles(values: dict[str, np.ndarray]) -> None:
    found = data_agreement(table(values))
    assert list(found.columns) == list(COLUMNS)
    (one,) = found.to_dict("records")
    assert one["spearman"] == pytest.approx(spearmanr(*values.values())[0], abs=1e-12)
    assert one["pearson"] == pytest.approx(pearsonr(*values.values())[0], abs=1e-12)
    assert (one["models"], one["pairs"], one["measure"]) == (6, 15, SIMILARITY)
    assert 1 / 720 <= one["p_value"] <= 0.05
    assert "mean rank correlation of" in in_words(found)[0]


def test_a_pair_without_a_score_is_left_out_and_never_0(values: dict[str, np.ndarray]) -> None:
    kept = np.ones(15, bool)
    kept[[2, 9]] = False
    broken = {"prose": np.where(kept, values["prose"], np.nan), "code": values["code"]}
    (one,) = data_agreement(table(broken)).to_dict("records")
    assert one["pairs"] == 13
    expected = spearmanr(values["prose"][kept], values["code"][kept])[0]
    assert one["spearman"] == pytest.approx(expected, abs=1e-12)


def test_only_models_of_both_data_sets_count(values: dict[str, np.ndarray]) -> None:
    scores = table(values)
    absent = (scores["data"] == "code") & ((scores["model_a"] == "f") | (scores["model_b"] == "f"))
    (one,) = data_agreement(scores[~absent]).to_dict("records")
    assert (one["models"], one["pairs"]) == (5, 10)


def test_too_few_or_constant_scores_say_why(values: dict[str, np.ndarray]) -> None:
    few = table({name: several[:1] for name, several in values.items()}, ["a", "b"])
    (one,) = data_agreement(few).to_dict("records")
    assert one["spearman"] is None
    assert "only 1 pairs" in one["reason"]
    constant = table({"prose": values["prose"], "code": np.ones(15)})
    (one,) = data_agreement(constant).to_dict("records")
    assert one["reason"] == "the scores do not vary on one of them"
    assert "no measure can be correlated" in in_words(data_agreement(constant))[0]


def test_three_models_have_a_correlation_without_a_test() -> None:
    scores = table(
        {"prose": np.array([0.1, 0.2, 0.3]), "code": np.array([1, 3, 2])}, ["a", "b", "c"]
    )
    (one,) = data_agreement(scores).to_dict("records")
    assert one["spearman"] == pytest.approx(0.5)
    assert one["p_value"] is None
    assert "too few to resample" in one["reason"]


def test_one_data_set_has_nothing_to_agree_with(values: dict[str, np.ndarray]) -> None:
    found = data_agreement(table({"prose": values["prose"]}))
    assert found.empty
    assert in_words(found) == []
