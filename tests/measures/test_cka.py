"""CKA against the definition, whole matrices and known values."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from closed_forms import closed_form, embed
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist, squareform

from repscape.compare import compare
from repscape.compute import gram
from repscape.errors import InvalidParameterError, UndefinedScoreError
from repscape.measures import gram_family
from repscape.measures.base import get_measure


def kernel(x: np.ndarray, kind: str, sigma: float) -> np.ndarray:
    gaps = squareform(pdist(x))
    if kind == "linear":
        centred = x - x.mean(axis=0)
        return centred @ centred.T
    return np.exp(-(gaps**2) / (2 * sigma**2)) if kind == "rbf" else np.exp(-gaps / sigma)


def biased(K: np.ndarray, L: np.ndarray) -> float:
    H = np.eye(len(K)) - 1 / len(K)
    return float(np.trace(K @ H @ L @ H))


def song(K: np.ndarray, L: np.ndarray) -> float:
    """Song et al. 2012, equation 5, as printed."""
    n, ones = len(K), np.ones(len(K))
    K, L = K - np.diag(np.diag(K)), L - np.diag(np.diag(L))
    total = (ones @ K @ ones) * (ones @ L @ ones) / ((n - 1) * (n - 2))
    return (np.trace(K @ L) + total - 2 / (n - 2) * (ones @ K @ L @ ones)) / (n * (n - 3))


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 7)) + 3
    return x, np.tanh(x[:, :5]) + 0.3 * rng.normal(size=(40, 5))


@pytest.mark.parametrize("kind", ["linear", "rbf", "laplace"])
@pytest.mark.parametrize("debiased", [True, False])
@pytest.mark.parametrize("sigma", ["2", "0.4median", "1.5median"])
def test_the_definition(pair, kind, debiased, sigma):
    if kind == "linear" and sigma != "2":
        pytest.skip("the linear kernel has no width")
    matrices = []
    for x in pair:
        width = float(sigma.removesuffix("median"))
        if sigma.endswith("median"):
            width *= float(np.median(pdist(x)))
        matrices.append(kernel(x, kind, width))
    K, L = matrices
    hsic = song if debiased else biased
    wanted = hsic(K, L) / math.sqrt(hsic(K, K) * hsic(L, L))
    width_text = "" if kind == "linear" else f",sigma={sigma}"
    name = f"cka[kernel={kind}{width_text},debiased={str(debiased).lower()}]"
    assert compare(*pair, name).value == pytest.approx(wanted, rel=1e-10)
    given_name = f"cka[kernel=precomputed,debiased={str(debiased).lower()}]"
    assert compare(K, L, given_name).value == pytest.approx(wanted, rel=1e-10)


def test_the_closed_form_in_any_width():
    form = closed_form()
    x, y = embed(form.x, 9, 1), embed(form.y, 80, 2)
    assert compare(x, y, "cka[debiased=false]").value == pytest.approx(0.371897, abs=1e-6)


@pytest.mark.parametrize(
    "name", ["cka", "cka[debiased=false]", "cka[kernel=rbf]", "cka[kernel=laplace]"]
)
def test_the_sweep_over_tiles_is_the_dense_route(pair, name, monkeypatch):
    wanted = compare(*pair, name).value
    monkeypatch.setattr(gram, "TILE_ROWS", 33)
    monkeypatch.setattr(gram_family, "moments_cost", lambda rows, pairs: math.inf)
    assert compare(*pair, name).value == pytest.approx(wanted, rel=1e-11)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("debiased", ["true", "false"])
def test_moments_and_tiles_are_two_routes_to_one_number(debiased, dtype, monkeypatch):
    rng = np.random.default_rng(1)
    x, y = (rng.normal(size=(500, d)).astype(dtype) for d in (6, 11))
    y[:, :6] += x
    found = []
    for cost in (0.0, math.inf):
        monkeypatch.setattr(gram_family, "moments_cost", lambda rows, pairs, cost=cost: cost)
        found.append(compare(x, y, f"cka[debiased={debiased}]").value)
    assert found[0] == pytest.approx(found[1], rel=1e-10 if dtype == np.float64 else 1e-5)


def test_debiased_is_near_zero_where_biased_is_not():
    rng = np.random.default_rng(2)
    scores = [
        [compare(*rng.normal(size=(2, 60, 300)), f"cka[debiased={b}]").value for _ in range(20)]
        for b in ("true", "false")
    ]
    assert abs(np.mean(scores[0])) < 0.02
    assert np.mean(scores[1]) > 0.8


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(min_value=4, max_value=12),
    d=st.integers(min_value=1, max_value=8),
    seed=st.integers(min_value=0, max_value=10**6),
    name=st.sampled_from(["cka", "cka[debiased=false]", "cka[kernel=rbf]", "cka[kernel=laplace]"]),
)
def test_scores_stay_in_their_range(n, d, seed, name):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, n, d))
    assert -1 - 1e-12 <= compare(x, y, name).value <= 1 + 1e-12
    assert compare(x, x, name).value == pytest.approx(1.0, abs=1e-12)


def test_a_kernel_that_is_the_identity_has_no_debiased_score(pair):
    with pytest.raises(UndefinedScoreError, match=r"the debiased HSIC .* with itself is 0"):
        compare(*pair, "cka[kernel=rbf,sigma=0.001]")


def test_a_relative_width_of_mostly_duplicates_is_refused(pair):
    x = np.zeros((40, 2))
    x[:5] = np.random.default_rng(0).normal(size=(5, 2))
    with pytest.raises(UndefinedScoreError, match="the median distance is 0"):
        compare(x, pair[1], "cka[kernel=rbf]")


def test_precomputed_kernels_are_checked(pair):
    with pytest.raises(
        InvalidParameterError, match=r"n×n, but the values given have shape \(40, 7\)"
    ):
        compare(pair[0], pair[0], "cka[kernel=precomputed]")
    crooked = np.random.default_rng(0).normal(size=(40, 40))
    with pytest.raises(InvalidParameterError, match="is symmetric, but entry"):
        compare(crooked, crooked, "cka[kernel=precomputed]")
    gram = pair[0] @ pair[0].T
    distances = squareform(pdist(pair[0]))
    for wrong, message in (
        (distances, "diagonal, but that of the values given is 0, as of distances"),
        (distances + 1e-9 * np.eye(40), "as of distances"),
        (-gram, r"diagonal, but entry \(\d+, \d+\) is -"),
    ):
        for sides in ((gram, wrong), (wrong, gram)):
            with pytest.raises(InvalidParameterError, match=message):
                compare(*sides, "cka[kernel=precomputed]")
    rounded = gram.astype(np.float32)
    rounded[0] += 1e-6 * gram[0]
    given = compare(rounded, gram, "cka[kernel=precomputed]").value
    assert given == pytest.approx(1.0, abs=1e-6)


@pytest.mark.gpu
@pytest.mark.parametrize("name", ["cka", "cka[kernel=rbf]", "cka[kernel=laplace,debiased=false]"])
def test_a_gpu_gives_the_same_number(pair, name):
    wanted = compare(*pair, name).value
    assert compare(*pair, name, device="cuda").value == pytest.approx(wanted, rel=1e-10)
    single = [torch.from_numpy(v).float() for v in pair]
    assert compare(*single, name, device="cuda").value == pytest.approx(wanted, abs=1e-4)


@pytest.mark.parametrize("scale", [1e-200, 1e300])
def test_values_whose_squares_leave_float64_are_named_as_the_cause(scale: float) -> None:
    x, y = np.random.default_rng(0).standard_normal((2, 40, 5))
    with pytest.raises(UndefinedScoreError, match="squares overflow or vanish"):
        compare(x * scale, y, "cka[kernel=rbf,sigma=0.4]")


@pytest.mark.parametrize(("dtype", "exponents"), [("f4", (-80, 60, 100)), ("f8", (-700, 900))])
@pytest.mark.parametrize(
    "name", ["cka", "cka[debiased=false]", "cka[kernel=rbf]", "cka[kernel=laplace]"]
)
def test_no_power_of_two_changes_a_score_that_does_not_depend_on_scale(name, dtype, exponents):
    x, y = np.random.default_rng(0).standard_normal((2, 40, 5)).astype(dtype)
    expected = compare(x.astype(float), y, name).value
    for exponent in exponents:
        scaled = np.ldexp(x, exponent)
        assert compare(scaled, y, name).value == pytest.approx(expected, abs=1e-12)


def test_a_fitted_width_is_that_of_values_brought_into_range():
    x, y = torch.randn(2, 40, 5, generator=torch.Generator().manual_seed(0))
    measure = get_measure("cka[kernel=rbf]")
    far = torch.ldexp(x, torch.tensor(80))
    prepared = measure.prepare_fitted(far, measure.fitted(measure.prepare(far)))
    expected = compare(x.double(), y.double(), measure).value
    got = measure.compare(prepared, measure.prepare(y.double()))
    assert got == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("kernel", ["rbf", "laplace"])
@pytest.mark.parametrize("sigma", ["1e-45", "1e-30median"])
def test_a_width_that_float32_does_not_hold_gives_the_identity(kernel, sigma):
    """And not infinity times the distance 0 of a sample to itself."""
    x, y = np.random.default_rng(0).standard_normal((2, 20, 5))
    name = f"cka[kernel={kernel},sigma={sigma},debiased=false]"
    assert compare(x, y, name).value == pytest.approx(1.0, abs=1e-12)
    single = compare(x.astype(np.float32), y.astype(np.float32), name).value
    assert single == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("debiased", ["true", "false"])
@pytest.mark.parametrize(
    ("n", "d", "allowed"), [(60, 12, 1e-13), (513, 4, 1e-13), (2000, 128, 1e-13), (4000, 256, 2e-8)]
)
def test_float32_moments_stay_within_the_range(n, d, allowed, debiased):
    """XᵀX, XᵀY and YᵀY are rounded apart; in float32 few of them gave 1 + 1e-6."""
    x = np.random.default_rng(0).standard_normal((n, d)).astype(np.float32)
    name = f"cka[debiased={debiased}]"
    assert compare(x, np.float32(-3) * x, name).value == pytest.approx(1.0, abs=allowed)
