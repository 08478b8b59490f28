"""The eigenspectrum of the covariance, and the power law it follows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.errors import InvalidParameterError, TooFewSamplesError
from repscape.geometry.base import DESCRIPTORS, Curve, Descriptor, Reading
from repscape.geometry.linear import ParticipationRatio, shares_of_variance
from repscape.geometry.sample import Sample
from repscape.registry import Citation, parameter


@DESCRIPTORS.register
@dataclass(frozen=True)
class Eigenspectrum(Descriptor):
    """The shares of the variance along the leading principal axes, largest first."""

    components: int = parameter(50, "how many axes", minimum=1)

    spec: ClassVar = ParticipationRatio.spec.but(
        name="eigenspectrum",
        family="spectrum and spread",
        quantity="share of variance",
        scale="component",
        range=(0.0, 1.0),
        summary="share of the variance along each principal axis",
        formula="λ_k / Σ λ",
        citation=Citation(
            "Jolliffe 2002",
            "@book{jolliffe2002principal,\n"
            "  title={Principal Component Analysis},\n"
            "  author={Jolliffe, Ian T.},\n  publisher={Springer},\n  year={2002}\n}",
        ),
        pitfalls="Axes beyond the rank have no share and are not listed.",
        aliases={},
    )

    @override
    def describe(self, sample: Sample) -> Curve:
        shares = shares_of_variance(sample.axes().variances)[: self.components]
        readings = tuple(
            Reading(value, scale=float(position), samples=sample.n)
            for position, value in enumerate(shares.tolist(), start=1)
        )
        return Curve(readings, 0, "the first component")


@DESCRIPTORS.register
@dataclass(frozen=True)
class PowerLaw(Descriptor):
    """The exponent α of the eigenspectrum λ_k ∝ k^−α.

    Least squares of ln λ_k on ln k over the components first … last, or up to the rank
    (Stringer et al. 2019). The standard error is that of the regression.
    """

    first: int = parameter(11, "the first component of the fit", minimum=1)
    last: int = parameter(500, "the last component of the fit", minimum=2)

    spec: ClassVar = ParticipationRatio.spec.but(
        name="power_law",
        family="spectrum and spread",
        quantity="exponent",
        scale="component",
        range=(0.0, math.inf),
        minimum_n=3,
        summary="how fast the eigenspectrum falls",
        formula="−slope of ln λ_k on ln k",
        citation=Citation(
            "Stringer et al. 2019",
            "@article{stringer2019high,\n"
            "  title={High-dimensional geometry of population responses in visual cortex},\n"
            "  author={Stringer, Carsen and Pachitariu, Marius and Steinmetz, Nicholas and "
            "Carandini, Matteo and Harris, Kenneth D.},\n"
            "  journal={Nature},\n  volume={571},\n  pages={361--365},\n  year={2019}\n}",
        ),
        pitfalls=(
            "The tail of an empirical spectrum is steeper than the true one unless n ≫ d, and a "
            "straight line can be drawn through anything: look at the spectrum."
        ),
        aliases={"spectral_slope": {}},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.last < self.first + 2:
            raise InvalidParameterError(
                f"power_law[first={self.first},last={self.last}]: a slope with an error needs at "
                "least three components"
            )

    @override
    def describe(self, sample: Sample) -> Curve:
        variances = sample.axes().variances
        last = min(self.last, len(variances))
        if last < self.first + 2:
            raise TooFewSamplesError(
                f"the representation has rank {len(variances)}, but components {self.first} to "
                f"{self.last} were asked for: use a smaller first, e.g. power_law[first=1,last="
                f"{max(3, len(variances))}]"
            )
        components = torch.arange(self.first, last + 1, dtype=torch.float64)
        slope, error = _regression(components.log(), variances[self.first - 1 : last].log().cpu())
        notes: tuple[str, ...] = ()
        if last < self.last:
            notes = (f"fitted up to component {last}, the rank",)
        reading = Reading(-slope, float(last), error, samples=sample.n)
        return Curve((reading,), notes=notes)


def _regression(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """The slope of y on x with its standard error."""
    x, y = x - x.mean(), y - y.mean()
    slope = float(x @ y) / float(x @ x)
    left = float((y - slope * x).square().sum())
    return slope, (left / (len(x) - 2) / float(x @ x)) ** 0.5
