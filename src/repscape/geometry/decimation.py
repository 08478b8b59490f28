"""The scale curve by decimation: TwoNN on all samples, on halves, on quarters, …"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar, Literal

from typing_extensions import override

from repscape.errors import InvalidParameterError, TooFewSamplesError
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    Metric,
    NeighbourDescriptor,
    metric_parameter,
)
from repscape.geometry.ratios import zeros_note
from repscape.geometry.sample import Sample
from repscape.geometry.scales import Scale, choose_scale
from repscape.geometry.subsets import random_subsets
from repscape.geometry.twonn import DIMENSION_INVARIANCES, TwoNN, twonn_reading
from repscape.registry import parameter


@DESCRIPTORS.register
@dataclass(frozen=True)
class TwoNNScaling(NeighbourDescriptor):
    """TwoNN on partitions of the samples into 1, 2, 4, … disjoint random parts.

    Fewer samples are further apart, so the curve over the size of a part is a curve over scales
    (Facco et al. 2017, figure 3). Every part of a partition is used; the value is the mean over
    the parts, the spread their standard deviation.
    """

    method: Literal["linear", "mle", "censored"] = parameter("linear", "how d is fitted to the μ")
    fraction: float = parameter(
        0.9, "share of the smallest μ that the fit uses", minimum=0.01, maximum=1.0
    )
    smallest: int = parameter(500, "the fewest samples of a part", minimum=3)
    scale: Scale = parameter(
        Scale.parse("flattest"), "the size of a part that stands for the curve, or flattest"
    )
    seed: int = parameter(0, "seed of the partitions", minimum=0)
    metric: Metric = metric_parameter()

    spec: ClassVar = TwoNN.spec.but(
        name="twonn_scaling",
        scale="samples",
        invariances=DIMENSION_INVARIANCES - {"sample_order"},
        summary="TwoNN on ever smaller disjoint parts of the samples: dimension by scale",
        cost="about 2 N² d",
        pitfalls="Parts below some hundred samples mean little.",
        aliases={},
    )

    @override
    def irrelevant(self) -> frozenset[str]:
        return frozenset({"fraction"}) if self.method == "mle" else frozenset()

    @property
    @override
    def chooses_scale(self) -> bool:
        return self.scale.value is None

    @override
    def neighbours_needed(self, n: int) -> int:
        return 2

    @override
    def describe(self, sample: Sample) -> Curve:
        sample.check_distinct()
        if sample.n < self.smallest:
            raise TooFewSamplesError(
                f"smallest={self.smallest}: there are only {sample.n} distinct samples"
            )
        readings, zeros = [], 0
        for level in range(int(math.log2(sample.n / self.smallest)) + 1):
            parts = 2**level
            size = sample.n // parts
            if parts == 1:
                tables = [sample.neighbours(self.metric, 2)]
            else:
                rows = random_subsets(sample.n, size, parts, True, self.seed + level)
                tables = [sample.subset_neighbours(each, self.metric, 2) for each in rows]
            reading, left_out = twonn_reading(tables, self.method, self.fraction)
            readings.append(replace(reading, scale=float(size)))
            zeros = max(zeros, left_out)
        sizes = [reading.scale for reading in readings]
        if self.scale.value is not None and float(self.scale.value) not in sizes:
            shown = ", ".join(f"{size:g}" for size in sizes)
            raise InvalidParameterError(f"scale={self.scale}: the curve has the sizes {shown}")
        chosen = choose_scale([readings], self.scale.value)
        return Curve(tuple(readings), chosen.position, chosen.reason, zeros_note(zeros))
