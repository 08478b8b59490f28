"""Bad input: a defined value, a null with a reason, or a typed error; never a silent number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.describe import describe
from repscape.errors import (
    InvalidParameterError,
    NonFiniteError,
    UnknownNameError,
)
from repscape.geometry.base import DESCRIPTORS, get_descriptor
from repscape.geometry.sample import GeometryWarning


def points(n: int = 200) -> np.ndarray:
    return np.random.default_rng(0).normal(size=(n, 5))


def reason(x, name: str, **options) -> str:
    row = describe(x, name, **options).values.iloc[0]
    assert np.isnan(row["value"])
    return str(row["reason"])


@pytest.mark.parametrize("name", sorted(set(DESCRIPTORS.names()) - {"norms"}))
def test_equal_rows_have_a_reason(name):
    labels = np.arange(100) % 2
    found = reason(np.full((100, 4), 3.0), name, labels=labels)
    assert "all 100 samples" in found or "distinct" in found or "label" in found


NEIGHBOURS = [
    name
    for name in sorted(DESCRIPTORS.names())
    if get_descriptor(name).neighbour_metric is not None
]


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_equal_rows_that_are_kept_have_a_reason(name):
    labels = np.arange(6000) % 2
    found = reason(np.full((6000, 64), 3.0), name, labels=labels, duplicates="keep")
    assert "all 6000 samples have the same values" in found


def test_many_equal_rows_among_others_are_kept_and_right():
    x = np.random.default_rng(3).normal(size=(6000, 16))
    x[:5000] = x[0]
    with pytest.warns(GeometryWarning, match="equal distances"):
        kept = describe(
            x, ["gride", "label_overlap"], duplicates="keep", labels=np.arange(6000) % 2
        )
    # Of the equal rows those of the smallest numbers are nearest: half of them have the label.
    assert kept.values["value"][1] == pytest.approx(0.5, abs=0.02)
    assert "5000 samples at distance 0" in kept.values["notes"][0]
    dropped = describe(x, "gride")
    assert (dropped.diagnostics.kept, dropped.multiplicities[0]) == (1001, 5000)
    clean = describe(x[4999:], "gride").values["value"][0]
    assert dropped.values["value"][0] == clean


@pytest.mark.parametrize(
    ("name", "n"), [("twonn", 2), ("gride", 2), ("mle", 20), ("label_overlap", 10)]
)
def test_fewer_than_k_and_one_distinct_rows(name, n):
    x = np.repeat(points(n), 3, axis=0)
    found = reason(x, name, labels=np.arange(3 * n) % 2)
    assert "distinct" in found or "at least" in found


def test_gride_stops_before_the_number_of_samples():
    result = describe(points(64), "gride")
    assert result.table["scale"].to_list() == [2, 4, 8, 16, 32]


@pytest.mark.parametrize("values", ["lattice", "binary"])
def test_ties_are_warned_of(values):
    rng = np.random.default_rng(1)
    x = rng.integers(0, 4, (400, 8)) if values == "lattice" else rng.integers(0, 2, (400, 40))
    with pytest.warns(GeometryWarning, match=r"[0-9.]+% of \d+ samples have neighbours at equal"):
        result = describe(x, "twonn")
    assert result.diagnostics.tie_fraction > 0.01


def test_near_duplicates_are_warned_of():
    x = points()
    x[1] = x[0] + 1e-12
    with pytest.warns(GeometryWarning, match="2 of 200 samples almost equal"):
        result = describe(x, "mle")
    assert result.diagnostics.near_duplicates == 2


def test_a_perfect_lattice_has_no_dimension():
    x = np.stack(np.meshgrid(*[np.arange(6.0)] * 3), axis=-1).reshape(-1, 3)
    with pytest.warns(GeometryWarning):
        found = reason(x, "twonn")
    assert "equally far" in found


def test_labels_are_missing():
    assert "no labels" in reason(points(), "label_overlap") or "there are none" in reason(
        points(), "label_overlap"
    )


@pytest.mark.parametrize(
    "labels",
    [
        [*("ab" * 98), None, "a", "b", "a"],
        [*([0.0, 1.0] * 98), np.nan, 0.0, 1.0, 0.0],
        [*("ab" * 98), "", "a", "b", "a"],
    ],
)
def test_labels_are_missing_for_some_rows(labels):
    found = reason(
        points(),
        "knn_accuracy",
        labels=np.array(labels, dtype=object).astype(
            float if isinstance(labels[0], float) else str
        ),
    )
    assert "1 of 200 samples have no label (the first is row 196)" in found


def test_one_class():
    assert "one class" in reason(points(), "label_overlap", labels=np.zeros(200))


def test_k_larger_than_a_class_is_noted():
    labels = np.zeros(200, dtype=int)
    labels[:5] = 1
    row = describe(points(), "label_overlap[k=10]", labels=labels).values.iloc[0]
    assert "1 classes have no more samples than neighbours" in row["notes"]
    assert 0 < row["value"] < 1


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("twonn[decimation=4,subsets=5]", "5 disjoint subsets of 50 samples need 250"),
        ("twonn[decimation=100]", "a subset has 2 of 200"),
        ("twonn_scaling", "there are only 200"),
        ("twonn[fraction=1]", "method=mle"),
        ("gride[scale=7]", "has the ranks 2, 4, 8"),
        ("power_law", "rank 5"),
    ],
)
def test_settings_that_do_not_fit_have_a_reason(name, message):
    assert message in reason(points(), name)


@pytest.mark.parametrize(
    "name",
    [
        "mle[k=1]",
        "mle[k=2,unbiased=true]",
        "correlation_integral[k1=20,k2=10]",
        "label_overlap[k=0]",
        "label_overlap[k=1.5class]",
        "gride[scale=most]",
        "knn_density[dimension=-1]",
        "twonn[method=mle,fraction=0.5]",
        "power_law[first=10,last=11]",
    ],
)
def test_impossible_parameters_are_refused(name):
    with pytest.raises(InvalidParameterError):
        describe(points(), name)


def test_unknown_names_are_refused_with_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean 'gride'"):
        describe(points(), "grid")
    with pytest.raises(
        UnknownNameError, match=r"no preset is called 'valeriani2024'.*valeriani2023"
    ):
        describe(points(), ["gride", "valeriani2024"])
    with pytest.raises(UnknownNameError, match="transform the representation first"):
        describe(points(), "unit_rows|twonn")


def test_duplicates_are_refused_on_request():
    x = points()
    x[7] = x[2]
    with pytest.raises(InvalidParameterError, match="row 7 equals row 2"):
        describe(x, "twonn", duplicates="error")
    with pytest.raises(InvalidParameterError, match="duplicates='dorp'"):
        describe(x, "twonn", duplicates="dorp")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_not_finite_are_refused(value):
    x = points()
    x[3, 1] = value
    with pytest.raises(NonFiniteError, match="row 3, feature 1"):
        describe(x, "twonn")


def test_zero_rows_have_no_direction():
    x = points()
    x[4] = 0
    assert "row 4 is zero" in reason(x, "anisotropy")
    assert "row 4" in reason(x, "gride[metric=cosine]")


def test_distances_must_be_square():
    with pytest.raises(InvalidParameterError, match="n×n"):
        describe(points(), "gride[metric=precomputed]")
    with pytest.raises(InvalidParameterError, match="separately"):
        describe(points(), ["gride[metric=precomputed]", "mle"])


def test_similarities_are_no_distances():
    x = points() / np.linalg.norm(points(), axis=1, keepdims=True)
    with pytest.raises(InvalidParameterError, match="similarities"):
        describe(x @ x.T, "gride[metric=precomputed]")


def test_the_other_descriptors_are_not_lost():
    found = describe(points(), ["power_law", "twonn"]).values
    assert found["value"].isna().to_list() == [True, False]


@pytest.mark.parametrize("scale", [1e-160, 1e-30, 1e30, 1e160])
def test_extreme_scales_do_not_matter(scale):
    x = points()
    names = ["twonn", "gride", "mle", "correlation_integral"]
    found = describe(x * scale, names).values["value"].to_numpy()
    assert found == pytest.approx(describe(x, names).values["value"].to_numpy(), rel=1e-9)


def test_few_samples_of_many_features():
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(40, 300)))
    names = ["participation_ratio", "effective_rank", "variance_dimension", "local_pca[k=10]"]
    values = describe(x, names).values["value"].to_numpy()
    assert (values > 1).all()
    assert (values <= 39).all()


# Blocks and subsets are those of one TwoNN after another, which check_descriptor goes through.
SCALE_FREE = sorted(
    {*DESCRIPTORS.names()} - {"knn_density", "norms", "twonn_blocks", "twonn_scaling"}
)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", SCALE_FREE)
def test_what_does_not_depend_on_the_scale_is_the_same_at_the_ends_of_the_range(name, dtype):
    """Squares of these overflow or vanish: the values are rescaled, by a power of two, first."""
    x = points(150).astype(dtype)
    labels = (x[:, 0] > 0).astype(int)
    exponents = (-110, 110) if dtype == np.float32 else (-1000, 330)
    chosen = "power_law[first=1]" if name == "power_law" else name
    plain = describe(x, chosen, labels=labels).table
    assert plain["value"].notna().all()
    for exponent in exponents:
        scaled = describe(np.ldexp(x, exponent), chosen, labels=labels).table
        columns = ["value", "standard_error", "spread"]
        np.testing.assert_allclose(scaled[columns], plain[columns], rtol=1e-9)


def test_norms_beyond_float64_have_a_reason():
    assert "more than float64 holds" in reason(np.ldexp(points() / 4, 1024), "norms")
    x = np.ldexp(points(), 900)
    norms = describe(x, "norms").table
    np.testing.assert_allclose(
        norms["value"], np.ldexp(describe(points(), "norms").table["value"], 900), rtol=1e-12
    )


def test_missing_labels_are_mended_in_python_and_on_the_command_line():
    assert reason(points(), "label_overlap").endswith("give them, labels=… (--labels FILE)")
