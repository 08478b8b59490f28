"""Which scores of a table are more than chance."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import repscape
from repscape.analysis.chance import calibrated, chance_summary, has_effects, has_null, judge
from repscape.analysis.matrices import any_undecided, at_chance, square_matrix
from repscape.analysis.model_scores import model_scores
from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.representation import Origin, Representation
from score_tables import DISTANCE, row


def nulls(p: float | None, effect: float | None = 0.5, **columns: object) -> dict[str, object]:
    found = {"p_value": p, "effect": effect, "null_mean": 0.1, "n_permutations": 99}
    return found | {"null_reason": None} | columns


def small() -> pd.DataFrame:
    """Four tests of one measure, one of another, a missing score, and one without a null."""
    rows = [row(f"a{i}/l", f"b{i}/l", 0.3, **nulls(p)) for i, p in enumerate((0.01, 0.02, 0.03))]
    rows.append(row("a3/l", "b3/l", 0.1, **nulls(0.6, 0.0)))
    rows.append(row("a4/l", "b4/l", None, **nulls(None, None, null_reason="constant")))
    other = {"measure": DISTANCE, "kind": "distance"}
    rows.append(row("a0/l", "b0/l", 1.2, **other, **nulls(0.04, None, null_reason="no best value")))
    return pd.DataFrame(rows)


def test_scores_are_judged_within_their_measure() -> None:
    judged = judge(small())
    assert judged["p_adjusted"].to_numpy(dtype=float) == pytest.approx(
        [0.04, 0.04, 0.04, 0.6, np.nan, 0.04], nan_ok=True
    )
    assert judged["distinguishable"].tolist() == [True, True, True, False, pd.NA, True]
    pd.testing.assert_frame_equal(judge(judged), judged)
    holm = judge(small(), correction="holm")
    assert holm["distinguishable"].tolist() == [True, False, False, False, pd.NA, True]
    strict = judge(small(), level=0.01)
    assert not strict["distinguishable"].fillna(False).any()


def test_scores_that_no_permutation_reached_may_be_undecided() -> None:
    """Three of thirty at 1/100: 30 · 0.01 / 3 > 0.05; with 200 orders 30 / (3 · 200) = 0.05."""
    ps = [0.01] * 3 + [0.5] * 27
    table = pd.DataFrame([row(f"a{i}/l", f"b{i}/l", 0.3, **nulls(p)) for i, p in enumerate(ps)])
    judged = judge(table)
    assert not judged["distinguishable"].any()
    assert judged["undecided"].tolist() == [True] * 3 + [False] * 27
    pd.testing.assert_frame_equal(judge(judged), judged)
    [counts] = chance_summary(table).to_dict("records")
    assert (counts["undecided"], counts["enough_permutations"]) == (3, 199)
    enough = table.assign(n_permutations=199).replace({"p_value": {0.01: 1 / 200}})
    assert judge(enough)["distinguishable"].sum() == 3
    short = table.assign(n_permutations=198).replace({"p_value": {0.01: 1 / 199}})
    assert judge(short)["undecided"].sum() == 3
    [holm] = chance_summary(table, correction="holm").to_dict("records")
    assert holm["enough_permutations"] == 599
    assert any_undecided(square_matrix(judged).beside)
    assert not judge(small())["undecided"].fillna(False).any()
    assert not any_undecided(square_matrix(judge(small()).iloc[:4]).beside)


def test_calibrated_scores_run_from_chance_to_perfect() -> None:
    effects = calibrated(judge(small()))
    assert effects["value"].to_numpy() == pytest.approx(
        [0.5] * 3 + [0.0, np.nan, np.nan], nan_ok=True
    )
    assert effects["raw"].iloc[0] == 0.3
    assert set(effects["kind"]) == {"similarity"}
    assert effects["measure"].iloc[-1] == f"effect of {DISTANCE}"
    assert effects["reason"].tolist()[-2:] == ["constant features", "no best value"]
    assert effects["reason"].iloc[:4].isna().all()


def test_the_summary_counts() -> None:
    first, second = chance_summary(small()).to_dict("records")
    assert (first["scores"], first["tested"], first["distinguishable"]) == (4, 4, 3)
    assert (first["largest_p"], first["smallest_reachable_p"]) == (0.6, 0.01)
    assert (first["effect"], first["lowest_effect"], first["null_mean"]) == (0.5, 0.0, 0.1)
    assert (second["tested"], second["distinguishable"]) == (1, 1)
    assert np.isnan(second["effect"])
    assert first["correction"] == "benjamini_hochberg"


def test_tables_without_a_null() -> None:
    plain = pd.DataFrame([row("a/l", "b/l", 0.3)])
    assert not has_null(plain)
    assert not has_effects(plain)
    assert has_null(small())
    assert has_effects(small())
    with pytest.raises(UnknownNameError, match="null='permutation'"):
        judge(plain)
    with pytest.raises(InvalidParameterError, match="level=5"):
        judge(small(), level=5)
    matrix = square_matrix(plain)
    assert not at_chance(matrix.beside, matrix.values.shape).any()


def test_matrices_know_what_is_at_chance() -> None:
    table = judge(small())
    matrix = square_matrix(table[table["kind"] == "similarity"])
    marked = at_chance(matrix.beside, matrix.values.shape)
    places = [(matrix.labels[i], matrix.labels[j]) for i, j in np.argwhere(marked)]
    assert places == [("a3", "b3"), ("b3", "a3")]
    turned = matrix.select(matrix.labels[::-1])
    assert turned.beside["p_value"].loc["a0", "b0"] == 0.01


def layers(rng: np.random.Generator) -> dict[str, Representation]:
    """Three models of three layers each; the first two share the signal of one layer."""
    shared = rng.standard_normal((40, 3))
    found = {}
    for model in ("a", "b", "c"):
        for layer in range(3):
            values = rng.standard_normal((40, 5))
            if layer == 1 and model != "c":
                values[:, :3] += 2 * shared
            origin = Origin(model=model, layer=f"l{layer}")
            found[f"{model}:{layer}"] = Representation(values, origin=origin)
    return found


@pytest.mark.parametrize("measure", ["cka", "procrustes"])
def test_the_most_alike_layers_carry_the_null_of_the_best(measure: str) -> None:
    reps = layers(np.random.default_rng(0))
    table = repscape.similarity_matrix(reps, measure, null="permutation", n_permutations=99).table
    best = model_scores(table, "most_alike").set_index(["model_a", "model_b"])
    for a, b in (("a", "b"), ("a", "c"), ("b", "c")):
        sides = [{k: r for k, r in reps.items() if k.startswith(name)} for name in (a, b)]
        alone = repscape.compare_layers(*sides, measure, n_permutations=99)
        found = best.loc[(a, b)]
        assert found["value"] == pytest.approx(alone.best.value)
        assert found["p_value"] == alone.best.p_value
        assert found["null_mean"] == pytest.approx(alone.best.null_mean)
        assert found["effect"] == pytest.approx(alone.best.effect)
    assert best.loc[("a", "b"), "p_value"] == 0.01
    own = table["model_a"] == table["model_b"]
    assert table.loc[own, "p_max"].isna().all()
    assert (table.loc[~own, "p_max"] >= table.loc[~own, "p_value"]).all()
    last = model_scores(table, "last")
    assert last["p_value"].notna().all()
    mean = model_scores(table, "matched_depth_mean")
    assert mean["p_value"].isna().all()
    assert set(mean["null_reason"]) == {"no null was drawn for a mean over layers"}


def test_layers_whose_models_swap_sides_have_the_null_of_the_best_all_the_same() -> None:
    reps = layers(np.random.default_rng(1))
    mixed = {key: reps[key] for key in ("a:0", "b:0", "a:1", "b:1")}
    ordered = {key: reps[key] for key in ("a:0", "a:1", "b:0", "b:1")}
    found, wanted = (
        repscape.similarity_matrix(side, "cka", null="permutation", n_permutations=19).table
        for side in (mixed, ordered)
    )

    def by_pair(table: pd.DataFrame) -> dict[frozenset[str], float]:
        known = table.dropna(subset=["p_max"])
        pairs = zip(known["rep_a"], known["rep_b"], known["p_max"], strict=True)
        return {frozenset((a, b)): p for a, b, p in pairs}

    assert by_pair(found) == by_pair(wanted)
    assert len(by_pair(found)) == 4
