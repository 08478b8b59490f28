"""Gride: the intrinsic dimension from ratios of any two neighbour distances, at every scale."""

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
from repscape.geometry.ratios import LogRatios, log_ratios, zeros_note
from repscape.geometry.sample import Sample
from repscape.geometry.scales import Scale, choose_scale
from repscape.geometry.standard_errors import error_inflation
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, parameter

_STEPS = 100
_SMALL_STEP = 1e-8
"""Newton steps square the error, so what is left after a step of this size is rounding."""
_OUTLIERS_BEYOND = 20


@dataclass(frozen=True, eq=False)
class GrideFits:
    """Dimensions at S scales, their errors for independent ratios, and every sample's scores.

    `dimensions` and `independent_errors` are (S,), `scores` (N, S) with 0 for ratios not given.
    """

    dimensions: torch.Tensor
    independent_errors: torch.Tensor
    scores: torch.Tensor


def fit_gride(
    log_mu: torch.Tensor,
    n1: torch.Tensor,
    n2: torch.Tensor,
    given: torch.Tensor | None = None,
    corrected: bool = True,
) -> GrideFits:
    """Maximise the likelihood of d for ln(r_{n₂}/r_{n₁}) at S scales at once.

    μ^{−d} ~ Beta(n₁, n₂ − n₁) (Denti et al. 2022, theorem 1). With m = n₂ − n₁ and u = d ln μ the
    root of N* + Σ [(m − 1) u / (1 − e^{−u}) − (n₂ − 1) u] in ln d is found by Newton steps: the
    left side falls monotonically in d, so there is one root and no upper limit. N* is N − 1
    (`corrected`: scale (1, 2) then is TwoNN's maximum likelihood) or N.

    Parameters
    ----------
    log_mu
        (N, S) float64, not negative, each column with a positive value.
    n1, n2
        (S,) neighbour ranks, 1 ≤ n₁ < n₂.
    given
        (N, S) bool: which ratios there are; all if None.
    corrected
        See above.
    """
    n1, n2 = n1.double(), n2.double()
    weight = torch.ones_like(log_mu) if given is None else given.double()
    logs = log_mu * weight
    count = weight.sum(dim=0)
    constant = count - 1 if corrected else count
    # The mean of ln μ is (ψ(n₂) − ψ(n₁))/d: a start close to the root.
    start = count * (torch.digamma(n2) - torch.digamma(n1)) / logs.sum(dim=0)
    log_d = start.log()
    gaps = n2 - n1 - 1
    for _ in range(_STEPS):
        u = logs * log_d.exp()
        ratio, slope = _growth(u)
        value = constant + (weight * (gaps * ratio - (n2 - 1) * u)).sum(dim=0)
        fall = (weight * u * (gaps * slope - (n2 - 1))).sum(dim=0)
        step = (value / fall).clamp(-1.0, 1.0)
        log_d = log_d - step
        if bool((step.abs() <= _SMALL_STEP).all()):
            break
    dimensions = log_d.exp()
    u = logs * dimensions
    ratio, _ = _growth(u)
    scores = weight * (1 + gaps * ratio - (n2 - 1) * u)
    information = count + (gaps * weight * ratio.square() * torch.exp(-u)).sum(dim=0)
    return GrideFits(dimensions, dimensions / information.sqrt(), scores)


