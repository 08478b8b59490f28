"""The sweep over tiles gives the sums of whole matrices, whatever the tiles and the budget."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from repscape.compute import gram
from repscape.compute.gram import PairSums, dense_pair_sums, sweep
from repscape.compute.matrix import Matrix
from repscape.compute.rows import Rows
from repscape.errors import MemoryLimitError
from repscape.measures.cka import LaplaceKernel, LinearKernel, RBFKernel
from repscape.measures.rdm import Euclidean, HalfSquaredEuclidean, SquaredEuclidean

PAIRS = [(a, b) for a in range(6) for b in range(a, 6)]


@pytest.fixture
def matrices() -> list[Matrix]:
    """One matrix of every kind, of 130 samples: no whole number of tiles."""
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 130, 7, generator=generator, dtype=torch.float64)
    zeros, ones = torch.zeros(130, dtype=torch.float64), torch.ones(130, dtype=torch.float64)
    shared = Rows(x, "centred")
    return [
        Matrix(shared.squared_norms, 0.0, shared, LinearKernel()),
        Matrix(ones, 0.3, shared, RBFKernel(2.0)),
        Matrix(ones, 0.1, Rows(x, "centred"), LaplaceKernel(3.0)),
        Matrix(zeros, 3.0, Rows(y, "centred"), Euclidean()),
        Matrix(zeros, 1.0, Rows(y, "correlation"), HalfSquaredEuclidean()),
        Matrix(zeros, 0.0, given=(y @ y.T)),
    ]


def whole(matrix: Matrix) -> torch.Tensor:
    everything = slice(0, matrix.n)
    return matrix.tile(everything, everything).double() - matrix.pivot


def naive_sums(a: Matrix, b: Matrix) -> PairSums:
    left, right = whole(a).fill_diagonal_(0.0), whole(b).fill_diagonal_(0.0)
    own_left, own_right = a.diagonal - a.pivot, b.diagonal - b.pivot
    return PairSums(
        n=a.n,
        off=float((left * right).sum()),
        rows=float((left.sum(1) * right.sum(1)).sum()),
        total_a=float(left.sum()),
        total_b=float(right.sum()),
        diagonal=float((own_left * own_right).sum()),
        cross_ab=float((own_left * right.sum(1)).sum()),
        cross_ba=float((own_right * left.sum(1)).sum()),
        trace_a=float(own_left.sum()),
        trace_b=float(own_right.sum()),
        pivot_a=a.pivot,
        pivot_b=b.pivot,
    )


def assert_same(got: PairSums, wanted: PairSums) -> None:
    assert dataclasses.astuple(got) == pytest.approx(
        dataclasses.astuple(wanted), rel=1e-10, abs=1e-8
    )


@pytest.mark.parametrize("tile", [33, 64, 512])
def test_sweep_equals_whole_matrices(matrices, tile, monkeypatch):
    monkeypatch.setattr(gram, "TILE_ROWS", tile)
    [found] = sweep(matrices, [PAIRS], memory_limit=10**8)
    for a, b in PAIRS:
        assert_same(found[a, b], naive_sums(matrices[a], matrices[b]))


@pytest.mark.parametrize("limit", [450_000, 900_000, 10**8])
def test_memory_limit_changes_the_tiles_but_not_the_sums(matrices, limit):
    [found] = sweep(matrices, [PAIRS], memory_limit=limit)
    for a, b in PAIRS:
        assert_same(found[a, b], naive_sums(matrices[a], matrices[b]))


def test_sweep_refuses_a_budget_below_its_smallest_tiles(matrices):
    with pytest.raises(MemoryLimitError, match=r"6 matrices in tiles of 16×16 need .* raise it"):
        sweep(matrices, [PAIRS], memory_limit=100_000)


@pytest.mark.parametrize(
    "pairs",
    [
        [(0, 1)],
        [(3, 3)],
        [(0, 4), (0, 5), (1, 4)],
        [(a, b) for a in range(3) for b in range(3, 6)],
        [(a, b) for a in range(6) for b in range(6)],
    ],
)
def test_groups_hold_just_their_own_pairs(matrices, pairs):
    first, second = sweep(matrices, [pairs, [(2, 2)]], memory_limit=10**8)
    assert sorted(first) == sorted(pairs)
    assert sorted(second) == [(2, 2)]
    for a, b in pairs:
        assert_same(first[a, b], naive_sums(matrices[a], matrices[b]))


def test_dense_sums_equal_whole_matrices(matrices):
    for a in matrices:
        for b in matrices:
            assert_same(dense_pair_sums(a, b), naive_sums(a, b))


def test_prepared_rows_are_let_go_after_the_sweep(matrices):
    sweep(matrices, [PAIRS], memory_limit=10**8)
    assert all(m.rows._kept is None for m in matrices if m.rows is not None)


def test_products_of_the_same_rows_are_formed_once(matrices, monkeypatch):
    formed = []
    products = Rows.products

    def counted(self, i, j):
        formed.append(self.key)
        return products(self, i, j)

    monkeypatch.setattr(Rows, "products", counted)
    sweep(matrices[:3], [[(0, 1), (1, 2)]], memory_limit=10**8)
    assert len(formed) == 1


def test_equal_recipes_are_one_matrix():
    x = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    zeros = torch.zeros(9, dtype=torch.float64)

    def build(kind, element_map, pivot=0.0):
        return Matrix(zeros, pivot, Rows(x, kind), element_map).key

    assert build("centred", RBFKernel(1.0)) == build("centred", RBFKernel(1.0))
    assert build("centred", RBFKernel(1.0)) != build("centred", RBFKernel(2.0))
    assert build("centred", Euclidean()) != build("centred", SquaredEuclidean())
    assert build("centred", Euclidean()) != build("centred", Euclidean(), pivot=1.0)
    assert build("unit", HalfSquaredEuclidean()) != build("correlation", HalfSquaredEuclidean())
