"""The front doors: what they accept, what they refuse and in which words."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from repscape.compare import compare, similarity_matrix
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    MemoryLimitError,
    NonFiniteError,
    SampleMismatchError,
    TooFewSamplesError,
    UndefinedScoreError,
    UnknownNameError,
)
from repscape.representation import Origin, Representation
from repscape.similarities import MissingScoresWarning
from repscape.tables import SIMILARITY_COLUMNS


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def x(rng):
    return rng.normal(size=(40, 6))


@pytest.fixture
def y(rng, x):
    return x[:, :4] + rng.normal(size=(40, 4))


def test_a_score_says_what_it_is(x, y):
    score = compare(x, y, "rbf_cka")
    assert score.measure == "cka[kernel=rbf,sigma=0.4median,debiased=true]@1"
    assert (score.kind, score.n) == ("similarity", 40)
    assert float(score) == score.value
    assert str(score).startswith(score.measure)


def test_arrays_tensors_and_representations_give_one_number(x, y):
    wanted = compare(x, y).value
    assert compare(torch.from_numpy(x), torch.from_numpy(y)).value == wanted
    assert compare(Representation(x), y).value == wanted
    assert compare(x.tolist(), y.tolist()).value == wanted
    assert compare(np.asfortranarray(x), y[:, ::-1]).value == pytest.approx(wanted, rel=1e-12)
    assert compare(x.astype(">f8"), y).value == wanted
    integers = (10 * x).astype(int)
    assert compare(integers, y).value == compare(integers.astype(float), y).value


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_placed(x, y, bad):
    y[7, 2], y[9, 0] = bad, bad
    with pytest.raises(NonFiniteError, match=r"y has 2 NaN or infinite.* at row 7, feature 2"):
        compare(x, y)


@pytest.mark.parametrize(
    "measure", ["cka", "rsa", "procrustes", "mutual_knn", "gulp", "cka[kernel=rbf]"]
)
def test_a_constant_representation_has_no_score(x, measure):
    with pytest.raises(UndefinedScoreError, match="all 40 samples have the same values"):
        compare(np.full((40, 3), 0.1), x, measure)


@pytest.mark.parametrize(
    ("n", "measure"), [(1, "cka"), (3, "cka"), (2, "rsa"), (1, "procrustes"), (10, "mutual_knn")]
)
def test_too_few_samples(x, y, n, measure):
    with pytest.raises(TooFewSamplesError, match="needs at least"):
        compare(x[:n], y[:n], measure)


def test_other_sample_counts_and_ids(x, y):
    with pytest.raises(SampleMismatchError, match=r"has 40 samples and .* has 30"):
        compare(x, y[:30])
    a = Representation(x, sample_ids=[f"s{i}" for i in range(40)])
    b = Representation(y, sample_ids=[f"s{i}" for i in range(5, 45)])
    with pytest.raises(SampleMismatchError, match="row 0 is sample 's0' in the first and 's5'"):
        compare(a, b)
    score = compare(a, b, align="intersection")
    assert score.n == 35
    assert score.value == compare(x[5:], y[:35]).value
    with pytest.raises(InvalidParameterError, match="align='union': choose"):
        compare(a, b, align="union")


@pytest.mark.parametrize(
    "values",
    [np.ones(5), np.ones((5, 2, 2)), np.ones((0, 3)), np.ones((3, 0)), np.ones((4, 2), complex)],
)
def test_what_is_no_matrix_of_real_numbers(values, y):
    with pytest.raises(InvalidRepresentationError, match=r"the values have (shape|dtype)"):
        compare(values, y)


def test_object_arrays_are_refused(y):
    ragged = np.empty(2, dtype=object)
    ragged[:] = [[1.0], [1.0, 2.0]]
    with pytest.raises(InvalidRepresentationError, match="dtype object: give a two-dimensional"):
        compare(ragged, y)


def test_unknown_names_list_near_matches(x, y):
    with pytest.raises(UnknownNameError, match=r"no measure is called 'ckaa'.*did you mean 'cka'"):
        compare(x, y, "ckaa")
    with pytest.raises(InvalidParameterError, match=r"'cka' has no parameter 'kernal'.*'kernel'"):
        compare(x, y, "cka[kernal=rbf]")
    with pytest.raises(InvalidParameterError, match="memory_limit='a lot': write"):
        compare(x, y, memory_limit="a lot")


def test_kendall_beyond_the_budget_says_what_fits(x, y):
    with pytest.raises(MemoryLimitError, match=r"compare_by=kendall.* compare at most \d+ samples"):
        compare(x, y, "rsa[compare_by=kendall]", memory_limit="20KB")


@pytest.mark.parametrize(
    "measure",
    ["cka", "cka[kernel=rbf]", "rsa", "rsa[rdm=euclidean]", "procrustes", "distance_correlation"],
)
def test_an_offset_of_300_in_four_dimensions_in_float32(rng, measure):
    """Uncentred float32 products lose everything here."""
    shared = rng.normal(size=(300, 12))
    a, b = (shared @ rng.normal(size=(12, 20)) + rng.normal(size=(300, 20)) for _ in range(2))
    a[:, :4] += 300.0
    b[:, 3:7] -= 300.0
    single = [v.astype(np.float32) for v in (a, b)]
    wanted = compare(*(v.astype(np.float64) for v in single), measure).value
    assert compare(*single, measure).value == pytest.approx(wanted, abs=1e-4)


def test_half_precision_is_upcast(x, y):
    for dtype in (torch.float16, torch.bfloat16):
        half = [torch.from_numpy(v).to(dtype) for v in (x, y)]
        assert compare(*half).value == compare(*(h.float() for h in half)).value
    sixteen = x.astype(np.float16)
    assert compare(sixteen, y).value == compare(sixteen.astype(np.float32), y).value


def test_values_whose_squares_overflow_have_no_silent_nan(x, y):
    with pytest.raises(UndefinedScoreError, match=r"values reach .*: the values are so large"):
        compare(1e200 * x, y, "rsm_difference")


def test_the_global_precision_setting_does_not_matter(x, y):
    single = x.astype(np.float32), y.astype(np.float32)
    wanted = compare(*single).value
    asked = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        assert compare(*single).value == wanted
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(asked)


def test_all_pairs_is_a_tidy_table(x, y, rng):
    reps = [
        Representation(x, origin=Origin(model="m1", layer="a", tags={"seed": "1"})),
        Representation(y, origin=Origin(model="m2", layer="b", tags={"seed": "2"})),
        Representation(rng.normal(size=(40, 3)), origin=Origin(model="m3")),
    ]
    found = similarity_matrix(reps, ["cka", "information_imbalance"])
    table = found.table
    assert list(table.columns) == [*SIMILARITY_COLUMNS, "seed_a", "seed_b"]
    assert len(table) == 3 + 6
    first = table.iloc[0]
    assert (first.rep_a, first.rep_b, first.model_a, first.layer_b) == ("m1:a", "m2:b", "m1", "b")
    assert (first.seed_a, first.seed_b, first.n) == ("1", "2", 40)
    assert first.value == pytest.approx(compare(x, y).value, rel=1e-12)
    assert table.reason.isna().all()
    assert table.measure.tolist() == sorted(table.measure)


def test_a_bad_representation_leaves_nulls_with_a_reason(x, y):
    broken = y.copy()
    broken[3, 1] = np.nan
    found = similarity_matrix({"x": x, "y": y, "broken": broken, "flat": 0 * x})
    table = found.table.set_index(["rep_a", "rep_b"])
    assert table.value.notna().sum() == 1
    assert "at row 3, feature 1" in table.loc[("x", "broken"), "reason"]
    assert "same values" in table.loc[("x", "flat"), "reason"]
    with pytest.warns(MissingScoresWarning, match="5 of 6 pairs have no score, the first because"):
        matrix = found.to_matrix()
    assert matrix.loc["x", "y"] == matrix.loc["y", "x"]
    assert matrix.loc["x", "x"] == 1.0
    assert np.isnan(matrix.loc["broken", "broken"])


def test_rows_against_columns_do_not_mirror_names(rng):
    """Layers of two models may share their names without being the same layers."""
    one = {name: rng.normal(size=(30, 3)) for name in ("a", "b")}
    two = {name: rng.normal(size=(30, 3)) for name in ("a", "b", "c")}
    matrix = similarity_matrix(one, "cka", columns=two).to_matrix()
    assert matrix.shape == (2, 3)
    for row in one:
        for column in two:
            assert matrix.loc[row, column] == pytest.approx(
                compare(one[row], two[column]).value, rel=1e-9
            )


def test_chosen_pairs_and_self_pairs(x, y):
    found = similarity_matrix({"x": x, "y": y}, "cka", pairs=[("y", "x"), (0, 0)])
    assert list(zip(found.table.rep_a, found.table.rep_b, strict=True)) == [("y", "x"), ("x", "x")]
    assert found.table.value[1] == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(UnknownNameError, match="pairs name 'z'"):
        similarity_matrix({"x": x, "y": y}, pairs=[("x", "z")])


def test_measures_whose_best_is_not_their_self_score_leave_the_diagonal_open(x, y):
    matrix = similarity_matrix({"x": x, "y": y}, "information_imbalance").to_matrix()
    assert np.isnan(np.diag(matrix)).all()
    assert matrix.loc["x", "y"] != matrix.loc["y", "x"]


def test_choosing_a_matrix(x, y):
    found = similarity_matrix({"x": x, "y": y}, ["cka", "gulp"])
    with pytest.raises(InvalidParameterError, match="the table holds 2 measures: choose one"):
        found.to_matrix()
    with pytest.raises(UnknownNameError, match="the table has no 'rsa"):
        found.to_matrix("rsa")
    assert found.to_matrix("gulp").loc["x", "x"] == 0.0


def test_names_must_be_told_apart(x):
    twice = [Representation(x, origin=Origin(model="m"))] * 2
    with pytest.raises(InvalidParameterError, match="two of the rows are called 'm'"):
        similarity_matrix(twice)
    with pytest.raises(InvalidParameterError, match="rows is empty"):
        similarity_matrix([])


def test_intersection_keeps_what_all_have(x, y):
    a = Representation(x[:30], sample_ids=np.arange(30))
    b = Representation(y[10:], sample_ids=np.arange(10, 40))
    with pytest.raises(SampleMismatchError):
        similarity_matrix({"a": a, "b": b})
    found = similarity_matrix({"a": a, "b": b}, align="intersection")
    assert found.table.n.tolist() == [20]
    assert found.table.value[0] == pytest.approx(compare(x[10:30], y[10:30]).value, rel=1e-12)


def test_progress_ends_at_the_total(x, y):
    seen: list[tuple[int, int]] = []
    similarity_matrix(
        [x, y, x + y[:, :1]], ["cka", "gulp"], progress=lambda d, t: seen.append((d, t))
    )
    assert seen[-1] == (6, 6) or seen[-1][0] == seen[-1][1]


def test_values_are_float64_and_counts_whole(x, y):
    table = similarity_matrix([x, y]).table
    assert isinstance(table, pd.DataFrame)
    assert (table.value.dtype, table.n.dtype) == (np.float64, np.int64)


def test_duplicated_samples_are_kept_and_reported():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 30, 5))
    x[[20, 25]] = x[3]
    y[7] = -0.0
    y[8] = 0.0
    score = compare(x, y, "mutual_knn[k=3,metric=euclidean]")
    assert (score.n, score.duplicates) == (30, (2, 1))
    assert str(score).endswith("(n=30, similarity, duplicates 2 and 1)")
    assert "duplicates" not in str(compare(x[:20], y[10:], "cka"))
    table = similarity_matrix({"x": x, "y": y, "z": y[::-1] + 1.0}, ["cka", "mutual_knn"]).table
    assert set(zip(table["rep_a"], table["duplicates_a"], strict=True)) == {("x", 2), ("y", 1)}
    assert set(zip(table["rep_b"], table["duplicates_b"], strict=True)) == {("y", 1), ("z", 1)}


def test_a_matrix_of_scores_that_do_not_exist_is_refused(x, y):
    """It would be all NaN, without a word."""
    found = similarity_matrix({"x": x, "y": y}, "cka", memory_limit=1000)
    with pytest.raises(UndefinedScoreError, match=r"1 of 1 pairs have no score.*set memory_limit"):
        found.to_matrix()


def test_missing_scores_of_a_matrix_are_told(x, y):
    found = similarity_matrix({"x": x, "y": y, "flat": 0 * x})
    with pytest.warns(MissingScoresWarning, match="2 of 3 pairs have no score, all because: "):
        found.to_matrix()


def test_nothing_to_score_is_said(x, y):
    with pytest.raises(InvalidParameterError, match="rows holds one representation"):
        similarity_matrix([x], "cka")
    with pytest.raises(InvalidParameterError, match="no measure was named"):
        similarity_matrix([x, y], [])
    empty = similarity_matrix({"x": x, "y": y}, "cka", pairs=[])
    with pytest.raises(InvalidParameterError, match="the table is empty: no pairs were scored"):
        empty.to_matrix()


def test_tags_with_the_names_of_columns_stand_beside_them(x, y):
    tags = {"model": "tagged", "duplicates": "many", "colour": "red"}
    reps = [Representation(v, origin=Origin(model=m, tags=tags)) for v, m in ((x, "a"), (y, "b"))]
    [row] = similarity_matrix(reps, "cka").table.to_dict(orient="records")
    assert (row["model_a"], row["duplicates_b"]) == ("a", 0)
    assert (row["tag_model_a"], row["tag_duplicates_b"]) == ("tagged", "many")
    assert row["colour_b"] == "red"
