"""Cross-moments give the same sums as kernels."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from repscape.compute import moments
from repscape.compute.gram import sweep
from repscape.compute.matrix import Matrix
from repscape.compute.moments import linear_pair_sums, moments_bytes, moments_cost, sweep_cost
from repscape.compute.rows import Rows
from repscape.measures.cka import LinearKernel


def linear(x: torch.Tensor) -> Matrix:
    rows = Rows(x, "centred")
    return Matrix(rows.squared_norms, 0.0, rows, LinearKernel())


@pytest.fixture
def matrices() -> list[Matrix]:
    generator = torch.Generator().manual_seed(1)
    widths = (3, 20, 250)
    return [
        linear(5 + torch.randn(200, d, generator=generator, dtype=torch.float64)) for d in widths
    ]


PAIRS = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]


@pytest.mark.parametrize("block", [7, 1024])
@pytest.mark.parametrize("limit", [1, 10**9])
def test_moments_equal_the_sweep(matrices, block, limit, monkeypatch):
    monkeypatch.setattr(moments, "MOMENT_BLOCK_ROWS", block)
    [wanted] = sweep(matrices, [PAIRS], memory_limit=10**8)
    found = linear_pair_sums(matrices, PAIRS, memory_limit=limit)
    assert sorted(found) == PAIRS
    for pair in PAIRS:
        got, want = dataclasses.astuple(found[pair]), dataclasses.astuple(wanted[pair])
        assert got == pytest.approx(want, rel=1e-10, abs=1e-7)


def test_batches_keep_within_the_budget(matrices):
    rows = [m.rows for m in matrices]
    limit = moments_bytes(rows, [(1, 2), (2, 2)])
    batches = list(moments._batches(rows, PAIRS, limit))
    assert [pair for batch in batches for pair in batch] == PAIRS
    assert len(batches) > 1
    assert all(moments_bytes(rows, batch) <= limit for batch in batches)


def test_costs_choose_moments_for_many_samples_and_tiles_for_wide_features():
    few = [Rows(torch.zeros(100, 1000), "centred")] * 2
    many = [Rows(torch.zeros(5000, 10), "centred")] * 2
    pairs = [(0, 0), (0, 1), (1, 1)]
    assert moments_cost(few, pairs) > sweep_cost(few)
    assert moments_cost(many, pairs) < sweep_cost(many)


@pytest.mark.parametrize(("width", "dtype"), [(128, torch.float64), (129, torch.float32)])
def test_only_many_features_are_multiplied_in_float32(width, dtype):
    x = torch.randn(50, width, generator=torch.Generator().manual_seed(0))
    product = moments.block_moments(x, x[:, :128])
    assert product.dtype == dtype
    torch.testing.assert_close(
        product.double(), x.double().T @ x[:, :128].double(), rtol=1e-5, atol=1e-5
    )


def test_sides_of_different_precision(matrices):
    single = linear(matrices[1].rows.x.float())
    mixed = linear_pair_sums([single, matrices[2]], [(0, 1)], memory_limit=10**9)
    double = linear_pair_sums(matrices, [(1, 2)], memory_limit=10**9)
    assert mixed[0, 1].off == pytest.approx(double[1, 2].off, rel=1e-5)
