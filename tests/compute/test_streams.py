"""One pass over the rows gives what the whole kernel matrices give, in any split and order."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch

from repscape.compute.streams import PairMoments, TensorRows, stream_moments
from repscape.errors import InvalidParameterError, NonFiniteError
from repscape.measures.gram_family import biased_hsic, debiased_hsic

N, D_X, D_Y = 500, 300, 40
PAIRS = ((0, 1), (0, 0), (1, 1))


def pair(offset: float = 0.0, dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(7)
    shared = torch.randn(N, 20, generator=generator, dtype=torch.float64)
    sides = []
    for d in (D_X, D_Y):
        mixed = shared @ torch.randn(20, d, generator=generator, dtype=torch.float64)
        noise = torch.randn(N, d, generator=generator, dtype=torch.float64)
        side = mixed + 2 * noise
        side[:, :4] += offset
        sides.append(side.to(dtype))
    return tuple(sides)


def u_statistic(x: torch.Tensor, y: torch.Tensor) -> float:
    """Song et al. 2012, equation 5, from whole float64 kernels."""
    kernels = []
    for side in (x.double(), y.double()):
        centred = side - side.mean(dim=0)
        kernels.append((centred @ centred.T).fill_diagonal_(0.0))
    k, l = kernels  # noqa: E741
    n = len(x)
    total = (k * l).sum() + k.sum() * l.sum() / ((n - 1) * (n - 2))
    return float((total - 2 * k.sum(dim=0) @ l.sum(dim=0) / (n - 2)) / (n * (n - 3)))


def v_statistic(x: torch.Tensor, y: torch.Tensor) -> float:
    """tr(K H L H), from whole float64 matrices."""
    h = torch.eye(len(x), dtype=torch.float64) - 1 / len(x)
    x, y = x.double(), y.double()
    return float(torch.trace(x @ x.T @ h @ y @ y.T @ h))


def moments_of(x: torch.Tensor, y: torch.Tensor, edges: list[int]) -> list[PairMoments]:
    sources = TensorRows(x), TensorRows(y)
    return [stream_moments(*sources, start, stop, block_rows=64) for start, stop in pairwise(edges)]


def check(moments: PairMoments, x: torch.Tensor, y: torch.Tensor, tolerance: float) -> None:
    for sums, (a, b) in zip(moments.sums(), PAIRS, strict=True):
        sides = (x, y)[a], (x, y)[b]
        assert debiased_hsic(sums) == pytest.approx(u_statistic(*sides), rel=tolerance)
        assert biased_hsic(sums) == pytest.approx(v_statistic(*sides), rel=tolerance)


@pytest.mark.parametrize("block_rows", [1, 64, 499, 500, 10_000])
@pytest.mark.parametrize("offset", [0.0, 300.0])
def test_float64_rows_give_the_dense_statistics(block_rows, offset):
    x, y = pair(offset)
    moments = stream_moments(TensorRows(x), TensorRows(y), block_rows=block_rows)
    assert moments.n == N
    check(moments, x, y, 1e-10)


@pytest.mark.parametrize("offset", [0.0, 300.0, 1e5])
def test_float32_rows_stay_accurate_with_large_means(offset):
    x, y = pair(offset, torch.float32)
    check(stream_moments(TensorRows(x), TensorRows(y), block_rows=64), x, y, 2e-6)


@pytest.mark.parametrize("scale", [1e-25, 1e-12, 1e12, 1e16])
def test_float32_rows_neither_overflow_nor_vanish(scale):
    x, y = pair(0.0, torch.float32)
    x *= scale
    check(stream_moments(TensorRows(x), TensorRows(y), block_rows=64), x, y, 2e-6)


def test_sides_of_two_dtypes_keep_the_digits_of_each():
    x, y = pair()
    x = x.float()
    check(stream_moments(TensorRows(x), TensorRows(y)), x, y, 2e-6)
    assert debiased_hsic(stream_moments(TensorRows(x), TensorRows(y)).sums()[2]) == pytest.approx(
        u_statistic(y, y), rel=1e-10
    )


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_parts_add_up_in_any_order(order):
    x, y = pair(300.0)
    # Rows sorted by their first feature: the parts have very different means.
    rows = x[:, 0].argsort()
    x, y = x[rows], y[rows]
    parts = moments_of(x, y, [0, 3, 130, 131, N])
    total = PairMoments(D_X, D_Y)
    for index in order:
        total.merge(parts[index])
    assert total.n == N
    check(total, x, y, 1e-10)


def test_a_far_origin_is_corrected_exactly():
    x, y = pair()
    x[:64] += 1000.0
    check(stream_moments(TensorRows(x), TensorRows(y), block_rows=64), x, y, 1e-10)


def test_merging_leaves_the_part_as_it_was():
    x, y = pair()
    first, second = moments_of(x, y, [0, 200, N])
    before = second.to_arrays()["moments"].copy()
    first.merge(second)
    assert np.array_equal(second.to_arrays()["moments"], before)


def test_moments_survive_as_arrays():
    x, y = pair()
    [moments] = moments_of(x, y, [0, N])
    again = PairMoments.from_arrays(moments.to_arrays())
    assert again.sums() == moments.sums()
    empty = PairMoments.from_arrays(PairMoments(D_X, D_Y).to_arrays())
    empty.merge(moments)
    assert empty.sums() == moments.sums()


def test_the_rows_given_are_not_changed():
    x, y = pair()
    before = x.clone()
    stream_moments(TensorRows(x), TensorRows(y))
    assert torch.equal(x, before)


def test_blocks_are_the_same_bits_again():
    x, y = pair(300.0, torch.float32)
    first, second = (
        stream_moments(TensorRows(x), TensorRows(y), block_rows=100).sums() for _ in range(2)
    )
    assert first == second


def test_bad_values_are_found_with_their_place():
    x, y = pair()
    y[333, 5] = float("nan")
    with pytest.raises(NonFiniteError, match=r"y, counting from row 320, .* at row 13, feature 5"):
        stream_moments(TensorRows(x), TensorRows(y), block_rows=64)


def test_moments_of_other_features_are_refused():
    with pytest.raises(InvalidParameterError, match=r"3 and 4 features .* 4 and 3"):
        PairMoments(4, 3).merge(PairMoments(3, 4))


def test_no_samples_have_no_sums():
    with pytest.raises(InvalidParameterError, match="no samples"):
        PairMoments(2, 2).sums()
