"""How the samples lie: directions (anisotropy), lengths (norms), classes (separability)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from typing_extensions import override

from repscape.compute.arrays import row_blocks
from repscape.errors import TooFewSamplesError, UndefinedScoreError
from repscape.geometry.base import DESCRIPTORS, Curve, Descriptor, DescriptorSpec, Reading
from repscape.geometry.sample import Sample
from repscape.registry import Citation, parameter
from repscape.transforms import column_mean

_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
_ABOUT_ORIGIN = frozenset(
    {"orthogonal", "permutation", "isotropic_scaling", "zero_columns", "sample_order"}
)


@DESCRIPTORS.register
@dataclass(frozen=True)
class Anisotropy(Descriptor):
    """The mean cosine between different samples, exactly, from the sum of the unit rows.

    (‖Σ_i u_i‖² − n) / (n (n − 1)), u_i = x_i/‖x_i‖ (Ethayarajh 2019). 0 where directions are
    uniform, 1 where all samples point one way. Centred, it is near 0 for any cloud around its
    mean and tells of outlying directions only.
    """

    centred: bool = parameter(False, "subtract the mean of every feature first")

    spec: ClassVar = DescriptorSpec(
        name="anisotropy",
        version=1,
        family="spectrum and spread",
        quantity="mean cosine",
        scale="",
        range=(-1.0, 1.0),
        invariances=_ABOUT_ORIGIN,
        minimum_n=2,
        summary="mean cosine between two samples",
        formula="(‖Σ u_i‖² − n) / (n (n − 1)), u_i = x_i/‖x_i‖",
        cost="n d",
        citation=Citation(
            "Ethayarajh 2019",
            "@inproceedings{ethayarajh2019contextual,\n"
            "  title={How Contextual are Contextualized Word Representations? Comparing the "
            "Geometry of {BERT}, {ELMo}, and {GPT-2} Embeddings},\n"
            "  author={Ethayarajh, Kawin},\n  booktitle={EMNLP-IJCNLP},\n  year={2019}\n}",
        ),
        pitfalls="A common offset or one massive feature decides it.",
        aliases={"mean_cosine": {}},
    )

    @property
    @override
    def declared(self) -> DescriptorSpec:
        if not self.centred:
            return self.spec
        return self.spec.but(invariances=self.spec.invariances | {"translation"})

    @override
    def describe(self, sample: Sample) -> Curve:
        x, _ = sample.scaled_features()
        n = sample.n
        if n < 2:
            raise TooFewSamplesError(f"a mean cosine needs at least 2 distinct samples, not {n}")
        mean = column_mean(x) if self.centred else torch.zeros(x.shape[1], device=x.device)
        total = torch.zeros(x.shape[1], dtype=torch.float64, device=x.device)
        for unit in _unit_rows(x, mean):
            total += unit.sum(dim=0)
        value = (float(total @ total) - n) / (n * (n - 1))
        # The mean cosine of sample i with the others is its influence, up to a constant.
        own = torch.cat([unit @ total - 1 for unit in _unit_rows(x, mean)]) / (n - 1)
        error = 2 * float((own - value).square().sum() / max(1, n - 1) / n) ** 0.5
        return Curve((Reading(value, standard_error=error, samples=n),))


@DESCRIPTORS.register
@dataclass(frozen=True)
class Norms(Descriptor):
    """The distribution of the Euclidean norms of the samples: quantiles from 0 to 1."""

    centred: bool = parameter(False, "subtract the mean of every feature first")

    spec: ClassVar = DescriptorSpec(
        name="norms",
        version=1,
        family="spectrum and spread",
        quantity="norm",
        scale="quantile",
        range=(0.0, math.inf),
        invariances=frozenset({"orthogonal", "permutation", "zero_columns", "sample_order"}),
        minimum_n=1,
        summary="quantiles of the norms of the samples",
        formula="quantiles of ‖x_i‖",
        cost="n d",
        citation=Citation(
            "Kobayashi et al. 2020",
            "@inproceedings{kobayashi2020attention,\n"
            "  title={Attention is Not Only a Weight: Analyzing Transformers with Vector Norms},\n"
            "  author={Kobayashi, Goro and Kuribayashi, Tatsuki and Yokoi, Sho and Inui, "
            "Kentaro},\n  booktitle={EMNLP},\n  year={2020}\n}",
        ),
        aliases={"norm_distribution": {}},
    )

    @property
    @override
    def declared(self) -> DescriptorSpec:
        if not self.centred:
            return self.spec
        return self.spec.but(invariances=self.spec.invariances | {"translation"})

    @override
    def describe(self, sample: Sample) -> Curve:
        x, unit = sample.scaled_features()
        mean = column_mean(x) if self.centred else torch.zeros(x.shape[1], device=x.device)
        norms = torch.cat([(x[i].double() - mean).norm(dim=1) for i in row_blocks(sample.n)]).cpu()
        if math.isinf(float(norms.max()) * unit):
            raise UndefinedScoreError(
                "the largest norm is more than float64 holds (1.8e308): bring the values to "
                "another unit first"
            )
        spread = float(norms.std()) * unit if sample.n > 1 else None
        # NumPy, since torch.quantile refuses more than 2²⁴ values.
        values = np.quantile(norms.numpy(), _QUANTILES) * unit
        readings = tuple(
            Reading(float(value), scale=level, samples=sample.n, spread=spread)
            for level, value in zip(_QUANTILES, values, strict=True)
        )
        return Curve(readings, _QUANTILES.index(0.5), "the median")


@DESCRIPTORS.register
@dataclass(frozen=True)
class ClassSeparability(Descriptor):
    """How far classes spread, over how far they are apart: smaller is better separated.

    tr Σ_W / tr Σ_B with Σ_W the mean over samples of the squared distance to the class mean and
    Σ_B that of the class mean to the mean of all (Papyan et al. 2020 use the same two matrices).
    0 where every class is one point; infinite, and refused, where all class means agree.
    """

    spec: ClassVar = DescriptorSpec(
        name="class_separability",
        version=1,
        family="spectrum and spread",
        quantity="within / between",
        scale="",
        range=(0.0, math.inf),
        invariances=_ABOUT_ORIGIN | {"translation"},
        minimum_n=3,
        summary="variance within classes over variance between them",
        formula="Σ_i ‖x_i − m_{y_i}‖² / Σ_i ‖m_{y_i} − m‖²",
        cost="n d",
        needs_labels=True,
        citation=Citation(
            "Papyan et al. 2020",
            "@article{papyan2020prevalence,\n"
            "  title={Prevalence of neural collapse during the terminal phase of deep learning "
            "training},\n"
            "  author={Papyan, Vardan and Han, X. Y. and Donoho, David L.},\n"
            "  journal={PNAS},\n  volume={117},\n  pages={24652--24663},\n  year={2020}\n}",
        ),
        pitfalls="Classes of one sample spread nowhere. By chance it is about (n − C)/(C − 1).",
    )

    @override
    def describe(self, sample: Sample) -> Curve:
        x, _ = sample.scaled_features()
        codes = torch.from_numpy(sample.classes()).to(x.device)
        sizes = torch.bincount(codes).double()
        classes = len(sizes)
        if sample.n == classes:
            raise TooFewSamplesError(
                f"the {classes} classes have one sample each, so nothing spreads within them"
            )
        mean = column_mean(x)
        sums = torch.zeros(classes, x.shape[1], dtype=torch.float64, device=x.device)
        for i in row_blocks(sample.n):
            sums.index_add_(0, codes[i], x[i].double() - mean)
        means = sums / sizes[:, None]
        between = float(sizes @ means.square().sum(dim=1))
        within = 0.0
        for i in row_blocks(sample.n):
            within += float((x[i].double() - mean - means[codes[i]]).square().sum())
        if between == 0:
            raise UndefinedScoreError("all classes have the same mean, so nothing is between them")
        chance = (sample.n - classes) / (classes - 1)
        return Curve((Reading(within / between, samples=sample.n, chance=chance),))


def _unit_rows(x: torch.Tensor, mean: torch.Tensor) -> Iterator[torch.Tensor]:
    """The rows less the mean, divided by their norms, block by block."""
    for i in row_blocks(x.shape[0]):
        rows = x[i].double() - mean
        norms = rows.norm(dim=1)
        if bool((norms == 0).any()):
            row = i.start + int((norms == 0).nonzero()[0, 0])
            raise UndefinedScoreError(
                f"row {row} is zero everywhere, or as good as zero beside others, so its cosine "
                "with them does not exist: drop those samples"
            )
        yield rows / norms[:, None]
