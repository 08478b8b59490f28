"""Dimension estimators in the style of scikit-learn: `TwoNN().fit(X).dimension_`.

Each wraps the descriptor of the same name. `fit` takes features (n × d), a matrix of distances
with `metric="precomputed"`, or a `NeighbourTable`. Nothing of scikit-learn is imported; its
`clone`, pipelines and parameter searches work by `get_params` and `set_params`.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

import torch

from repscape.compute.neighbours import NeighbourTable
from repscape.errors import InvalidParameterError, did_you_mean
from repscape.geometry.base import Curve, Descriptor, get_descriptor
from repscape.geometry.duplicates import check_policy
from repscape.geometry.gride import gride_readings
from repscape.geometry.sample import (
    Diagnostics,
    Sample,
    plan_neighbours,
    prepare_sample,
    sample_of_table,
)
from repscape.representation import as_representation

if TYPE_CHECKING:
    import numpy.typing as npt

    Data: TypeAlias = "npt.ArrayLike | torch.Tensor | NeighbourTable"


class DimensionEstimator:
    """Base of the estimators: parameters are the arguments of the constructor.

    Attributes
    ----------
    dimension_ : float
        The estimate.
    standard_error_ : float or None
        Allowing for shared neighbours.
    curve_ : Curve
        Every reading, and why this one was chosen.
    scale_ : float or None
        Where on the curve the estimate is.
    diagnostics_ : Diagnostics
        Duplicates, near-duplicates, ties.
    n_features_in_ : int
        The number of columns of what was given to `fit`, unless it was a table.
    """

    _descriptor: ClassVar[str]

    dimension_: float
    standard_error_: float | None
    scale_: float | None
    curve_: Curve
    diagnostics_: Diagnostics
    n_features_in_: int

    def fit(self, X: Data, y: object = None) -> Self:
        """Estimate the dimension of X; y is ignored.

        Raises
        ------
        RepscapeError
            Where there is no estimate; never a NaN.
        """
        params = self.get_params()
        policy = check_policy(params.pop("duplicates"))
        if isinstance(X, NeighbourTable):
            params["metric"] = X.metric
            sample = sample_of_table(X)
        else:
            values = as_representation(X).values
            descriptor = self._make(params)
            precomputed = params["metric"] == "precomputed"
            sample = prepare_sample(values, duplicates=policy, precomputed=precomputed, name="X")
            sample.planned = plan_neighbours([descriptor], sample.n, None)
            self.n_features_in_ = int(values.shape[1])
        self.curve_ = self._describe(params, sample)
        self.diagnostics_ = sample.diagnostics
        self.dimension_ = self.curve_.reading.value
        self.standard_error_ = self.curve_.reading.standard_error
        self.scale_ = self.curve_.reading.scale
        return self

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The parameters by name."""
        return {name: getattr(self, name) for name in self._names()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; raise `InvalidParameterError` for one that does not exist."""
        for name, value in params.items():
            if name not in self._names():
                hint = did_you_mean(name, self._names())
                raise InvalidParameterError(f"{type(self).__name__} has no {name!r}: {hint}")
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self.get_params().items())
        return f"{type(self).__name__}({shown})"

    @classmethod
    def _names(cls) -> list[str]:
        return list(inspect.signature(cls).parameters)

    def _make(self, params: dict[str, Any]) -> Descriptor:
        cls = type(get_descriptor(self._descriptor))
        return cls(**params)

    def _describe(self, params: dict[str, Any], sample: Sample) -> Curve:
        return self._make(params).describe(sample)


class TwoNN(DimensionEstimator):
    """`repscape.geometry.twonn.TwoNN`: from the ratio of the first two neighbour distances."""

    _descriptor = "twonn"

    def __init__(
        self,
        method: str = "linear",
        fraction: float = 0.9,
        decimation: int = 1,
        subsets: int = 1,
        disjoint: bool = True,
        seed: int = 0,
        metric: str = "euclidean",
        duplicates: str = "drop",
    ) -> None:
        self.method = method
        self.fraction = fraction
        self.decimation = decimation
        self.subsets = subsets
        self.disjoint = disjoint
        self.seed = seed
        self.metric = metric
        self.duplicates = duplicates


class Gride(DimensionEstimator):
    """`repscape.geometry.gride.Gride` at the ranks n1 and n2 (2 n1 by default)."""

    _descriptor = "gride"

    def __init__(
        self,
        n1: int = 1,
        n2: int | None = None,
        outliers: str = "drop",
        likelihood: str = "corrected",
        metric: str = "euclidean",
        duplicates: str = "drop",
    ) -> None:
        self.n1 = n1
        self.n2 = n2
        self.outliers = outliers
        self.likelihood = likelihood
        self.metric = metric
        self.duplicates = duplicates

    def _ranks(self) -> tuple[int, int]:
        n2 = 2 * self.n1 if self.n2 is None else self.n2
        if not 1 <= self.n1 < n2:
            raise InvalidParameterError(f"Gride(n1={self.n1}, n2={n2}): ranks are 1 ≤ n1 < n2")
        return self.n1, n2

    def _make(self, params: dict[str, Any]) -> Descriptor:
        kept = {name: params[name] for name in ("outliers", "likelihood", "metric")}
        return super()._make({"largest": max(2, self._ranks()[1]), **kept})

    def _describe(self, params: dict[str, Any], sample: Sample) -> Curve:
        sample.check_distinct()
        made = self._make(params)
        metric = made.neighbour_metric
        assert metric is not None
        table = sample.neighbours(metric, self._ranks()[1])
        found = gride_readings(
            table, [self._ranks()], self.outliers == "drop", self.likelihood == "corrected"
        )
        return Curve(found.readings)


class MaximumLikelihood(DimensionEstimator):
    """`repscape.geometry.mle.MaximumLikelihood`: Levina and Bickel."""

    _descriptor = "mle"

    def __init__(
        self,
        k: int = 20,
        average: str = "harmonic",
        unbiased: bool = False,
        metric: str = "euclidean",
        duplicates: str = "drop",
    ) -> None:
        self.k = k
        self.average = average
        self.unbiased = unbiased
        self.metric = metric
        self.duplicates = duplicates


class CorrelationIntegral(DimensionEstimator):
    """`repscape.geometry.correlation_integral.CorrelationIntegral`: Grassberger and Procaccia."""

    _descriptor = "correlation_integral"

    def __init__(
        self, k1: int = 10, k2: int = 20, metric: str = "euclidean", duplicates: str = "drop"
    ) -> None:
        self.k1 = k1
        self.k2 = k2
        self.metric = metric
        self.duplicates = duplicates


class MethodOfMoments(DimensionEstimator):
    """`repscape.geometry.method_of_moments.MethodOfMoments`: Amsaleg et al."""

    _descriptor = "method_of_moments"

    def __init__(
        self,
        k: int = 20,
        average: str = "mean",
        metric: str = "euclidean",
        duplicates: str = "drop",
    ) -> None:
        self.k = k
        self.average = average
        self.metric = metric
        self.duplicates = duplicates


class LocalPCA(DimensionEstimator):
    """`repscape.geometry.local_pca.LocalPCA`: by default the rule of Fukunaga and Olsen."""

    _descriptor = "local_pca"

    def __init__(
        self,
        k: int = 50,
        rule: str = "fukunaga_olsen",
        threshold: float = 0.05,
        average: str = "mean",
        metric: str = "euclidean",
        duplicates: str = "drop",
    ) -> None:
        self.k = k
        self.rule = rule
        self.threshold = threshold
        self.average = average
        self.metric = metric
        self.duplicates = duplicates
