"""Block analysis: TwoNN on the samples, on their halves, thirds, … and the mean over all these."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable
from repscape.compute.threads import one_thread
from repscape.errors import TooFewSamplesError, UndefinedScoreError
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    Reading,
    metric_parameter,
)
from repscape.geometry.ratios import log_ratios
from repscape.geometry.sample import Sample
from repscape.geometry.subsets import random_subsets
from repscape.geometry.twonn import DIMENSION_INVARIANCES, TwoNN, fit_twonn
from repscape.registry import parameter

_LEFT_OUT = 2
"""How many of the largest ratios of a block are left out, and with them their ordinates."""
_SMALLEST_BLOCK = 6


@DESCRIPTORS.register
@dataclass(frozen=True)
class TwoNNBlocks(NeighbourDescriptor):
    """The mean over b = 1 … blocks of TwoNN's mean over b disjoint random blocks.

    The linear fit within each block, as the protein language models of Valeriani et al. (2023)
    were described: ratios of 1 and the two largest ratios of a block are left out, and of the
    rest the fit uses the smallest `fraction`. The curve runs over the size of a block; the value
    is the mean of the curve, at the mean size. Its standard error is the mean of those of the
    partitions, which is an upper bound, since all partitions are of the same samples.
    """

    blocks: int = parameter(20, "the largest number of blocks", minimum=1)
    fraction: float = parameter(
        0.9, "share of the smallest ratios that the fit uses", minimum=0.01, maximum=0.999
    )
    seed: int = parameter(0, "seed of the partitions", minimum=0)
    metric: Metric = metric_parameter()

    spec: ClassVar = TwoNN.spec.but(
        name="twonn_blocks",
        invariances=DIMENSION_INVARIANCES - {"sample_order"},
        minimum_n=_SMALLEST_BLOCK,
        summary="TwoNN averaged over partitions into 1, 2, … blocks",
        formula="mean_{b ≤ blocks} mean over b blocks of Σ x_j y_j / Σ x_j², x = ln(r₂/r₁)",
        cost="N² d (1 + 1/2 + … + 1/blocks)",
        pitfalls="It averages over scales: the curve over block sizes says whether that is fair.",
        aliases={},
    )

    @property
    @override
    def declared(self) -> DescriptorSpec:
        return super().declared.but(minimum_n=_SMALLEST_BLOCK * self.blocks)

    @override
    def neighbours_needed(self, n: int) -> int:
        return 2

    @override
    def describe(self, sample: Sample) -> Curve:
        sample.check_distinct()
        if sample.n < _SMALLEST_BLOCK * self.blocks:
            raise TooFewSamplesError(
                f"blocks={self.blocks}: {self.blocks} blocks of at least {_SMALLEST_BLOCK} samples "
                f"need {_SMALLEST_BLOCK * self.blocks} distinct samples, but there are {sample.n}"
            )
        readings = [self._partition(sample, parts) for parts in range(1, self.blocks + 1)]
        values = torch.tensor([reading.value for reading in readings], dtype=torch.float64)
        errors = [r.standard_error for r in readings if r.standard_error is not None]
        mean = Reading(
            value=float(values.mean()),
            scale=sum(reading.scale or 0.0 for reading in readings) / len(readings),
            standard_error=sum(errors) / len(errors) if errors else None,
            samples=sample.n,
            spread=float(values.std()) if len(values) > 1 else None,
        )
        why = f"the mean over partitions into 1 to {self.blocks} blocks"
        return Curve((*readings, mean), len(readings), why)

    def _partition(self, sample: Sample, parts: int) -> Reading:
        """The mean over the blocks of one partition."""
        size = sample.n // parts
        if parts == 1:
            tables = [sample.neighbours(self.metric, 2)]
        else:
            rows = random_subsets(sample.n, size, parts, True, self.seed + parts - 1)
            tables = [sample.subset_neighbours(each, self.metric, 2) for each in rows]
        values = [_block_dimension(table, self.fraction) for table in tables]
        mean = sum(values) / parts
        squares = sum((value - mean) ** 2 for value in values)
        spread = math.sqrt(squares / (parts - 1)) if parts > 1 else None
        return Reading(
            value=mean,
            scale=float(size),
            # Disjoint blocks are independent samples of the data.
            standard_error=None if spread is None else spread / math.sqrt(parts),
            samples=parts * size,
            spread=spread,
        )


@one_thread()
def _block_dimension(table: NeighbourTable, fraction: float) -> float:
    logs = log_ratios(table, 1, 2).values
    logs = logs[logs > 0].sort().values[:-_LEFT_OUT]
    if len(logs) < 3:
        raise UndefinedScoreError(
            f"only {len(logs)} of {table.n} samples of a block have ratios of distances that the "
            "fit can use (a lattice?): use fewer blocks"
        )
    return fit_twonn(logs, "linear", fraction).dimension
