"""What descriptors are given: values without duplicates, labels, and one neighbour table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repscape.compute.arrays import as_tensor, check_distances, check_finite, within_range
from repscape.compute.memory import parse_bytes
from repscape.compute.neighbours import (
    DEFAULT_MEMORY_LIMIT,
    NeighbourTable,
    neighbours,
    neighbours_of_distances,
)
from repscape.errors import (
    InvalidParameterError,
    MissingLabelsError,
    TooFewSamplesError,
    UndefinedScoreError,
)
from repscape.geometry.base import Descriptor, Metric
from repscape.geometry.duplicates import DuplicatePolicy, Duplicates, find_duplicates
from repscape.geometry.principal_axes import PrincipalAxes, principal_axes

if TYPE_CHECKING:
    import numpy.typing as npt

NEAR_DUPLICATE = 1e-6
"""A nearest neighbour closer than this times the median nearest distance is a near-duplicate."""
TIE_FRACTION_WARNED = 0.01
_SAFE_EXPONENT = 60
"""Eighth powers of values up to 2^±60, which the errors of dimensions form, are in range."""
_MISSING_LABELS = ("", "None", "nan", "NaN", "<NA>")


class GeometryWarning(UserWarning):
    """The numbers exist, but the data breaks an assumption behind them."""


@dataclass(frozen=True)
class Diagnostics:
    """What happened to the samples before anything was measured.

    Attributes
    ----------
    policy : str
        What was asked to be done with duplicates: "drop", "keep" or "error".
    given, kept : int
        How many samples there were, and how many are described.
    duplicates : int
        How many samples have the values of an earlier one.
    near_duplicates : int or None
        How many are nearer to their nearest neighbour than `NEAR_DUPLICATE` times the median;
        None where no neighbours were asked for.
    tie_fraction : float or None
        The share of samples whose first two or last two tabulated neighbours are equally far.
    """

    policy: str
    given: int
    kept: int
    duplicates: int
    near_duplicates: int | None = None
    tie_fraction: float | None = None


@dataclass(eq=False)
class Sample:
    """One representation as descriptors see it: the kept samples, in their order.

    `values` (n × d) is None if only distances or a table were given. Neighbour tables are made
    once per metric, for as many neighbours as any planned descriptor reads.
    """

    n: int
    values: torch.Tensor | None
    labels: npt.NDArray[Any] | None
    duplicates: Duplicates | None
    policy: DuplicatePolicy
    given: int
    memory_limit: int
    distances: torch.Tensor | None = None
    planned: Mapping[str, int] = field(default_factory=dict)
    tables: dict[str, NeighbourTable] = field(default_factory=dict)
    _axes: PrincipalAxes | None = None
    _scaled: tuple[torch.Tensor, float] | None = None

    def neighbours(self, metric: Metric, k: int) -> NeighbourTable:
        """The k nearest neighbours of every sample.

        Raises `TooFewSamplesError` if there are not so many distinct samples, and
        `UndefinedScoreError` if all have the same values.
        """
        self.check_distinct()
        if k >= self.n:
            raise TooFewSamplesError(self._too_few(k))
        if metric not in self.tables or self.tables[metric].k < k:
            self.tables[metric] = self._search(metric, max(k, self.planned.get(metric, k)))
        return self.tables[metric].first(k)

    def subset_neighbours(self, rows: torch.Tensor, metric: Metric, k: int) -> NeighbourTable:
        """The k nearest neighbours among the given samples alone, in a search of its own."""
        if k >= len(rows):
            raise TooFewSamplesError(
                f"{k} neighbours need at least {k + 1} samples, but a subset has {len(rows)} of "
                f"{self.n}: use fewer or larger subsets"
            )
        if metric == "precomputed":
            if self.distances is None:
                raise InvalidParameterError(
                    "subsets of samples need distances, but only a table of neighbours was given"
                )
            part = self.distances[rows][:, rows]
            return neighbours_of_distances(part, k, self.memory_limit)
        return neighbours(self.features()[rows], k, metric, self.memory_limit)

    def features(self) -> torch.Tensor:
        """The values (n × d), for descriptors that need more than neighbours.

        Raises `InvalidParameterError` if only distances or neighbours were given.
        """
        if self.values is None:
            raise InvalidParameterError(
                "this descriptor needs the features of the samples, but only distances or "
                "neighbours were given"
            )
        return self.values

    def scaled_features(self) -> tuple[torch.Tensor, float]:
        """The values in a unit, a power of two, in which their squares stay in range; the unit."""
        if self._scaled is None:
            self._scaled = within_range(self.features(), _SAFE_EXPONENT)
        return self._scaled

    def axes(self) -> PrincipalAxes:
        """The principal axes of the values in the unit of `scaled_features`, computed once."""
        self.check_distinct()
        if self._axes is None:
            self._axes = principal_axes(self.scaled_features()[0])
        return self._axes

    def classes(self) -> npt.NDArray[np.int64]:
        """The labels as (n,) codes 0 … C−1.

        Raises `MissingLabelsError` if there are none or some are missing, `UndefinedScoreError`
        if there is one class only.
        """
        if self.labels is None:
            raise MissingLabelsError(
                "this descriptor needs the labels of the samples, but there are none: give them, "
                "labels=… (--labels FILE)"
            )
        missing = int(_missing(self.labels).sum())
        if missing:
            raise MissingLabelsError(
                f"{missing} of {self.n} samples have no label (the first is row "
                f"{int(np.flatnonzero(_missing(self.labels))[0])}): describe the labelled samples "
                "(select) or label them"
            )
        names, codes = np.unique(self.labels, return_inverse=True)
        if len(names) == 1:
            raise UndefinedScoreError(
                f"all {self.n} samples have the label {names[0]!r}: with one class this says "
                "nothing about the representation"
            )
        return codes.astype(np.int64)

    def check_distinct(self) -> None:
        """Raise `UndefinedScoreError` if all samples have the same values."""
        found = self.duplicates
        one = self.n == 1 if found is None else len(found.multiplicities) == 1
        if one and self.given > 1:
            raise UndefinedScoreError(self._all_equal())

    @cached_property
    def diagnostics(self) -> Diagnostics:
        """What is known about the samples; with the neighbours if a table was made."""
        count = 0 if self.duplicates is None else self.duplicates.count
        plain = Diagnostics(self.policy, self.given, self.n, count)
        if not self.tables:
            return plain
        d = next(iter(self.tables.values())).distances
        nearest = d[:, 0]
        near = (nearest > 0) & (nearest < NEAR_DUPLICATE * nearest.median())
        tied = torch.zeros(self.n, dtype=torch.bool)
        if d.shape[1] > 1:
            tied = (d[:, 0] == d[:, 1]) | (d[:, -2] == d[:, -1])
        ties = float(tied.double().mean())
        return replace(plain, near_duplicates=int(near.sum()), tie_fraction=ties)

    def let_go(self) -> None:
        """Keep what is known about the samples, not their values and tables."""
        known = self.diagnostics
        self.values = self.distances = self._axes = self._scaled = None
        self.tables.clear()
        assert self.diagnostics is known

    def warn(self, name: str) -> None:
        """Warn of ties and near-duplicates, once all descriptors have asked for neighbours."""
        known = self.diagnostics
        if known.tie_fraction is not None and known.tie_fraction > TIE_FRACTION_WARNED:
            warnings.warn(
                f"{name}: {known.tie_fraction:.1%} of {known.kept} samples have neighbours at "
                "equal distances (integer, binary or quantised values?), which dimension "
                "estimates assume never happens: they are biased",
                GeometryWarning,
                stacklevel=3,
            )
        if known.near_duplicates:
            warnings.warn(
                f"{name}: {known.near_duplicates} of {known.kept} samples almost equal another "
                f"(nearer than {NEAR_DUPLICATE:g} times the median nearest distance); equal inputs "
                "in different batches differ in their last bits: drop them by their inputs",
                GeometryWarning,
                stacklevel=3,
            )

    def _search(self, metric: Metric, k: int) -> NeighbourTable:
        k = min(k, self.n - 1)
        if metric in self.tables and self.values is None and self.distances is None:
            raise InvalidParameterError(
                f"the table given holds {self.tables[metric].k} neighbours of each sample, fewer "
                f"than {k}"
            )
        if metric == "precomputed":
            if self.distances is None:
                raise InvalidParameterError(
                    "metric=precomputed: the values given are features, not distances"
                )
            return neighbours_of_distances(self.distances, k, self.memory_limit)
        if self.values is None:
            raise InvalidParameterError(
                f"metric={metric}: only distances or neighbours were given, so no others can be "
                "searched; use metric=precomputed"
            )
        return neighbours(self.values, k, metric, self.memory_limit)

    def _too_few(self, k: int) -> str:
        dropped = self.given - self.n
        if self.n == 1 and dropped:
            return self._all_equal()
        after = f" after dropping {dropped} duplicates" if dropped else ""
        return (
            f"{k} neighbours need at least {k + 1} distinct samples, but there are {self.n}{after}"
        )

    def _all_equal(self) -> str:
        return (
            f"all {self.given} samples have the same values, so there is no shape to describe: "
            "check the layer (a bias, or the same last token for every sample?)"
        )


def prepare_sample(
    values: npt.NDArray[Any] | torch.Tensor,
    labels: npt.NDArray[Any] | None = None,
    *,
    duplicates: DuplicatePolicy | Duplicates = "drop",
    planned: Mapping[str, int] | None = None,
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
    precomputed: bool = False,
    name: str = "x",
) -> Sample:
    """Check values, find duplicates and drop them, and plan the neighbour tables.

    Parameters
    ----------
    values
        (n, d) values, or (n, n) distances if `precomputed`.
    labels
        (n,) classes, optional.
    duplicates
        "drop" keeps the first of equal rows, "keep" all, "error" refuses them; or duplicates
        found before (one mask for all layers of a profile), which are dropped.
    planned
        For every metric, how many neighbours will be read.

    Raises
    ------
    NonFiniteError
        NaN or infinite values.
    InvalidParameterError
        Duplicates under "error"; distances that are not n×n, symmetric, 0 on the diagonal and not
        negative.
    """
    x = as_tensor(values)
    check_finite(x, name)
    if precomputed:
        check_distances(x)
    policy: DuplicatePolicy = duplicates if isinstance(duplicates, str) else "drop"
    found = find_duplicates(x) if isinstance(duplicates, str) else duplicates
    if policy == "error" and found.count:
        raise InvalidParameterError(_duplicates_refused(found, name))
    given = int(x.shape[0])
    if policy == "drop" and found.count:
        keep = torch.from_numpy(np.flatnonzero(found.mask)).to(x.device)
        x = x[keep][:, keep] if precomputed else x[keep]
        labels = None if labels is None else labels[found.mask]
    return Sample(
        n=int(x.shape[0]),
        values=None if precomputed else x,
        distances=x if precomputed else None,
        labels=labels,
        duplicates=found,
        policy=policy,
        given=given,
        memory_limit=parse_bytes(memory_limit),
        planned=dict(planned or {}),
    )


def sample_of_table(table: NeighbourTable, labels: npt.NDArray[Any] | None = None) -> Sample:
    """The sample behind a table of neighbours, for descriptors that need nothing else."""
    metric = table.metric if table.metric in ("euclidean", "cosine") else "precomputed"
    return Sample(
        n=table.n,
        values=None,
        labels=labels,
        duplicates=None,
        policy="keep",
        given=table.n,
        memory_limit=parse_bytes(DEFAULT_MEMORY_LIMIT),
        tables={metric: table},
    )


def plan_neighbours(
    descriptors: list[Descriptor], n: int, labels: npt.NDArray[Any] | None
) -> dict[str, int]:
    """For every metric, the most neighbours that any of the descriptors reads, below n."""
    largest_class = 0 if labels is None else int(np.unique(labels, return_counts=True)[1].max())
    planned: dict[str, int] = {}
    for descriptor in descriptors:
        metric = descriptor.neighbour_metric
        k = min(descriptor.neighbours_of_classes(n, largest_class), n - 1)
        if metric is not None and k > 0:
            planned[metric] = max(planned.get(metric, 0), k)
    return planned


def _missing(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    if labels.dtype.kind == "f":
        gaps: npt.NDArray[np.bool_] = np.isnan(labels)
        return gaps
    if labels.dtype.kind in "US":
        return np.isin(labels.astype(np.str_), _MISSING_LABELS)
    return np.zeros(len(labels), dtype=np.bool_)


def _duplicates_refused(found: Duplicates, name: str) -> str:
    row = int(np.flatnonzero(~found.mask)[0])
    return (
        f"{name} has {found.count} rows that equal an earlier one; row {row} equals row "
        f"{int(found.first[row])}: use duplicates='drop', or select distinct samples"
    )
