"""The density of samples from the distance to their k-th neighbour."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable
from repscape.errors import InvalidParameterError
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    Reading,
    metric_parameter,
)
from repscape.geometry.gride import gride_readings
from repscape.geometry.pointwise import refuse_zero_distances
from repscape.geometry.sample import Sample
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, format_number, parameter

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@dataclass(frozen=True)
class Dimension:
    """The dimension of a density: a number, or `gride`, estimated from the same k neighbours."""

    value: float | None

    @classmethod
    def parse(cls, text: str) -> Dimension:
        """Read `gride` or a positive number; raise `InvalidParameterError` otherwise."""
        if text.strip() == "gride":
            return cls(None)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 < value < math.inf:
            raise InvalidParameterError(f"dimension={text}: write gride or a positive number")
        return cls(value)

    def __str__(self) -> str:
        return "gride" if self.value is None else format_number(self.value)


def log_density(table: NeighbourTable, k: int, dimension: float) -> torch.Tensor:
    """The logarithm of the density of every sample, (n,) float64; σ = 1/√k at each.

    ln ρ_i = ln k − ln ω_d − d ln r_k(i) − ln n with ω_d = π^{d/2} / Γ(d/2 + 1), the volume of the
    unit ball: all in logarithms, so that no dimension is too large.
    """
    log_unit_ball = dimension / 2 * math.log(math.pi) - math.lgamma(dimension / 2 + 1)
    constant = math.log(k) - log_unit_ball - math.log(table.n)
    density: torch.Tensor = constant - dimension * table.distances[:, k - 1].log()
    return density


@DESCRIPTORS.register
@dataclass(frozen=True)
class KNNDensity(NeighbourDescriptor):
    """The distribution over samples of the log density from the k-th neighbour distance.

    ln ρ_i = ln k − ln ω_d − d ln r_k(i) − ln n (Loftsgaarden & Quesenberry 1965), per unit of
    d-dimensional volume, with d a number or the estimate of Gride at the ranks k/2 and k.
    `repscape.geometry.density.log_density` gives the value at every sample.
    """

    k: int = parameter(16, "which neighbour", minimum=2)
    dimension: Dimension = parameter(
        Dimension.parse("gride"), "dimension of the volume: a number, or gride at the same scale"
    )
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="knn_density",
        version=1,
        family="spectrum and spread",
        quantity="log density",
        scale="quantile",
        range=(-math.inf, math.inf),
        invariances=DIMENSION_INVARIANCES - {"isotropic_scaling"},
        minimum_n=3,
        summary="quantiles of the log density of the samples",
        formula="ln k − ln ω_d − d ln r_k − ln n",
        cost="one neighbour table (k)",
        citation=Citation(
            "Loftsgaarden & Quesenberry 1965",
            "@article{loftsgaarden1965nonparametric,\n"
            "  title={A nonparametric estimate of a multivariate density function},\n"
            "  author={Loftsgaarden, Don O. and Quesenberry, Charles P.},\n"
            "  journal={The Annals of Mathematical Statistics},\n  volume={36},\n"
            "  pages={1049--1051},\n  year={1965}\n}",
        ),
        pitfalls="Densities of different dimensions have different units and cannot be compared.",
    )

    @property
    @override
    def declared(self) -> DescriptorSpec:
        return super().declared.but(minimum_n=self.k + 1)

    @override
    def neighbours_needed(self, n: int) -> int:
        return self.k

    @override
    def describe(self, sample: Sample) -> Curve:
        table = sample.neighbours(self.metric, self.k)
        refuse_zero_distances(table)
        dimension = self.dimension.value
        notes: tuple[str, ...] = ()
        if dimension is None:
            dimension = gride_readings(table, [(self.k // 2, self.k)]).readings[0].value
            notes = (f"dimension {dimension:.4g}, estimated by Gride at rank {self.k}",)
        values = log_density(table, self.k, dimension)
        levels = np.quantile(values.numpy(), _QUANTILES)
        readings = tuple(
            Reading(float(value), scale=level, samples=sample.n, spread=float(values.std()))
            for level, value in zip(_QUANTILES, levels, strict=True)
        )
        return Curve(readings, _QUANTILES.index(0.5), "the median", notes)
