"""Neighbourhood overlap between representations, and of neighbourhoods with labels."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from typing_extensions import override

from repscape.compute.neighbours import NeighbourTable, overlap_counts
from repscape.compute.threads import one_thread
from repscape.errors import InvalidParameterError, SampleMismatchError
from repscape.geometry.base import (
    DESCRIPTORS,
    Curve,
    DescriptorSpec,
    Metric,
    NeighbourDescriptor,
    Reading,
    metric_parameter,
)
from repscape.geometry.sample import Sample
from repscape.geometry.standard_errors import error_inflation
from repscape.geometry.twonn import DIMENSION_INVARIANCES
from repscape.registry import Citation, format_number, parameter

_DOIMO = Citation(
    "Doimo et al. 2020",
    "@inproceedings{doimo2020hierarchical,\n"
    "  title={Hierarchical nucleation in deep neural networks},\n"
    "  author={Doimo, Diego and Glielmo, Aldo and Ansuini, Alessio and Laio, Alessandro},\n"
    "  booktitle={NeurIPS},\n  year={2020}\n}",
)


def neighbourhood_overlap(a: NeighbourTable, b: NeighbourTable, k: int) -> Reading:
    """χ: the mean share of the k nearest neighbours that a sample has in both representations.

    χ = (1/n) Σ_i |N_k^A(i) ∩ N_k^B(i)| / k (Doimo et al. 2020, equation 1). From 0 to 1; k/(n−1)
    for independent representations.

    Raises
    ------
    SampleMismatchError
        The tables are of different numbers of samples.
    InvalidParameterError
        A table holds fewer than k neighbours.
    """
    return overlap_of_pairs([a, b], [(0, 1)], k)[0, 1]


@one_thread()
def overlap_of_pairs(
    tables: Sequence[NeighbourTable], pairs: Iterable[tuple[int, int]], k: int
) -> Mapping[tuple[int, int], Reading]:
    """χ for pairs of positions in `tables`; the neighbours of each table are sorted once."""
    if len({table.n for table in tables}) > 1:
        raise SampleMismatchError(
            f"the tables are of {', '.join(str(table.n) for table in tables)} samples: overlaps "
            "need the same samples in the same order"
        )
    firsts = [table.first(k) for table in tables]
    found = {}
    for a, b in pairs:
        shares = overlap_counts(firsts[a].sets, firsts[b].sets).double() / k
        n = len(shares)
        scores = shares - shares.mean()
        independent = float(scores.square().sum() / max(1, n - 1) / n) ** 0.5
        found[a, b] = Reading(
            value=float(shares.mean()),
            scale=float(k),
            standard_error=independent * error_inflation(scores, firsts[a], k),
            independent_error=independent,
            samples=n,
            spread=float(shares.std()) if n > 1 else None,
            chance=k / (n - 1),
        )
    return found


@dataclass(frozen=True)
class NeighbourCount:
    """How many neighbours: a number (`10`), or a fraction of the sample's class (`0.3class`)."""

    value: float
    of_class: bool

    @classmethod
    def parse(cls, text: str) -> NeighbourCount:
        """Read `10` or `0.3class`; raise `InvalidParameterError` otherwise."""
        whole = re.fullmatch(r"\s*([0-9]+)\s*", text)
        part = re.fullmatch(r"\s*([.0-9eE+-]+)class\s*", text)
        if whole and int(whole[1]) >= 1:
            return cls(float(whole[1]), False)
        try:
            value = float(part[1]) if part else math.nan
        except ValueError:
            value = math.nan
        if 0 < value <= 1:
            return cls(value, True)
        raise InvalidParameterError(
            f"k={text}: write how many neighbours, e.g. 10, or a fraction of the class of the "
            "sample, e.g. 0.3class"
        )

    def __str__(self) -> str:
        return format_number(self.value) + ("class" if self.of_class else "")

    def of(self, class_sizes: torch.Tensor) -> torch.Tensor:
        """The number for samples whose classes have these sizes: max(1, ⌊fraction · size⌋)."""
        if not self.of_class:
            return torch.full_like(class_sizes, int(self.value))
        return (self.value * class_sizes.double()).floor().clamp(min=1).long()


