"""Defects of published implementations that must not come back, one test each."""

from __future__ import annotations

import numpy as np
import pytest
from closed_forms import closed_form, embed

from repscape.compare import compare
from repscape.errors import UndefinedScoreError


def test_svcca_compares_the_fraction_of_variance_not_the_total() -> None:
    """Comparing it with 0.99 × the total variance keeps one component of large activations."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 20)), rng.normal(size=(200, 20))
    score = float(compare(x, y, "svcca"))
    assert score == pytest.approx(float(compare(0.01 * x, 100 * y, "svcca")), rel=1e-12)
    assert score == pytest.approx(float(compare(x, y, "pca[variance=0.99]|cca")), rel=1e-10)
    form = closed_form()
    assert float(compare(form.x, form.y, "svcca[variance=1]")) == pytest.approx(form.c.mean())


def test_svcca_keeps_the_fewest_components_that_reach_the_fraction() -> None:
    form = closed_form(s=(3.0, 1.0, 0.01), t=(3.0, 1.0, 0.01))
    assert float(compare(form.x, form.y, "svcca")) == pytest.approx(form.c[:2].mean(), rel=1e-12)


def test_pwcca_survives_a_dead_neuron() -> None:
    """A zero eigenvalue under a square root made it NaN or kept the SVD from converging."""
    form = closed_form()
    dead = np.hstack([form.x, np.zeros((50, 1))])
    expected = (form.s * form.c).sum() / form.s.sum()
    for name in ("pwcca", "pwcca_unwhitened"):
        assert float(compare(dead, form.y, name)) == pytest.approx(expected, rel=1e-12)


def test_pwcca_gives_no_weight_to_variates_without_a_partner() -> None:
    """With d > d', arbitrary variates of the null space entered the normaliser."""
    form = closed_form()
    rng = np.random.default_rng(1)
    q, _ = np.linalg.qr(np.hstack([np.ones((50, 1)), form.x, form.y, rng.normal(size=(50, 4))]))
    wide = np.hstack([form.x, 20 * q[:, 7:]])
    expected = (form.s * form.c).sum() / form.s.sum()
    assert float(compare(wide, form.y, "pwcca")) == pytest.approx(expected, rel=1e-12)


