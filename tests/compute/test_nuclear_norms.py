"""Nuclear norms through Gram matrices are within their bounds."""

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


def awkward(kind: str, generator: torch.Generator, short: int = 9, long: int = 14) -> torch.Tensor:
    """A matrix whose singular values the square loses, merges or cannot hold."""
    values = {
        "rank one": torch.eye(short, dtype=torch.float64)[0],
        "equal": torch.ones(short, dtype=torch.float64),
        "tiny gaps": 1.0 + 1e-15 * torch.arange(short, dtype=torch.float64),
        "pairs": torch.tensor([1.0, 1.0 - 1e-12] * short, dtype=torch.float64)[:short].cumprod(0),
        "one large": torch.tensor([1.0] + [1e-8] * (short - 1), dtype=torch.float64),
        "at the edge": torch.logspace(-7.0, -8.5, short, dtype=torch.float64),
        "ill-conditioned": torch.logspace(0, -300, short, dtype=torch.float64),
    }[kind]
    if kind == "at the edge":
        values[0] = 1.0
    left, right = (
        torch.linalg.qr(torch.randn(size, short, generator=generator, dtype=torch.float64)).Q
        for size in (short, long)
    )
    return (left * values) @ right.T


@pytest.mark.parametrize("size", [1.0, 1e150, 1e-150, 1e300, 1e-290])
@pytest.mark.parametrize(
    "kind",
    ["rank one", "equal", "tiny gaps", "pairs", "one large", "at the edge", "ill-conditioned"],
)
def test_error_is_within_the_bound_by_fifty_digits(kind: str, size: float) -> None:
    """Against singular values to fifty digits, of the very numbers that were given."""
    mpmath = pytest.importorskip("mpmath")
    generator = torch.Generator().manual_seed(0)
    for transposed in (False, True):
        given = size * awkward(kind, generator)
        given = given.T.contiguous() if transposed else given
        [found], [bound] = nuclear_norms(given[None])
        with mpmath.workdps(50):
            exact = mpmath.svd_r(mpmath.matrix(given.tolist()), compute_uv=False)
            error = abs(mpmath.mpf(float(found)) - mpmath.fsum(exact))
            assert error <= mpmath.mpf(float(bound))
            assert bound < 1e-5 * size


def test_one_matrix_does_not_change_the_bound_of_another() -> None:
    generator = torch.Generator().manual_seed(0)
    small, large = (s * torch.randn(5, 7, generator=generator).double() for s in (1e-200, 1e200))
    together = torch.stack(nuclear_norms(torch.stack([small, large])))
    alone = torch.cat([torch.stack(nuclear_norms(one[None])) for one in (small, large)], dim=1)
    torch.testing.assert_close(together, alone, rtol=1e-12, atol=0.0)


def test_many_left_sides_are_as_each_alone() -> None:
    """Left sides that share the reordering, more of them than one product takes."""
    generator = torch.Generator().manual_seed(1)
    left = [
        torch.randn(40, 700 + i, generator=generator, dtype=torch.float64)[:, : 5 + i]
        for i in range(4)
    ] + [torch.randn(40, 2040, generator=generator, dtype=torch.float64)]
    right = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    orders = torch.stack([torch.randperm(40, generator=generator) for _ in range(7)])
    every = permuted_nuclear_norms(left, right, orders)
    for a, (together, errors) in zip(left, every, strict=True):
        alone = [float(torch.linalg.svdvals(a.T @ right[order]).sum()) for order in orders]
        assert together.tolist() == pytest.approx(alone, rel=1e-9)
        assert ((together - torch.tensor(alone, dtype=torch.float64)).abs() <= errors).all()