def _growth(u: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """u / (1 − e^{−u}) and its derivative, for u ≥ 0."""
    decay = torch.exp(-u)
    gap = -torch.expm1(-u)
    small = u < 1e-4
    safe = torch.where(small, torch.ones_like(u), gap)
    ratio = torch.where(small, 1 + u / 2 + u.square() / 12, u / safe)
    slope = torch.where(small, 0.5 + u / 6, (gap - u * decay) / safe.square())
    return ratio, slope


def typical_ratios(log_mu: torch.Tensor) -> torch.Tensor:
    """Which ratios are no outliers: μ < q₅₀ + 20 (q₉₅ − q₅₀); all if ties make q₉₅ = q₅₀."""
    mu = log_mu.exp()
    middle, high = torch.quantile(mu, torch.tensor([0.5, 0.95], dtype=torch.float64))
    if high == middle:
        return torch.ones_like(mu, dtype=torch.bool)
    kept: torch.Tensor = mu < middle + _OUTLIERS_BEYOND * (high - middle)
    return kept


@dataclass(frozen=True, eq=False)
class GrideCurve:
    """Readings at pairs of ranks, with how many samples were left out at each."""

    readings: tuple[Reading, ...]
    zeros: int
    outliers: int


@one_thread()
def gride_readings(
    table: NeighbourTable,
    pairs: Sequence[tuple[int, int]],
    drop_outliers: bool = True,
    corrected: bool = True,
) -> GrideCurve:
    """Estimate the dimension at every pair of ranks (n₁, n₂) of a table at once."""
    ratios = [log_ratios(table, a, b) for a, b in pairs]
    logs = torch.zeros(table.n, len(pairs), dtype=torch.float64)
    given = torch.zeros_like(logs, dtype=torch.bool)
    for s, ratio in enumerate(ratios):
        kept = typical_ratios(ratio.values) if drop_outliers else torch.ones_like(ratio.rows).bool()
        given[ratio.rows, s] = kept
        logs[ratio.rows, s] = ratio.values
    _check_columns(logs, given, pairs)
    low, high = (torch.tensor(ranks) for ranks in zip(*pairs, strict=True))
    fits = fit_gride(logs, low, high, given, corrected)
    readings = tuple(
        _reading(table, fits, s, pair, ratios[s], int(given[:, s].sum()))
        for s, pair in enumerate(pairs)
    )
    outliers = sum(len(r.values) for r in ratios) - int(given.sum())
    return GrideCurve(readings, max(r.zeros for r in ratios), outliers)


def _reading(
    table: NeighbourTable,
    fits: GrideFits,
    s: int,
    pair: tuple[int, int],
    ratio: LogRatios,
    samples: int,
) -> Reading:
    independent = float(fits.independent_errors[s])
    inflation = error_inflation(fits.scores[:, s], table, pair[1])
    return Reading(
        value=float(fits.dimensions[s]),
        scale=float(pair[1]),
        standard_error=independent * inflation,
        independent_error=independent,
        distance=ratio.distance,
        samples=samples,
    )


def _check_columns(
    logs: torch.Tensor, given: torch.Tensor, pairs: Sequence[tuple[int, int]]
) -> None:
    for s, (a, b) in enumerate(pairs):
        if int(given[:, s].sum()) < 2 or not bool((logs[given[:, s], s] > 0).any()):
            raise UndefinedScoreError(
                f"the {a}. and {b}. neighbours of all samples are equally far (a lattice?), so no "
                "dimension follows from their ratio"
            )


def doubling_ranks(largest: int, n: int) -> list[tuple[int, int]]:
    """The pairs (1, 2), (2, 4), (4, 8), … with the second rank at most `largest` and below n."""
    pairs: list[tuple[int, int]] = []
    rank = 2
    while rank <= min(largest, n - 1):
        pairs.append((rank // 2, rank))
        rank *= 2
    return pairs


@DESCRIPTORS.register
@dataclass(frozen=True)
class Gride(NeighbourDescriptor):
    """Intrinsic dimension from μ = r_{n₂}/r_{n₁} with n₂ = 2 n₁, at n₂ = 2, 4, 8, … .

    p(μ | d) = d (μ^d − 1)^{m−1} / (B(m, n₁) μ^{(n₂−1)d+1}), m = n₂ − n₁ (Denti et al. 2022,
    equation 6). The curve over n₂ is the result; one scale of it stands for the whole: a given
    n₂, or the one that the flattest run of scales suggests.
    """

    largest: int = parameter(64, "the largest neighbour rank n₂ of the curve", minimum=2)
    scale: Scale = parameter(
        Scale.parse("flattest"), "the rank n₂ whose value stands for the curve, or flattest"
    )
    outliers: Literal["drop", "keep"] = parameter(
        "drop", "whether ratios above median + 20 (95 % quantile − median) are left out"
    )
    likelihood: Literal["corrected", "plain"] = parameter(
        "corrected", "N − 1 in the score, which agrees with TwoNN's, or the plain N"
    )
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="gride",
        version=1,
        family="intrinsic dimension",
        quantity="dimension",
        scale="neighbour rank",
        range=(0.0, math.inf),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=3,
        summary="dimension at every scale from ratios of neighbour distances",
        formula="(N−1)/d + (m−1) Σ ln μ/(1−μ^−d) − (n₂−1) Σ ln μ = 0,  μ = r_n₂/r_n₁, m = n₂−n₁",
        cost="one neighbour table (k = largest)",
        citation=Citation(
            "Denti et al. 2022",
            "@article{denti2022generalized,\n"
            "  title={The generalized ratios intrinsic dimension estimator},\n"
            "  author={Denti, Francesco and Doimo, Diego and Laio, Alessandro and Mira, "
            "Antonietta},\n"
            "  journal={Scientific Reports},\n  volume={12},\n  pages={20005},\n  year={2022}\n}",
        ),
        pitfalls=(
            "Larger ranks average over curvature and boundaries and come out smaller. Compare "
            "layers at one scale."
        ),
        aliases={"generalized_ratios": {}},
    )

    @property
    @override
    def chooses_scale(self) -> bool:
        return self.scale.value is None

    @override
    def neighbours_needed(self, n: int) -> int:
        pairs = doubling_ranks(self.largest, n)
        return pairs[-1][1] if pairs else 0

    @override
    def describe(self, sample: Sample) -> Curve:
        sample.check_distinct()
        pairs = doubling_ranks(self.largest, sample.n)
        if not pairs:
            raise TooFewSamplesError(f"Gride needs at least 3 distinct samples, not {sample.n}")
        wanted = self.scale.value
        if wanted is not None and wanted not in [b for _, b in pairs]:
            raise InvalidParameterError(
                f"scale={wanted}: the curve of {sample.n} samples has the ranks "
                f"{', '.join(str(b) for _, b in pairs)}"
            )
        table = sample.neighbours(self.metric, pairs[-1][1])
        curve = gride_readings(
            table, pairs, self.outliers == "drop", self.likelihood == "corrected"
        )
        chosen = choose_scale([curve.readings], wanted)
        notes = zeros_note(curve.zeros)
        if curve.outliers:
            notes += (f"{curve.outliers} outlying ratios were left out, over all scales",)
        return Curve(curve.readings, chosen.position, chosen.reason, notes)