def test_pwcca_does_not_depend_on_the_offset() -> None:
    """Adding the means to directions of arbitrary sign made it no function of the data."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(80, 6))
    y = x[:, :5] + rng.normal(size=(80, 5))
    for name in ("pwcca", "pwcca_unwhitened"):
        shifted = float(compare(x + 7.0, y - 3.0, name))
        assert shifted == pytest.approx(float(compare(x, y, name)), rel=1e-10)


def test_pwcca_refuses_weights_that_the_data_do_not_determine() -> None:
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(50, 2))
    x, y = (np.hstack([shared, rng.normal(size=(50, 2))]) for _ in range(2))
    with pytest.raises(UndefinedScoreError, match="weights"):
        compare(x, y, "pwcca")


@pytest.mark.parametrize("name", ["cca", "cca[average=mean_squared]", "pwcca"])
def test_cca_at_n_below_d_is_an_error_not_1(name: str) -> None:
    rng = np.random.default_rng(4)
    x, y = rng.normal(size=(20, 30)), rng.normal(size=(20, 5))
    with pytest.raises(UndefinedScoreError, match="use more samples than features"):
        compare(x, y, name)
    with pytest.raises(UndefinedScoreError, match="canonical correlations are 1"):
        compare(y, x, name)


def test_cca_of_low_rank_stays_within_its_range() -> None:
    """Inverting noise eigenvalues gave mean squared correlations of 1.24 and 2.56."""
    rng = np.random.default_rng(5)
    x = rng.normal(size=(160, 5)) @ rng.normal(size=(5, 64))
    y = x[:, :7] + rng.normal(size=(160, 7))
    low = x @ np.linalg.svd(x, full_matrices=False)[2][:5].T
    for name in ("cca", "cca[average=mean_squared]"):
        score = float(compare(x, y, name))
        assert score == pytest.approx(float(compare(low, y, name)), rel=1e-9)
        assert 0 < score < 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_procrustes_of_a_rotated_copy_is_0_not_nan(dtype: type) -> None:
    """In float32, √(2 - 2 NBS) gave NaN for a copy and 5e-4 to 3e-2 for a rotated copy."""
    rng = np.random.default_rng(6)
    x = rng.normal(size=(300, 40)).astype(dtype)
    q, _ = np.linalg.qr(rng.normal(size=(40, 40)))
    rotated = (x.astype(np.float64) @ q).astype(dtype)
    rounding = 20 * float(np.finfo(dtype).eps)
    size = float(np.linalg.norm(x))
    for name, scale in {
        "procrustes": 1,
        "procrustes[score=angle]": 1,
        "size_and_shape": size,
    }.items():
        assert float(compare(x, x, name)) <= 1e-14 * scale
        assert 0 <= float(compare(x, rotated, name)) <= rounding * scale


def test_procrustes_keeps_small_directions_with_fewer_samples_than_features() -> None:
    """The square root of a Gram matrix loses half the digits of small singular values."""
    form = closed_form(s=(1.0, 1e-5, 1e-9), t=(1.0, 1e-5, 1e-9), theta=(0.0, 0.0, np.pi / 2), n=20)
    x, y = embed(form.x, 60, 1), embed(form.y, 60, 2)
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    expected = np.sqrt(2.0) * 1e-9
    assert float(compare(x, y, "size_and_shape")) == pytest.approx(expected, rel=1e-4)


def test_linear_regression_with_dead_predictors() -> None:
    """The inverse root of a singular Gram matrix raised or gave garbage."""
    form = closed_form()
    dead = np.hstack([form.x, np.zeros((50, 2)), form.x[:, :1]])
    expected = (form.t**2 * form.c**2).sum() / (form.t**2).sum()
    got = float(compare(dead, form.y, "linear_regression[predict=y]"))
    assert got == pytest.approx(expected, rel=1e-12)


def test_linear_regression_at_n_below_d_is_an_error_not_1() -> None:
    rng = np.random.default_rng(7)
    x, y = rng.normal(size=(20, 30)), rng.normal(size=(20, 3))
    with pytest.raises(UndefinedScoreError, match="cross-validate"):
        compare(x, y, "linear_regression[predict=y]")
    held_out = compare(x, y, "linear_regression[predict=y,evaluate=cross_validated]")
    assert float(held_out) < 0.5


def test_permutation_procrustes_is_centred() -> None:
    """The offset of a neuron made copies look unlike: 1.29 instead of 0.02 radians."""
    rng = np.random.default_rng(8)
    x = rng.normal(size=(100, 10))
    y = x[:, ::-1].copy()
    x[:, 0] += 300.0
    name = "permutation_procrustes[score=angle"
    assert float(compare(x, y, f"{name}]")) < 1e-12
    assert float(compare(x, y, f"{name},center=false]")) > 1.0


def test_uniformity_does_not_underflow() -> None:
    """exp(-2‖x - y‖²) of raw activations is 0 in floating point, and so was the difference."""
    rng = np.random.default_rng(9)
    x = 50 * rng.normal(size=(40, 30))
    distances = ((x[:, None] - x) ** 2).sum(axis=2)[np.triu_indices(40, 1)]
    # log-sum-exp by hand: the closest pair leads by far, in x and in 2x alike.
    closest = distances.min()
    expected = abs(-2 * closest + 8 * closest)
    got = float(compare(x, 2 * x, "uniformity_difference"))
    assert got == pytest.approx(expected, rel=1e-6)
    with_diagonal = float(compare(x, 2 * x, "uniformity_difference[diagonal=true]"))
    assert with_diagonal == 0.0
