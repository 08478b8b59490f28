"""Inner products of the rows of a stack: every row with every other, by any number of threads."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from repscape.compute.compiled_products import PART, PIECE, inner_products


@pytest.fixture
def threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


# Rows that are no multiple of four, columns that are none of a piece, several parts.
@pytest.mark.parametrize(
    "rows", [[0], [0, 1], [2, 0, 5], [0, 1, 2, 3], [6, 4, 3, 1, 0], [*range(7)]]
)
@pytest.mark.parametrize("length", [1, PIECE - 1, PIECE + 3, 2 * PART + 5])
def test_whole_numbers_are_multiplied_exactly(rows: list[int], length: int) -> None:
    generator = torch.Generator().manual_seed(len(rows) + length)
    stack = torch.randint(-9, 10, (7, length), generator=generator).double()
    chosen = stack[rows]
    assert torch.equal(torch.from_numpy(inner_products(stack.numpy(), rows)), chosen @ chosen.T)


def test_large_and_small_rows_keep_their_digits() -> None:
    generator = torch.Generator().manual_seed(1)
    scales = torch.tensor([1e-150, 1.0, 1e150], dtype=torch.float64)[:, None]
    stack = scales * torch.randn(3, 3 * PART, generator=generator, dtype=torch.float64)
    found = torch.from_numpy(inner_products(stack.numpy(), [0, 1, 2]))
    norms = found.diagonal().sqrt()
    cosines = torch.nn.functional.normalize(stack / scales)
    expected = cosines @ cosines.T
    torch.testing.assert_close(found / norms[:, None] / norms, expected, rtol=0.0, atol=1e-14)


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_changes_no_bit() -> None:
    generator = torch.Generator().manual_seed(2)
    stack = torch.randn(6, 5 * PART + 17, generator=generator, dtype=torch.float64).numpy()
    found = []
    for count in (1, 2, 3, 8):
        torch.set_num_threads(count)
        found.append(torch.from_numpy(inner_products(stack, [*range(6)])))
    assert all(torch.equal(found[0], other) for other in found[1:])


def test_what_is_not_finite_stays_in_its_rows() -> None:
    stack = torch.ones(5, PIECE + 2, dtype=torch.float64)
    stack[1, 7], stack[3, -1] = torch.nan, torch.inf
    found = torch.from_numpy(inner_products(stack.numpy(), [*range(5)]))
    assert found[1].isnan().all()
    assert found[3, [0, 2, 3, 4]].isinf().all()
    others = [0, 2, 4]
    assert (found[others][:, others] == PIECE + 2).all()
