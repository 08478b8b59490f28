from __future__ import annotations

import numpy as np
import pytest

import repscape
from repscape.errors import (
    InvalidParameterError,
    NonFiniteError,
    SampleMismatchError,
    UndefinedNullError,
    UndefinedScoreError,
)
from repscape.representation import Origin, Representation
from repscape.significance.layers import compare_layers


def models() -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    shared = rng.standard_normal((50, 4))
    a = {name: rng.standard_normal((50, 5)) for name in ("a0", "a1")}
    a["a2"] = shared @ rng.standard_normal((4, 6)) + 0.5 * rng.standard_normal((50, 6))
    b = {"b0": rng.standard_normal((50, 7))}
    b["b1"] = shared @ rng.standard_normal((4, 3)) + 0.5 * rng.standard_normal((50, 3))
    return a, b


@pytest.mark.parametrize("measure", ["cka", "procrustes", "mutual_knn"])
def test_the_whole_map_and_the_best_pair(measure: str) -> None:
    a, b = models()
    found = compare_layers(a, b, measure, n_permutations=99)
    assert len(found.table) == 6
    assert (found.layer_a, found.layer_b) == ("a2", "b1")
    assert found.best.p_value == 0.01
    assert 0 < found.best.effect < 1
    matrix = found.to_matrix()
    assert matrix.shape == (3, 2)
    for i in a:
        for j in b:
            alone = repscape.compare(a[i], b[j], measure, null="permutation", n_permutations=99)
            assert matrix.loc[i, j] == pytest.approx(alone.value, rel=1e-10)
            assert found.to_matrix("p_value").loc[i, j] == alone.p_value
    assert float(found.best) == pytest.approx(matrix.loc["a2", "b1"])


def test_the_null_of_the_best_is_above_that_of_a_pair() -> None:
    a, b = models()
    found = compare_layers(a, b, "cka", n_permutations=99)
    assert found.best.null_mean > found.table["null_mean"].max()
    distances = compare_layers(a, b, "procrustes", n_permutations=99)
    assert distances.best.null_mean < distances.table["null_mean"].min()


def test_a_layer_without_a_score_keeps_its_reason() -> None:
    a, b = models()
    found = compare_layers({**a, "dead": np.ones((50, 2))}, b, "cka", n_permutations=19)
    dead = found.table[found.table["layer_a"] == "dead"]
    assert dead["value"].isna().all()
    assert dead["reason"].str.contains("same values").all()
    assert found.to_matrix().shape == (4, 2)
    with pytest.raises(UndefinedScoreError, match="same values"):
        compare_layers([np.ones((50, 2))], b, "cka", n_permutations=19)


def test_layers_of_a_sequence_are_called_by_their_origin_or_position() -> None:
    a, b = models()
    reps = [Representation(v, origin=Origin(model="m", layer=k)) for k, v in a.items()]
    found = compare_layers(reps, list(b.values()), "cka", n_permutations=19)
    assert list(dict.fromkeys(found.table["layer_a"])) == ["a0", "a1", "a2"]
    assert list(dict.fromkeys(found.table["layer_b"])) == ["0", "1"]


def test_bad_input() -> None:
    a, b = models()
    with pytest.raises(InvalidParameterError, match="y has no layers"):
        compare_layers(a, {}, "cka")
    with pytest.raises(SampleMismatchError, match=r"y\[b0\] \(49 samples\)"):
        compare_layers(a, {"b0": b["b0"][:49]}, "cka")
    with pytest.raises(UndefinedNullError, match="no permutation null"):
        compare_layers(a, b, "magnitude_difference")
    broken = b["b0"].copy()
    broken[3, 1] = np.nan
    with pytest.raises(NonFiniteError, match=r"y\[b0\].*row 3, feature 1"):
        compare_layers(a, {"b0": broken}, "cka")


def test_layers_counted_in_parts_are_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared neighbours are counted for some layers at a time; here for one."""
    from repscape.compute import permuted_pairs

    a, b = models()
    whole = compare_layers(a, b, "mutual_knn", n_permutations=19).table
    monkeypatch.setattr(permuted_pairs, "_COUNTS", 1)
    parts = compare_layers(a, b, "mutual_knn", n_permutations=19).table
    assert parts.equals(whole)


@pytest.mark.parametrize("measure", ["procrustes", "cca", "cka"])
def test_each_layer_is_prepared_once(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also by measures whose scores are known before their nulls are drawn."""
    from repscape.significance import many

    a, b = models()
    prepare, widths = many.prepare_state, []

    def counted(*given):
        widths.append(given[1].shape)
        return prepare(*given)

    monkeypatch.setattr(many, "prepare_state", counted)
    compare_layers(a, b, measure, n_permutations=19)
    assert len(widths) == 5
