"""Nuclear norms of many small matrices from the eigenvalues of their Gram matrices.

The singular values of M are the roots of the eigenvalues of M Mᵀ, which take about half the time
of a singular value decomposition, but squaring loses half the digits of small ones. How much that
may have cost is known afterwards, so that whoever needs more can ask for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import torch

from repscape.compute.arrays import row_blocks

_BATCH_ENTRIES = 2**22
_LEFT_FEATURES = 2048
_BACKWARD = 10
"""Eigenvalues come out within this many m·ε of the norm (Golub and Van Loan 2013, 8.3.1)."""


def nuclear_norms(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """‖M‖_* of each float64 matrix, (R, d, e), and a bound of its error; (R,) each.

    With k the longer side and m the shorter one, the computed eigenvalues x of M Mᵀ differ from
    the true ones by at most ε = (k + 10 m) ε₆₄ ‖M‖² (rounding of the products, then of the
    eigenvalues, by Weyl's inequality), and the root of x from the true one by at most ε/√x where
    x > ε, and √(x + ε) elsewhere. All this of matrices whose largest entry is about 1, so that no
    product leaves the range of the numbers.
    """
    size = _power_of_two(matrices.abs().amax(dim=(1, 2)))
    norms, errors = _norms_of_unit(matrices / size[:, None, None])
    return norms * size, errors * size


def _power_of_two(sizes: torch.Tensor) -> torch.Tensor:
    """Near each size, and 1 for 0: dividing by it rounds nothing."""
    power = sizes / (2.0 * torch.frexp(sizes).mantissa)
    return torch.where(sizes > 0, power, 1.0)


def _norms_of_unit(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    if matrices.shape[1] > matrices.shape[2]:
        matrices = matrices.transpose(1, 2)
    short, long = matrices.shape[1:]
    gram = matrices @ matrices.transpose(1, 2)
    squares = gram.diagonal(dim1=1, dim2=2).sum(dim=1, keepdim=True)
    off = (long + _BACKWARD * short) * torch.finfo(torch.float64).eps * squares
    values = torch.linalg.eigvalsh(gram).clamp(min=0.0)
    roots = values.sqrt()
    errors = torch.where(values > off, off / roots, (values + off).sqrt())
    return roots.sum(dim=1), errors.sum(dim=1)


def permuted_nuclear_norms(
    left: Sequence[torch.Tensor], right: torch.Tensor, orders: torch.Tensor
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """‖aᵀ b[order]‖_* of each a in `left` (n × d) with b (n × e), for all orders (R, n); (R,) each.

    Beside it how far each may be from the sum of singular values that `nuclear_norm` gives: the
    bound of `nuclear_norms`, and what rounding may do to either.
    """
    orders = orders.to(right.device)
    for some in _chunks([factor.shape[1] for factor in left]):
        chosen = left[some]
        found = [torch.empty(2, len(orders), dtype=right.dtype) for _ in chosen]
        for block, products in _cross_products(chosen, right, orders):
            for norms, product in zip(found, products, strict=True):
                norms[:, block] = torch.stack(nuclear_norms(product)).cpu()
        for factor, (norms, errors) in zip(chosen, found, strict=True):
            yield norms, errors + _rounding(factor, right)


def _rounding(a: torch.Tensor, b: torch.Tensor) -> float:
    """Of two ways of summing a product of factors, and of the singular values themselves."""
    short = min(a.shape[1], b.shape[1])
    each = 4.0 * (len(a) + short) * torch.finfo(torch.float64).eps * float(a.norm() * b.norm())
    return math.sqrt(short) * each


def nuclear_norm(a: torch.Tensor, b: torch.Tensor) -> float:
    """‖aᵀb‖_*, the largest ⟨aQ, b⟩ over rotations Q, for factors a (n × r) and b (n × r')."""
    return float(torch.linalg.svdvals(a.T @ b).sum())


def _chunks(widths: Sequence[int]) -> Iterator[slice]:
    start, held = 0, 0
    for position, width in enumerate(widths):
        if held and held + width > _LEFT_FEATURES:
            yield slice(start, position)
            start, held = position, 0
        held += width
    yield slice(start, len(widths))


def _cross_products(
    left: Sequence[torch.Tensor], right: torch.Tensor, orders: torch.Tensor
) -> Iterator[tuple[slice, Sequence[torch.Tensor]]]:
    """aᵀ b[order] of each a, (r, d, e), for blocks of orders; one product serves them all."""
    widths = [factor.shape[1] for factor in left]
    stacked = torch.cat(list(left), dim=1).T.contiguous()
    (n, width) = right.shape
    for block in row_blocks(len(orders), max(1, _BATCH_ENTRIES // (width * max(n, sum(widths))))):
        moved = right[orders[block]].transpose(0, 1).flatten(start_dim=1)
        products = (stacked @ moved).view(sum(widths), -1, width).transpose(0, 1)
        yield block, torch.split(products, widths, dim=1)
