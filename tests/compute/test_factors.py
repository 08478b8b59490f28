from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute import factors
from repscape.compute.factors import span_basis, thin_factor, thin_svd
from repscape.errors import UndefinedScoreError


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("n", "d"), [(30, 7), (7, 30), (10, 10), (1, 4)])
def test_a_factor_has_the_same_products_of_rows(n: int, d: int, center: bool) -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(n, d)) + 3.0)
    z = x - x.mean(dim=0) if center else x
    factor = thin_factor(x, center)
    assert factor.shape == (n, min(n, d))
    torch.testing.assert_close(factor @ factor.T, z @ z.T, rtol=1e-12, atol=1e-12)


def test_blocks_of_features_give_the_same_factor(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(6, 50)))
    monkeypatch.setattr(factors, "_BLOCK_FEATURES", 8)
    factor = thin_factor(x, center=False)
    torch.testing.assert_close(factor @ factor.T, x @ x.T, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("n", "d"), [(30, 7), (7, 30), (10, 10)])
def test_the_decomposition_multiplies_back(n: int, d: int, center: bool) -> None:
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(n, d)) + 3.0)
    z = x - x.mean(dim=0) if center else x
    svd = thin_svd(x, center)
    torch.testing.assert_close(svd.left * svd.values @ svd.right.T, z, rtol=1e-12, atol=1e-12)
    one = torch.eye(svd.rank, dtype=torch.float64)
    torch.testing.assert_close(svd.left.T @ svd.left, one, rtol=0, atol=1e-13)
    torch.testing.assert_close(svd.right.T @ svd.right, one, rtol=0, atol=1e-13)
    assert bool((svd.values[:-1] >= svd.values[1:]).all())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "d"), [(200, 30), (30, 200)])
def test_the_rank_ignores_rounding_in_the_dtype_of_the_values(
    n: int, d: int, dtype: torch.dtype
) -> None:
    rng = np.random.default_rng(3)
    x = torch.from_numpy(rng.normal(size=(n, 5)) @ rng.normal(size=(5, d)) + 10.0)
    assert thin_svd(x.to(dtype), center=True).rank == 5


def test_small_directions_above_rounding_count() -> None:
    rng = np.random.default_rng(4)
    q, _ = np.linalg.qr(rng.normal(size=(50, 3)))
    x = torch.from_numpy(q * [1.0, 1e-6, 1e-12])
    assert thin_svd(x, center=False).rank == 3


def test_nothing_above_rounding_is_an_error() -> None:
    x = torch.full((20, 3), 1e8, dtype=torch.float64)
    x[0] += 1e-8
    with pytest.raises(UndefinedScoreError, match="no more than rounding"):
        thin_svd(x, center=True)


@pytest.mark.parametrize("center", [True, False])
@pytest.mark.parametrize(("n", "d", "rank"), [(30, 7, 7), (30, 7, 3), (7, 30, 4), (8, 8, 8)])
def test_the_basis_spans_what_the_features_span(n: int, d: int, rank: int, center: bool) -> None:
    rng = np.random.default_rng(5)
    x = torch.from_numpy(rng.normal(size=(n, rank)) @ rng.normal(size=(rank, d)))
    svd = thin_svd(x, center)
    basis = span_basis(x, center)
    assert basis.shape[1] == svd.rank
    torch.testing.assert_close(basis @ basis.T, svd.left @ svd.left.T, rtol=0, atol=1e-12)
