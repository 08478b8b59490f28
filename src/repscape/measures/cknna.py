"""CKNNA: centred kernel alignment of what the nearest neighbours of both representations share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import row_blocks
from repscape.compute.rows import Rows
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.measures.neighbour_family import NEIGHBOUR_COST, PLATONIC, check_directions
from repscape.registry import parameter

_BLOCK_ROWS = 512


@dataclass(frozen=True, eq=False)
class SparseKernel:
    """The kernel K_ij = ⟨x_i, x_j⟩ on the pairs (i, j), row by row.

    `pairs` holds i·n + j, ascending, and `values` the kernel there, float64.
    """

    n: int
    pairs: torch.Tensor
    values: torch.Tensor

    def on(self, pairs: torch.Tensor) -> SparseKernel:
        """The kernel on those pairs only, which must be among these."""
        return SparseKernel(self.n, pairs, self.values[torch.searchsorted(self.pairs, pairs)])

    def permute(self, order: torch.Tensor) -> SparseKernel:
        """The kernel of the same samples in another order: new sample i is old sample order[i]."""
        place = torch.empty_like(order)
        place[order] = torch.arange(self.n)
        pairs, by_pair = (place[self.pairs // self.n] * self.n + place[self.pairs % self.n]).sort()
        return SparseKernel(self.n, pairs, self.values[by_pair])

    def sums(self, axis: Literal["rows", "columns"]) -> torch.Tensor:
        """The sums of the rows or of the columns, (n,)."""
        at = self.pairs // self.n if axis == "rows" else self.pairs % self.n
        return torch.zeros(self.n, dtype=torch.float64).index_add_(0, at, self.values)


@MEASURES.register
@dataclass(frozen=True)
class CKNNA(Measure[SparseKernel]):
    """Centred kernel nearest-neighbour alignment (Huh et al. 2024, appendix A).

    HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)) with the unbiased HSIC of Song et al. 2012, equation 5,
    where every kernel is set to 0 outside its mask: for (K, K) the pairs (i, j) with j among the
    k nearest neighbours of i in x, for (L, L) those in y, for (K, L) those in both. The kernel
    is the inner product, nearest means largest: of unit rows (cosine), or of the rows as they
    are (dot). No epsilon is added.
    """

    k: int = parameter(10, "number of neighbours", minimum=1)
    kernel: Literal["cosine", "dot"] = parameter(
        "cosine", "inner products of unit rows, or of the rows as they are"
    )

    spec: ClassVar = MeasureSpec(
        name="cknna",
        version=1,
        family="Gram and RDM",
        kind="similarity",
        range=(-math.inf, math.inf),
        symmetric=False,
        metric=False,
        self_is_best=False,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling"}),
        minimum_n=4,
        summary="centred kernel alignment on the neighbours that both share",
        formula="HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)), kernels masked by neighbours",
        cost=NEIGHBOUR_COST,
        chance="near 0",
        pitfalls=(
            "Masks are directed, so the value changes a little when x and y are exchanged; another "
            "mask serves the numerator, so it is no cosine and may leave [-1, 1]. The dot kernel "
            "has hubs: a few samples of large norm are everybody's neighbours. Published values "
            "carry an epsilon that shrinks them."
        ),
        citation=PLATONIC,
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        return self.spec.but(minimum_n=max(4, self.k + 1))

    @override
    def prepare(self, x: torch.Tensor) -> SparseKernel:
        check_directions(x, self.kernel)
        rows = x.double() if self.kernel == "dot" else Rows(x.double(), "unit").block(slice(None))
        n = x.shape[0]
        pairs, values = [], []
        for i in row_blocks(n, _BLOCK_ROWS):
            products = rows[i] @ rows.T
            near = _largest(products, i.start, self.k).sort(dim=1).values
            values.append(products.gather(1, near).flatten())
            own = torch.arange(i.start, i.stop, device=x.device)[:, None]
            pairs.append((own * n + near).flatten())
        return SparseKernel(n, torch.cat(pairs).cpu(), torch.cat(values).cpu())

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 16 * n * self.k

    @override
    def permute(self, state: SparseKernel, order: torch.Tensor) -> SparseKernel:
        return state.permute(order)

    @override
    def compare(self, a: SparseKernel, b: SparseKernel) -> float:
        shared = a.pairs[torch.isin(a.pairs, b.pairs, assume_unique=True)]
        own_a, own_b = _hsic(a, a), _hsic(b, b)
        for own in (own_a, own_b):
            if not own > 0.0:
                raise UndefinedScoreError(
                    f"the masked HSIC of a representation with itself is {own:.3g} (n={a.n}, "
                    f"k={self.k}), so CKNNA does not exist: use another k, or more samples"
                )
        return _hsic(a.on(shared), b.on(shared)) / math.sqrt(own_a) / math.sqrt(own_b)


def _largest(products: torch.Tensor, first: int, k: int) -> torch.Tensor:
    """The columns of the k largest entries of each row but the sample itself; ties by index."""
    others = products.clone()
    others[:, first:].fill_diagonal_(-math.inf)
    least = others.topk(k, dim=1).values[:, -1:]
    above = others > least
    tied = others == least
    room = k - above.sum(dim=1, keepdim=True)
    chosen = above | (tied & (tied.cumsum(dim=1) <= room))
    return chosen.nonzero()[:, 1].reshape(len(products), k)


def _hsic(a: SparseKernel, b: SparseKernel) -> float:
    """The unbiased HSIC of two kernels on the same pairs, each with a zero diagonal."""
    n = a.n
    transposed = (b.pairs % n) * n + b.pairs // n
    order = transposed.argsort()
    place = torch.searchsorted(transposed[order], a.pairs).clamp_(max=max(len(order) - 1, 0))
    products = torch.zeros((), dtype=torch.float64)
    if len(order):
        both = transposed[order][place] == a.pairs
        products = (a.values * b.values[order][place])[both].sum()
    crossed = torch.dot(a.sums("columns"), b.sums("rows"))
    totals = a.values.sum() * b.values.sum() / ((n - 1) * (n - 2))
    return float((products + totals - 2.0 * crossed / (n - 2)) / (n * (n - 3)))
