"""The same tile of many matrices: what is laid down, and the row sums that add up."""

from __future__ import annotations

import pytest
import torch

from repscape.compute import tile_stack
from repscape.compute.compiled_tiles import flat_rows, half_squared_distances
from repscape.compute.matrix import Matrix
from repscape.compute.rows import Rows
from repscape.compute.tile_groups import upper_tiles
from repscape.compute.tile_stack import TileStack
from repscape.measures.cka import LinearKernel, RBFKernel

N, D = 70, 9


def _matrices(dtype: torch.dtype) -> list[Matrix]:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(N, D, generator=generator, dtype=torch.float64).to(dtype)
    rows = Rows(x, "centred")
    given = torch.randn(N, N, generator=generator, dtype=torch.float64)
    ones = torch.ones(N, dtype=torch.float64)
    held = Rows(x * 2, "centred")
    held.keep_products()
    return [
        Matrix(rows.squared_norms, 0.0, rows, LinearKernel()),
        Matrix(ones, 0.25, rows, RBFKernel(2.0)),
        Matrix(ones, -1.5, given=given + given.T),
        Matrix(held.squared_norms, 0.5, held, LinearKernel()),
    ]


def _whole(matrix: Matrix) -> torch.Tensor:
    everything = slice(0, N)
    return (matrix.tile(everything, everything).double() - matrix.pivot).fill_diagonal_(0.0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("side", [16, 32, 512])
def test_tiles_and_row_sums_are_those_of_the_whole_matrices(dtype: torch.dtype, side: int) -> None:
    matrices = _matrices(dtype)
    whole = torch.stack([_whole(matrix) for matrix in matrices])
    stack, laid = TileStack(matrices, side), torch.empty_like(whole)
    for i, j in upper_tiles(N, side):
        tile = stack.form(i, j)
        laid[:, j, i], laid[:, i, j] = tile.transpose(1, 2), tile
    # Products of blocks are summed in another order than those of whole matrices.
    rounding = 2 * torch.finfo(dtype).eps * whole.abs().amax()
    torch.testing.assert_close(laid, whole, rtol=0.0, atol=float(rounding))
    torch.testing.assert_close(stack.row_sums, laid.sum(dim=2), rtol=0.0, atol=1e-12)


def test_the_number_of_threads_changes_no_bit() -> None:
    before, found = torch.get_num_threads(), []
    for count in (1, 2, 5):
        torch.set_num_threads(count)
        stack = TileStack(_matrices(torch.float64), 32)
        tiles = [stack.form(i, j).clone() for i, j in upper_tiles(N, 32)]
        found.append([*tiles, stack.row_sums])
    torch.set_num_threads(before)
    for other in found[1:]:
        assert all(torch.equal(a, b) for a, b in zip(found[0], other, strict=True))


def test_one_compiled_pass_lays_down_what_tensor_operations_do() -> None:
    generator = torch.Generator().manual_seed(0)
    for i, j in [(slice(0, 40), slice(0, 40)), (slice(0, 40), slice(40, 70))]:
        wide = torch.randn(40, 200, generator=generator)
        tile = wide[:, 7 : 7 + j.stop - j.start]
        laid = []
        for lay in (tile_stack._lay, tile_stack._lay_compiled):
            out, sums = torch.full(tile.shape, 9.0).double(), torch.ones(N).double()
            lay(tile, 0.3, i, j, out, sums)
            laid.append((out, sums))
        assert torch.equal(laid[0][0], laid[1][0])
        torch.testing.assert_close(laid[0][1], laid[1][1], rtol=1e-13, atol=1e-13)


def test_what_is_not_finite_shows_in_the_sums_but_for_the_diagonal() -> None:
    given = torch.zeros(N, N, dtype=torch.float64).fill_diagonal_(torch.inf)
    given[3, 5] = given[5, 3] = torch.nan
    stack = TileStack([Matrix(given.diagonal(), 1.0, given=given)], 32)
    for i, j in upper_tiles(N, 32):
        stack.form(i, j)
    [sums] = stack.row_sums
    assert sums.isnan().nonzero().flatten().tolist() == [3, 5]
    assert float(sums[0]) == -(N - 1)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_half_squared_distances(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(1)
    products = torch.randn(30, 90, generator=generator).to(dtype)[:, 10:60]
    products[2, 3] = torch.nan
    norms = torch.rand(80, generator=generator, dtype=torch.float64)
    found = half_squared_distances(products, norms[:30], norms[30:], -0.7)
    halved = (norms[:30, None] + norms[30:]).to(dtype).mul(0.5).sub(products)
    torch.testing.assert_close(
        found, halved.clamp(min=0.0).mul(-0.7), rtol=0.0, atol=0.0, equal_nan=True
    )
    assert found.dtype == dtype


def test_flat_rows_of_strided_tiles() -> None:
    wide = torch.arange(60.0).reshape(6, 10)
    for tile in (wide, wide[1:4, 2:7], wide.T[2:5, 1:3], wide[2:3, :4]):
        flat, step = flat_rows(tile)
        rows = [flat[r * step : r * step + tile.shape[1]].tolist() for r in range(len(tile))]
        assert rows == tile.tolist()
