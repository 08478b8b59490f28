"""Linear dimensions: how many principal axes the variance is spread over."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.geometry.base import DESCRIPTORS, Curve, Descriptor, DescriptorSpec, Reading
from repscape.geometry.sample import Sample
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, parameter

_COST = "n d² + d³, or n² d + n³ where n < d"


@DESCRIPTORS.register
@dataclass(frozen=True)
class ParticipationRatio(Descriptor):
    """(Σ λ)² / Σ λ² of the variances along the principal axes.

    1 where one axis has all the variance, d where all have the same (Gao et al. 2017).
    """

    spec: ClassVar = DescriptorSpec(
        name="participation_ratio",
        version=1,
        family="linear dimension",
        quantity="dimension",
        scale="",
        range=(1.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=2,
        summary="over how many axes the variance is spread",
        formula="(Σ λ)² / Σ λ²",
        cost=_COST,
        citation=Citation(
            "Gao et al. 2017",
            "@article{gao2017theory,\n"
            "  title={A theory of multineuronal dimensionality, dynamics and measurement},\n"
            "  author={Gao, Peiran and Trautmann, Eric and Yu, Byron and Santhanam, Gopal and "
            "Ryu, Stephen and Shenoy, Krishna and Ganguli, Surya},\n"
            "  journal={bioRxiv},\n  year={2017}\n}",
        ),
        pitfalls="One massive feature makes it 1. At most n − 1, and biased down for n near it.",
        aliases={"effective_dimension": {}},
    )

    @override
    def describe(self, sample: Sample) -> Curve:
        axes = sample.axes()
        total, squares = axes.total, float(axes.variances.square().sum())
        value = total**2 / squares
        gradient = 2 * total / squares - 2 * total**2 * axes.variances / squares**2
        error = axes.error_of(gradient)
        return Curve((Reading(value, standard_error=error, samples=sample.n),))


@DESCRIPTORS.register
@dataclass(frozen=True)
class EffectiveRank(Descriptor):
    """exp(−Σ p ln p), the exponential of the entropy of the spectrum's shares p.

    Shares of the singular values of the centred values (Roy & Vetterli 2007, definition 1), or
    of the variances, their squares.
    """

    of: Literal["singular_values", "variances"] = parameter(
        "singular_values", "what the shares are shares of"
    )

    spec: ClassVar = DescriptorSpec(
        name="effective_rank",
        version=1,
        family="linear dimension",
        quantity="dimension",
        scale="",
        range=(1.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=2,
        summary="exponential of the entropy of the spectrum",
        formula="exp(−Σ p ln p), p = σ/Σσ",
        cost=_COST,
        citation=Citation(
            "Roy & Vetterli 2007",
            "@inproceedings{roy2007effective,\n"
            "  title={The effective rank: A measure of effective dimensionality},\n"
            "  author={Roy, Olivier and Vetterli, Martin},\n"
            "  booktitle={EUSIPCO},\n  year={2007}\n}",
        ),
        pitfalls="Shares of singular values weigh small axes, noise included, more than variances.",
    )

    @override
    def describe(self, sample: Sample) -> Curve:
        axes = sample.axes()
        roots = axes.variances.sqrt() if self.of == "singular_values" else axes.variances
        shares = roots / roots.sum()
        entropy = -float((shares * shares.log()).sum())
        value = math.exp(entropy)
        gradient = -value * (shares.log() + entropy) / roots.sum()
        if self.of == "singular_values":
            gradient = gradient / (2 * roots)
        error = axes.error_of(gradient)
        return Curve((Reading(value, standard_error=error, samples=sample.n),))


@DESCRIPTORS.register
@dataclass(frozen=True)
class VarianceDimension(Descriptor):
    """The fewest principal axes that hold a given share of the variance."""

    variance: float = parameter(0.99, "the share of the variance", minimum=0.0, maximum=1.0)

    spec: ClassVar = DescriptorSpec(
        name="variance_dimension",
        version=1,
        family="linear dimension",
        quantity="dimension",
        scale="",
        range=(1.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=2,
        summary="how many principal axes hold a share of the variance",
        formula="min {r: Σ_{k≤r} λ_k ≥ variance · Σ λ_k}",
        cost=_COST,
        citation=Citation(
            "Jolliffe 2002",
            "@book{jolliffe2002principal,\n"
            "  title={Principal Component Analysis},\n"
            "  author={Jolliffe, Ian T.},\n  publisher={Springer},\n  year={2002}\n}",
        ),
        pitfalls="A whole number, so it has no standard error; it grows with n until n ≫ d.",
        aliases={"pca_dimension": {}},
    )

    @override
    def describe(self, sample: Sample) -> Curve:
        variances = sample.axes().variances
        cumulative = variances.cumsum(0)
        needed = self.variance * cumulative[-1]
        value = min(len(variances), int((cumulative < needed).sum()) + 1)
        return Curve((Reading(float(value), samples=sample.n),))


def shares_of_variance(variances: torch.Tensor) -> torch.Tensor:
    """The variances as shares of their sum."""
    shares: torch.Tensor = variances / variances.sum()
    return shares
