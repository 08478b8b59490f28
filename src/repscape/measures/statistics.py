"""Differences of one-number statistics: magnitude, concentricity, uniformity."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.arrays import check_squares, row_blocks
from repscape.compute.rows import Rows
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.registry import Citation, parameter
from repscape.transforms import column_mean

_TILE_ROWS = 2048
_KLABUNDE_2025 = Citation(
    "Klabunde et al. 2025",
    "@article{klabunde2025similarity,\n"
    "  title={Similarity of Neural Network Models: A Survey of Functional and Representational "
    "Measures},\n"
    "  author={Klabunde, Max and Schumacher, Tobias and Strohmaier, Markus and Lemmerich, "
    "Florian},\n  journal={ACM Computing Surveys},\n  year={2025}\n}",
)


@MEASURES.register
@dataclass(frozen=True)
class MagnitudeDifference(Measure[float]):
    """|‖x̄‖ - ‖ȳ‖|: the difference of the norms of the mean samples, in units of the features."""

    spec: ClassVar = MeasureSpec(
        name="magnitude_difference",
        version=1,
        family="statistics",
        kind="distance",
        range=(0.0, math.inf),
        symmetric=True,
        metric=True,
        matches_samples=False,
        invariances=frozenset({"orthogonal", "permutation"}),
        minimum_n=1,
        summary="difference of the norms of the mean samples",
        formula="| ||mean_i x_i|| - ||mean_i y_i|| |",
        cost="n·d per representation",
        pitfalls="Zero does not mean equal: one number of each side is compared.",
        citation=_KLABUNDE_2025,
    )

    def prepare(self, x: torch.Tensor) -> float:
        """‖x̄‖."""
        check_squares(x)
        return float(column_mean(x).norm())

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 8

    @override
    def compare(self, a: float, b: float) -> float:
        return abs(a - b)


@MEASURES.register
@dataclass(frozen=True)
class ConcentricityDifference(Measure[float]):
    """|c(X) - c(Y)| with c = mean_i cos(x_i, x̄), how closely the samples surround their mean.

    Raises `UndefinedScoreError` for a zero sample or a zero mean, which have no direction.
    """

    spec: ClassVar = MeasureSpec(
        name="concentricity_difference",
        version=1,
        family="statistics",
        kind="distance",
        range=(0.0, 2.0),
        symmetric=True,
        metric=True,
        matches_samples=False,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling"}),
        minimum_n=1,
        summary="difference of the mean cosines between the samples and their mean",
        formula="| mean_i cos(x_i, mean x) - mean_i cos(y_i, mean y) |",
        cost="n·d per representation",
        pitfalls=(
            "Zero does not mean equal: one number of each side is compared. Centred data have no "
            "concentricity."
        ),
        citation=_KLABUNDE_2025,
    )

    def prepare(self, x: torch.Tensor) -> float:
        """mean_i cos(x_i, x̄)."""
        mean = column_mean(x)
        norms = torch.cat([x[i].double().norm(dim=1) for i in row_blocks(x.shape[0])])
        zero = (norms == 0).nonzero()
        if len(zero):
            raise UndefinedScoreError(
                f"row {int(zero[0])} is zero everywhere ({len(zero)} such rows), so it has no "
                "direction: drop those samples"
            )
        size = mean.norm()
        # The mean of centred values is rounding, of the size of ε in their own dtype.
        if size <= torch.finfo(x.dtype).eps * norms.mean():
            raise UndefinedScoreError(
                "the mean sample is zero, so nothing has a direction from it: the concentricity of "
                "centred data does not exist"
            )
        cosines = [(x[i].double() @ mean) / norms[i] for i in row_blocks(x.shape[0])]
        return float(torch.cat(cosines).mean() / size)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 8

    @override
    def compare(self, a: float, b: float) -> float:
        return abs(a - b)


@dataclass(frozen=True)
class PairPotential:
    """log Σ_{i≠j} exp(-t‖x_i - x_j‖²), and the number of samples."""

    log_sum: float
    n: int


@MEASURES.register
@dataclass(frozen=True)
class UniformityDifference(Measure[PairPotential]):
    """|u(X) - u(Y)| with u = log mean exp(-t‖x_i - x_j‖²) (Wang and Isola 2020, section 4.1.2).

    The mean is over i ≠ j or, with `diagonal`, over all i and j, where the n terms i = j are 1.
    Sums are formed from logarithms, so that nothing underflows at any size of the features.
    """

    t: float = parameter(2.0, "the exponent's factor", minimum=1e-12)
    diagonal: bool = parameter(False, "count the terms i = j, too, which are always 1")

    spec: ClassVar = MeasureSpec(
        name="uniformity_difference",
        version=1,
        family="statistics",
        kind="distance",
        range=(0.0, math.inf),
        symmetric=True,
        metric=True,
        matches_samples=False,
        invariances=frozenset({"orthogonal", "permutation", "translation"}),
        minimum_n=2,
        summary="difference of how evenly the samples spread",
        formula="| u(X) - u(Y) | with u = log mean exp(-t ||x_i - x_j||^2)",
        cost="n²d/2 per representation",
        pitfalls=(
            "Meant for unit rows ('unit_rows|uniformity_difference'). On raw activations the "
            "closest pair decides the value; with the diagonal it is then 0 but for rounding."
        ),
        citation=Citation(
            "Wang and Isola 2020",
            "@inproceedings{wang2020understanding,\n"
            "  title={Understanding Contrastive Representation Learning through Alignment and "
            "Uniformity on the Hypersphere},\n"
            "  author={Wang, Tongzhou and Isola, Phillip},\n  booktitle={ICML},\n  year={2020}\n}",
        ),
    )

    def prepare(self, x: torch.Tensor) -> PairPotential:
        """The log-sum over all pairs of samples, by tiles."""
        check_squares(x)
        rows = Rows(x, "centred")
        blocks = list(row_blocks(rows.n, _TILE_ROWS))
        logs = [self._tile_log_sum(rows, i, j) for p, i in enumerate(blocks) for j in blocks[p:]]
        log_sum = float(torch.logsumexp(torch.stack(logs), dim=0)) + math.log(2.0)
        return PairPotential(log_sum, rows.n)

    def _tile_log_sum(self, rows: Rows, i: slice, j: slice) -> torch.Tensor:
        """The log-sum of one tile; of a tile on the diagonal, its part above the diagonal."""
        norms = rows.squared_norms
        squared = norms[i, None] + norms[j] - 2.0 * (rows.block64(i) @ rows.block64(j).T)
        # Rounding may bring the distance of equal rows below 0.
        exponents = squared.clamp_(min=0.0).mul_(-self.t)
        if i == j:
            lower = torch.ones_like(exponents, dtype=torch.bool).tril_()
            exponents.masked_fill_(lower, -math.inf)
        return torch.logsumexp(exponents.flatten(), dim=0)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 16

    @override
    def compare(self, a: PairPotential, b: PairPotential) -> float:
        if not self.diagonal:
            return abs(a.log_sum - b.log_sum)
        return abs(self._with_diagonal(a) - self._with_diagonal(b))

    def _with_diagonal(self, pairs: PairPotential) -> float:
        """log(1 + (Σ_{i≠j} …)/n), which differs from u by log n."""
        ratio = pairs.log_sum - math.log(pairs.n)
        return math.log1p(math.exp(ratio)) if ratio < 0 else ratio + math.log1p(math.exp(-ratio))
