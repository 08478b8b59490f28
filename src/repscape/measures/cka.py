"""Centred kernel alignment: the cosine between two centred kernel matrices."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import (
    SAFE_EXPONENTS,
    as_gram,
    check_not_constant,
    check_squares,
    with_safe_squares,
    within_range,
)
from repscape.compute.gram import PairSums
from repscape.compute.matrix import Matrix
from repscape.compute.memory import Spare
from repscape.compute.moments import sweep_is_cheaper
from repscape.compute.ranks import median_distance
from repscape.compute.rows import Rows
from repscape.errors import SQUARES_OVERFLOW, InvalidParameterError, UndefinedScoreError
from repscape.measures.base import MEASURES, MeasureSpec
from repscape.measures.gram_family import (
    GramMeasure,
    biased_hsic,
    biased_rounding,
    debiased_hsic,
    debiased_rounding,
    expected_alignment,
)
from repscape.measures.rdm import Euclidean
from repscape.measures.tiled import Sums
from repscape.registry import Citation, format_number, parameter

_LARGEST_WIDTH = 1e50
"""Squares of widths between this and its inverse, and of their inverses, stay in float64."""


@dataclass(frozen=True)
class Bandwidth:
    """The σ of a kernel: absolute (`0.4`), or times the median distance (`0.4median`)."""

    value: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> Bandwidth:
        """Read `0.4` or `0.4median`; raise `InvalidParameterError` otherwise."""
        match = re.fullmatch(r"([-+.0-9eE]+)(median)?", text.strip())
        try:
            value = float(match[1]) if match else math.nan
        except ValueError:
            value = math.nan
        if not 1 / _LARGEST_WIDTH <= value <= _LARGEST_WIDTH:
            raise InvalidParameterError(
                f"sigma={text}: write a positive number, or a multiple of the median distance "
                f"such as 0.4median, from {1 / _LARGEST_WIDTH:g} to {_LARGEST_WIDTH:g}"
            )
        return cls(value, text.strip().endswith("median"))

    def __str__(self) -> str:
        return format_number(self.value) + ("median" if self.relative else "")


@dataclass(frozen=True)
class LinearKernel:
    """K_ij = ⟨x_i, x_j⟩ of centred rows."""

    linear: ClassVar[bool] = True

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """The products themselves."""
        return products


@dataclass(frozen=True)
class RBFKernel:
    """K_ij = exp(-‖x_i - x_j‖² / 2σ²)."""

    sigma: float
    linear: ClassVar[bool] = False

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """From products of centred rows."""
        factor = -1.0 / self.sigma**2
        products = _holding(products, factor)
        if products.device.type == "cpu":
            from repscape.compute.compiled_tiles import half_squared_distances

            return half_squared_distances(products, norms_i, norms_j, factor).exp_()
        halved = (norms_i[:, None] + norms_j).to(products.dtype).mul_(0.5).sub_(products)
        return halved.clamp_(min=0.0).mul_(factor).exp_()


@dataclass(frozen=True)
class LaplaceKernel:
    """K_ij = exp(-‖x_i - x_j‖ / σ)."""

    sigma: float
    linear: ClassVar[bool] = False

    def apply(
        self, products: torch.Tensor, norms_i: torch.Tensor, norms_j: torch.Tensor
    ) -> torch.Tensor:
        """From products of centred rows."""
        distances = Euclidean().apply(products, norms_i, norms_j)
        factor = -1.0 / self.sigma
        return _holding(distances, factor).mul_(factor).exp_()


def _holding(tile: torch.Tensor, factor: float) -> torch.Tensor:
    """The tile, in float64 where its own dtype does not hold the factor."""
    return tile if abs(factor) < torch.finfo(tile.dtype).max else tile.double()


_KERNELS: dict[str, type[RBFKernel | LaplaceKernel]] = {"rbf": RBFKernel, "laplace": LaplaceKernel}


@MEASURES.register
@dataclass(frozen=True)
class CKA(GramMeasure):
    """Centred kernel alignment.

    CKA(K, L) = HSIC(K, L) / √(HSIC(K, K) HSIC(L, L)).

    Biased, HSIC(K, L) = tr(K H L H) with H = I - 11ᵀ/n (Kornblith et al. 2019, equation 3);
    debiased, HSIC is the U-statistic of Song et al. 2012, equation 5, formed from kernels of
    centred features. Kernels: linear ⟨x_i, x_j⟩; RBF exp(-‖x_i - x_j‖²/2σ²) and Laplace
    exp(-‖x_i - x_j‖/σ), with σ absolute or relative to the median of ‖x_i - x_j‖ over i < j,
    each representation its own; precomputed, where the values given are the n×n Gram matrix:
    symmetric, with a diagonal that is not negative, nor all zero as that of distances.

    A score at an end of the range may leave it by the rounding of its sums, 1e-12; by 1e-7 where
    linear kernels of float32 values come from products of more than 128 features, at large n.
    """

    kernel: Literal["linear", "rbf", "laplace", "precomputed"] = parameter(
        "linear", "the kernel; precomputed: the values given are the n×n Gram matrix"
    )
    sigma: Bandwidth = parameter(
        Bandwidth.parse("0.4median"),
        "width of the RBF and Laplace kernels: absolute, or e.g. 0.4median",
    )
    debiased: bool = parameter(True, "use the unbiased estimator of HSIC, 0 for independent data")

    spec: ClassVar = MeasureSpec(
        name="cka",
        version=1,
        family="Gram and RDM",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=4,
        summary="cosine between centred kernel matrices",
        formula="HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L))",
        cost="n²(d+d')/2, or n·d·d' for linear kernels at large n",
        chance="0 (debiased)",
        pitfalls=(
            "The biased value of independent data grows with d/n (0.8 at n=1024, d=4096). A few "
            "directions of large variance decide the linear value. The debiased value may be "
            "negative."
        ),
        citation=Citation(
            "Kornblith et al. 2019",
            "@inproceedings{kornblith2019similarity,\n"
            "  title={Similarity of Neural Network Representations Revisited},\n"
            "  author={Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, "
            "Geoffrey},\n  booktitle={ICML},\n  year={2019}\n}",
        ),
        aliases={"linear_cka": {"kernel": "linear"}, "rbf_cka": {"kernel": "rbf"}},
    )

    @override
    def irrelevant(self) -> frozenset[str]:
        return frozenset() if self.kernel in _KERNELS else frozenset({"sigma"})

    @property
    @override
    def declared(self) -> MeasureSpec:
        changes: dict[str, object] = {}
        if not self.debiased:
            changes.update(
                range=(0.0, 1.0),
                minimum_n=3,
                chance="tr K̃ tr L̃ / ((n-1) ‖K̃‖ ‖L̃‖) for the centred kernels",
            )
        if self.kernel in _KERNELS and not self.sigma.relative:
            changes.update(invariances=self.spec.invariances - {"isotropic_scaling"})
        if self.kernel == "precomputed":
            changes.update(invariances=frozenset())
        return self.spec.but(**changes)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 32 * n + (8 * n * n if self.kernel == "precomputed" else 0)

    @override
    def prepare(self, x: torch.Tensor) -> Matrix:
        return self.prepare_within(x, Spare(0))

    def prepare_within(self, x: torch.Tensor, spare: Spare) -> Matrix:
        """The products that the median distance takes are held for the sweep if they fit."""
        if self.kernel == "precomputed":
            gram = as_gram(x)
            return Matrix(diagonal=gram.diagonal(), pivot=_typical_entry(gram), given=gram)
        check_not_constant(x)
        rows = Rows(self._within_range(x), "centred")
        if self.kernel == "linear":
            return Matrix(rows.squared_norms, pivot=0.0, rows=rows, map=LinearKernel())
        if self.sigma.relative and spare.take(rows.products_bytes):
            rows.keep_products()
        return self._matrix(
            rows, self.sigma.value * (median_distance(rows) if self.sigma.relative else 1.0)
        )

    def _within_range(self, x: torch.Tensor) -> torch.Tensor:
        if self.kernel in _KERNELS and not self.sigma.relative:
            check_squares(x)
            return with_safe_squares(x)
        # Such a kernel, or CKA of it, does not see a power of two.
        inside, _ = within_range(x, SAFE_EXPONENTS[x.dtype])
        return inside

    def _matrix(self, rows: Rows, sigma: float) -> Matrix:
        if sigma == 0.0:
            raise UndefinedScoreError(
                f"sigma={self.sigma}: the median distance is 0, since more than half of the pairs "
                "of samples are duplicates: give an absolute sigma or drop duplicates"
            )
        ones = torch.ones_like(rows.squared_norms)
        kernel = _KERNELS[self.kernel](sigma)
        first = slice(0, min(rows.n, 256))
        norms = rows.squared_norms[first]
        sample = kernel.apply(rows.products(first, first), norms, norms)
        return Matrix(ones, pivot=_typical_entry(sample), rows=rows, map=kernel)

    def takes_tiles(self, n: int, widths: Sequence[int]) -> bool:
        """Not where the moments of linear kernels are cheaper."""
        return self.kernel != "linear" or sweep_is_cheaper(n, widths)

    def is_fitted(self, n: int) -> bool:
        """A width relative to the median distance."""
        return self.kernel in _KERNELS and self.sigma.relative

    @override
    def fitted(self, state: Matrix) -> dict[str, torch.Tensor]:
        assert isinstance(state.map, (RBFKernel, LaplaceKernel))
        return {"sigma": torch.tensor([state.map.sigma], dtype=torch.float64)}

    @override
    def prepare_fitted(self, x: torch.Tensor, fitted: Sums) -> Matrix:
        check_not_constant(x)
        return self._matrix(Rows(self._within_range(x), "centred"), float(fitted["sigma"]))

    @property
    def entries_stand_alone(self) -> bool:
        """Not with a width relative to the median distance, which the other samples decide."""
        return self.kernel not in _KERNELS or not self.sigma.relative

    @override
    def score(self, ab: PairSums, aa: PairSums, bb: PairSums) -> float:
        hsic = debiased_hsic if self.debiased else biased_hsic
        return hsic(ab) / math.sqrt(self._own(aa)) / math.sqrt(self._own(bb))

    def scores(self, ab: PairSums, aa: PairSums, bb: PairSums) -> torch.Tensor:
        """HSIC is linear in the sums of the pair, so vectors of them serve as numbers do."""
        return torch.as_tensor(self.score(ab, aa, bb))

    def expected(self, a: Matrix, b: Matrix) -> float:
        """0 debiased; otherwise tr K̃ tr L̃ / ((n - 1) ‖K̃‖ ‖L̃‖) for the centred kernels."""
        return 0.0 if self.debiased else expected_alignment(a, b)

    def _own(self, s: PairSums) -> float:
        """HSIC(K, K), refused where it is no more than rounding."""
        own = debiased_hsic(s) if self.debiased else biased_hsic(s)
        rounding = debiased_rounding(s) if self.debiased else biased_rounding(s)
        if not math.isfinite(own):
            raise UndefinedScoreError(SQUARES_OVERFLOW)
        if not own > rounding:
            raise UndefinedScoreError(self._no_norm(own, s.n))
        return own

    def _no_norm(self, own: float, n: int) -> str:
        if self.debiased:
            return (
                f"the debiased HSIC of a representation with itself is {own:.3g} (n={n}), so CKA "
                "does not exist: too few samples for its dimension, or a kernel that is constant "
                "or the identity; use more samples, another sigma, or debiased=false"
            )
        return "the centred kernel of a representation is zero, so CKA does not exist"


def _typical_entry(matrix: torch.Tensor) -> float:
    """The mean off-diagonal entry of a (sample of a) symmetric matrix."""
    n = matrix.shape[0]
    off = matrix.sum(dtype=torch.float64) - matrix.diagonal().sum(dtype=torch.float64)
    return float(off) / (n * (n - 1))