@DESCRIPTORS.register
@dataclass(frozen=True)
class LabelOverlap(NeighbourDescriptor):
    """The share of a sample's k nearest neighbours that have its label, averaged.

    χ^gt = mean_i |{j ∈ N_k(i): y_j = y_i}| / k (Doimo et al. 2020). micro: the mean over samples;
    macro: the mean over classes of the means within them; equal where classes have equal sizes.
    With k a fraction of the class, k_i = max(1, ⌊fraction · size of y_i⌋).

    By chance: (n_c − 1)/(n − 1) for a sample of a class of n_c, averaged in the same way.
    """

    k: NeighbourCount = parameter(
        NeighbourCount.parse("10"), "how many neighbours, or a fraction of the class: 0.3class"
    )
    average: Literal["micro", "macro"] = parameter(
        "micro", "mean over samples, or over classes of the means within them"
    )
    metric: Metric = metric_parameter()

    spec: ClassVar = DescriptorSpec(
        name="label_overlap",
        version=1,
        family="overlap",
        quantity="label overlap",
        scale="neighbour rank",
        range=(0.0, 1.0),
        invariances=DIMENSION_INVARIANCES,
        minimum_n=2,
        summary="share of neighbours with the same label",
        formula="mean_i |{j ∈ N_k(i): y_j = y_i}| / k",
        cost="one neighbour table (k)",
        needs_labels=True,
        citation=_DOIMO,
        pitfalls="A class of fewer than k + 1 samples cannot reach 1.",
        aliases={"ground_truth_overlap": {}},
    )

    @override
    def neighbours_needed(self, n: int) -> int:
        return 0 if self.k.of_class else int(self.k.value)

    @override
    def neighbours_of_classes(self, n: int, largest_class: int) -> int:
        return int(self.k.of(torch.tensor(largest_class)))

    @override
    def describe(self, sample: Sample) -> Curve:
        codes = torch.from_numpy(sample.classes())
        sizes = torch.bincount(codes)[codes]
        counts = self.k.of(sizes)
        table = sample.neighbours(self.metric, int(counts.max()))
        same = codes[table.indices.long()] == codes[:, None]
        within = torch.arange(table.k) < counts[:, None]
        shares = (same & within).sum(dim=1).double() / counts
        weights = _weights(sizes, self.average)
        value = float(weights @ shares)
        scores = weights * (shares - value)
        independent = float(scores.norm())
        reading = Reading(
            value=value,
            scale=float(counts.double().mean()),
            standard_error=independent * error_inflation(scores, table, int(counts.max())),
            independent_error=independent,
            samples=sample.n,
            spread=float(shares.std()),
            chance=float(weights @ ((sizes - 1).double() / (sample.n - 1))),
        )
        return Curve((reading,), notes=_small_classes(sample, sizes, counts))


@DESCRIPTORS.register
@dataclass(frozen=True)
class KNNAccuracy(NeighbourDescriptor):
    """The accuracy of classifying every sample by the majority of its k nearest neighbours.

    Leave-one-out: a sample is not its own neighbour. Of classes with equally many neighbours the
    one with the nearest wins. By chance: the share of the most frequent class.
    """

    k: int = parameter(10, "how many neighbours vote", minimum=1)
    metric: Metric = metric_parameter()

    spec: ClassVar = LabelOverlap.spec.but(
        name="knn_accuracy",
        quantity="accuracy",
        summary="accuracy of the majority vote of the nearest neighbours",
        formula="mean_i [majority of y_j, j ∈ N_k(i) = y_i]",
        citation=Citation(
            "Cover & Hart 1967",
            "@article{cover1967nearest,\n"
            "  title={Nearest neighbor pattern classification},\n"
            "  author={Cover, Thomas and Hart, Peter},\n"
            "  journal={IEEE Transactions on Information Theory},\n  volume={13},\n"
            "  pages={21--27},\n  year={1967}\n}",
        ),
        pitfalls="With unequal classes, always guessing the largest is already accurate.",
        aliases={},
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
        codes = torch.from_numpy(sample.classes())
        table = sample.neighbours(self.metric, self.k)
        votes = codes[table.indices.long()]
        # How often the label of each neighbour stands among the k; the first largest is nearest.
        tally = (votes[:, :, None] == votes[:, None, :]).sum(dim=2) if self.k <= 32 else None
        if tally is None:
            tally = torch.stack([(votes == votes[:, j : j + 1]).sum(1) for j in range(self.k)], 1)
        winner = votes.gather(1, tally.argmax(dim=1, keepdim=True))[:, 0]
        right = (winner == codes).double()
        value = float(right.mean())
        independent = math.sqrt(value * (1 - value) / sample.n)
        reading = Reading(
            value=value,
            scale=float(self.k),
            standard_error=independent * error_inflation(right - value, table, self.k),
            independent_error=independent,
            samples=sample.n,
            chance=float(torch.bincount(codes).max()) / sample.n,
        )
        return Curve((reading,))


def _weights(sizes: torch.Tensor, average: str) -> torch.Tensor:
    """What each sample counts in the average, (n,), summing to 1."""
    raw = torch.ones(len(sizes)).double() if average == "micro" else 1 / sizes.double()
    weights: torch.Tensor = raw / raw.sum()
    return weights


def _small_classes(sample: Sample, sizes: torch.Tensor, counts: torch.Tensor) -> tuple[str, ...]:
    small = (sizes - 1 < counts).numpy()
    if not small.any() or sample.labels is None:
        return ()
    names = np.unique(sample.labels[small])
    return (
        f"{len(names)} classes have no more samples than neighbours asked for, so their overlap "
        f"cannot reach 1; the first is {names[0]!r}",
    )
