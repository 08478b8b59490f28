"""TwoNN: the intrinsic dimension from the ratio of the first two neighbour distances."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable
from repscape.compute.threads import one_thread
from repscape.errors import InvalidParameterError, TooFewSamplesError, UndefinedScoreError
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    Reading,
    metric_parameter,
)
from repscape.geometry.ratios import log_ratios, scattered, zeros_note
from repscape.geometry.sample import Sample
from repscape.geometry.standard_errors import error_inflation
from repscape.geometry.subsets import random_subsets
from repscape.registry import Citation, parameter

Method = Literal["linear", "mle", "censored"]
DIMENSION_INVARIANCES = frozenset(
    {
        "orthogonal",
        "permutation",
        "isotropic_scaling",
        "translation",
        "zero_columns",
        "sample_order",
    }
)
_FACCO = Citation(
    "Facco et al. 2017",
    "@article{facco2017estimating,\n"
    "  title={Estimating the intrinsic dimension of datasets by a minimal neighborhood "
    "information},\n"
    "  author={Facco, Elena and d'Errico, Maria and Rodriguez, Alex and Laio, Alessandro},\n"
    "  journal={Scientific Reports},\n  volume={7},\n  pages={12140},\n  year={2017}\n}",
)


@dataclass(frozen=True)
class TwoNNFit:
    """A dimension from N log ratios, with the error for independent ratios and their scores."""

    dimension: float
    independent_error: float
    scores: torch.Tensor


def fit_twonn(log_mu: torch.Tensor, method: Method, fraction: float = 0.9) -> TwoNNFit:
    """Estimate d from x = ln μ ~ Exp(d), (N,) float64.

    linear: least squares through the origin of y_j = −ln(1 − j/N) on the sorted x_j, j ≤ ⌊fN⌋,
    so d = Σ x_j y_j / Σ x_j². mle: (N − 1) / Σ x. censored: (m − 1) / (Σ_{j≤m} x_j + (N − m) x_m)
    with m = ⌊fN⌋, the maximum likelihood when the largest ratios are only known to be large.

    Raises
    ------
    TooFewSamplesError
        Fewer than three ratios, or fewer than two below the fraction.
    UndefinedScoreError
        All ratios used are 1.
    """
    count = len(log_mu)
    used = count if method == "mle" else int(fraction * count)
    if count < 3 or used < 2:
        raise TooFewSamplesError(
            f"TwoNN needs at least 3 samples, and 2 within the fraction, but {used} of {count} are"
        )
    if method == "linear" and used == count:
        raise InvalidParameterError(
            f"fraction={fraction:g} of {count} samples leaves none out, and the linear fit has no "
            "ordinate for the largest ratio: use a smaller fraction, or method=mle"
        )
    ordered = log_mu.sort().values
    kept = ordered[:used]
    total = float(kept.sum()) + (count - used) * float(kept[-1])
    if total == 0:
        raise UndefinedScoreError(
            f"the first two neighbours of {used} of {count} samples are equally far, so no "
            "dimension follows"
        )
    if method == "linear":
        ranks = torch.arange(1, used + 1, dtype=torch.float64)
        ordinates = -torch.log1p(-ranks / count)
        dimension = float(kept @ ordinates) / float(kept @ kept)
        error = dimension * _linear_error(ordinates, count)
    else:
        dimension = (used - 1) / total
        error = dimension / math.sqrt(used)
    events = (log_mu <= kept[-1]).double()
    scores = events - log_mu.clamp(max=float(kept[-1])) * float(events.sum()) / total
    return TwoNNFit(dimension, error, scores)


def _linear_error(ordinates: torch.Tensor, count: int) -> float:
    """The relative standard error of the linear fit, to first order.

    With Rényi's representation x_j = Σ_{i≤j} E_i / (d (N − i + 1)), E_i ~ Exp(1), the derivative
    of the fit at the expected x gives var(d̂)/d² = Σ_i (S_i / (N − i + 1))² / (Σ y²)², where
    S_i = Σ_{j≥i} y_j.
    """
    tails = ordinates.flip(0).cumsum(0).flip(0)
    left = count - torch.arange(len(ordinates), dtype=torch.float64)
    variance = float((tails / left).square().sum()) / float(ordinates.square().sum()) ** 2
    return math.sqrt(variance)


@one_thread()
def twonn_reading(
    tables: Sequence[NeighbourTable], method: Method, fraction: float
) -> tuple[Reading, int]:
    """The mean over tables of subsets, and how many samples at distance zero were left out."""
    fits, ratios = [], []
    for table in tables:
        ratio = log_ratios(table, 1, 2)
        fit = fit_twonn(ratio.values, method, fraction)
        inflation = error_inflation(scattered(fit.scores, ratio.rows, table.n), table, 2)
        ratios.append(ratio)
        fits.append((fit.dimension, fit.independent_error * inflation, fit.independent_error))
    values, errors, independent = torch.tensor(fits, dtype=torch.float64).T
    subsets = len(tables)
    reading = Reading(
        value=float(values.mean()),
        standard_error=float(errors.square().mean() / subsets) ** 0.5,
        independent_error=float(independent.square().mean() / subsets) ** 0.5,
        distance=sum(ratio.distance for ratio in ratios) / subsets,
        samples=sum(len(ratio.values) for ratio in ratios),
        spread=float(values.std()) if subsets > 1 else None,
    )
    return reading, sum(ratio.zeros for ratio in ratios)


@DESCRIPTORS.register
@dataclass(frozen=True)
class TwoNN(NeighbourDescriptor):
    """Intrinsic dimension from μ = r₂/r₁, which follows a Pareto law with exponent d.

    linear: the slope through the origin of −ln(1 − F(μ)) on ln μ, with the largest ratios
    discarded from the fit while F keeps all N (Facco et al. 2017, equation 7). mle:
    (N − 1)/Σ ln μ. censored: the maximum likelihood when the largest 1 − fraction of the ratios
    are only known to be large, which keeps outliers from dominating.

    With decimation D the estimate is the mean over subsets of N/D samples, whose neighbours are
    further apart: a larger scale.
    """

    method: Literal["linear", "mle", "censored"] = parameter("linear", "how d is fitted to the μ")
    fraction: float = parameter(
        0.9, "share of the smallest μ that the fit uses", minimum=0.01, maximum=1.0
    )
    decimation: int = parameter(1, "subsets have N/decimation samples", minimum=1)
    subsets: int = parameter(1, "how many subsets are averaged", minimum=1)
    disjoint: bool = parameter(True, "whether no sample is in two subsets")
    seed: int = parameter(0, "seed of the choice of subsets", minimum=0)
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="twonn",
        version=1,
        family="intrinsic dimension",
        quantity="dimension",
        scale="samples",
        range=(0.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=3,
        summary="dimension from the ratio of the first two neighbour distances",
        formula="d = Σ x_j y_j / Σ x_j²,  x = ln(r₂/r₁) sorted, y_j = −ln(1 − j/N)",
        cost="one neighbour table (k = 2); with decimation, subsets × (N/decimation)² d more",
        citation=_FACCO,
        pitfalls=(
            "It sees the smallest scale, where noise fills all directions. Dimensions above 10 "
            "come out too small at any affordable n. Call it an estimate and compare with "
            "controls."
        ),
        aliases={"id": {"method": "linear"}},
    )

    @override
    def irrelevant(self) -> frozenset[str]:
        without = {"fraction"} if self.method == "mle" else set()
        if self.decimation == 1:
            without |= {"subsets", "disjoint", "seed"}
        return frozenset(without)

    @property
    @override
    def declared(self) -> DescriptorSpec:
        spec = super().declared
        if self.decimation == 1:
            return spec
        return spec.but(
            invariances=spec.invariances - {"sample_order"}, minimum_n=3 * self.decimation
        )

    @override
    def neighbours_needed(self, n: int) -> int:
        return 2 if self.decimation == 1 else 0

    @override
    def describe(self, sample: Sample) -> Curve:
        sample.check_distinct()
        size = sample.n // self.decimation
        if self.decimation == 1:
            tables = [sample.neighbours(self.metric, 2)]
        else:
            rows = random_subsets(sample.n, size, self.subsets, self.disjoint, self.seed)
            tables = [sample.subset_neighbours(each, self.metric, 2) for each in rows]
        reading, zeros = twonn_reading(tables, self.method, self.fraction)
        scaled = Reading(**{**reading.__dict__, "scale": float(size)})
        return Curve((scaled,), notes=zeros_note(zeros))
