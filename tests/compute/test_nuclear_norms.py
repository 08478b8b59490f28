"""Nuclear norms through Gram matrices: within their bounds, and settled where it matters."""

from __future__ import annotations

import pytest
import torch

from repscape.compute.nuclear_norms import nuclear_norms, permuted_nuclear_norms


def matrices(d: int, e: int, smallest: float) -> torch.Tensor:
    """Forty matrices whose singular values fall from 1 to `smallest`, as powers."""
    generator = torch.Generator().manual_seed(d)
    short = min(d, e)
    values = torch.logspace(0, torch.tensor(smallest).log10().item(), short, dtype=torch.float64)
    left, right = (
        torch.linalg.qr(torch.randn(40, size, short, generator=generator, dtype=torch.float64)).Q
        for size in (d, e)
    )
    return (left * values) @ right.transpose(1, 2)


@pytest.mark.parametrize(("d", "e"), [(12, 12), (30, 9), (9, 30), (1, 5)])
@pytest.mark.parametrize("smallest", [1.0, 1e-4, 1e-9, 1e-14])
def test_error_is_within_the_bound(d: int, e: int, smallest: float) -> None:
    """Also where half of the singular values are lost in the square."""
    given = matrices(d, e, smallest)
    found, bound = nuclear_norms(given)
    error = (found - torch.linalg.svdvals(given).sum(dim=1)).abs()
    assert (error <= bound).all()
    # The bound is not an empty promise: one value is lost entirely at most, √ε of the norm.
    assert float(bound.max()) < 1e-5 * max(d, e)


def test_zeros_have_norm_zero_without_error() -> None:
    """No root of a negative eigenvalue, and no 0 / 0."""
    found, bound = nuclear_norms(torch.zeros(3, 4, 5, dtype=torch.float64))
    assert found.tolist() == bound.tolist() == [0.0, 0.0, 0.0]


def test_what_cannot_be_told_from_the_first_order_is_what_the_singular_values_say() -> None:
    """Orders that change nothing tie with the first, to the last bit, whatever the fast route."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.logspace(0, -9, 12, dtype=torch.float64)
    fast_alone = []
    for _ in range(20):
        a = torch.randn(50, 12, generator=generator, dtype=torch.float64) * scale
        b = a + 1e-9 * torch.randn(50, 12, generator=generator, dtype=torch.float64)
        itself, other = torch.arange(50), torch.randperm(50, generator=generator)
        orders = torch.stack([itself, other, itself])
        [norms] = permuted_nuclear_norms([a], b, orders)
        direct = [float(torch.linalg.svdvals(a.T @ b[order]).sum()) for order in orders]
        fast, bound = nuclear_norms((a.T @ b)[None])
        fast_alone.append(float(fast) - direct[0])
        assert float(bound) > 1e-9
        assert norms[[0, 2]].tolist() == [direct[0], direct[2]]
        assert norms[1] == pytest.approx(direct[1], abs=1e-6)
    # The fast route alone would have missed ties, and called some of them less than the first.
    assert any(difference < 0 for difference in fast_alone)


def test_many_left_sides_are_as_each_alone() -> None:
    """Left sides that share the reordering, more of them than one product takes."""
    generator = torch.Generator().manual_seed(1)
    left = [
        torch.randn(40, 700 + i, generator=generator, dtype=torch.float64)[:, : 5 + i]
        for i in range(4)
    ] + [torch.randn(40, 2040, generator=generator, dtype=torch.float64)]
    right = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    orders = torch.stack([torch.randperm(40, generator=generator) for _ in range(7)])
    for a, together in zip(left, permuted_nuclear_norms(left, right, orders), strict=True):
        alone = [float(torch.linalg.svdvals(a.T @ right[order]).sum()) for order in orders]
        assert together.tolist() == pytest.approx(alone, rel=1e-9)
