"""Linear regression: how much of one representation does a linear map of the other predict?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar, Literal

import torch
from typing_extensions import override

from repscape.compute.arrays import check_not_constant, check_squares
from repscape.compute.factors import ThinSVD, thin_svd
from repscape.errors import InvalidParameterError, UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.measures.subspaces import check_span
from repscape.registry import Citation, format_number, parameter
from repscape.transforms import column_mean

_PENALTY_EXPONENTS = tuple(range(-10, 3))


@dataclass(frozen=True)
class Penalty:
    """A ridge penalty λ: a number, or `loo`, chosen by leave-one-out on the training samples."""

    value: float | None

    @classmethod
    def parse(cls, text: str) -> Penalty:
        """Read `0`, `1.5` or `loo`; raise `InvalidParameterError` otherwise."""
        if text.strip() == "loo":
            return cls(None)
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not 0 <= value < math.inf:
            raise InvalidParameterError(
                f"ridge={text}: write a number that is not negative, or loo to choose it by "
                "leave-one-out"
            )
        return cls(value)

    def __str__(self) -> str:
        return "loo" if self.value is None else format_number(self.value)


@dataclass(frozen=True, eq=False)
class Fold:
    """One split: which samples are tested, and the predictors decomposed on the others.

    `scores` are the tested samples on the right singular vectors of the training predictors.
    """

    test: slice
    train: ThinSVD
    scores: torch.Tensor


@dataclass(frozen=True, eq=False)
class Regressor:
    """A representation in both roles; what only the predictors need is made on first use."""

    x: torch.Tensor
    folds: int

    def permute(self, order: torch.Tensor) -> Regressor:
        """The same samples in another order; a decomposition that is known is kept."""
        permuted = Regressor(self.x[order], self.folds)
        if "whole" in vars(self):
            vars(permuted)["whole"] = self.whole.permute(order)
        return permuted

    @cached_property
    def whole(self) -> ThinSVD:
        """The centred predictors on all samples."""
        return thin_svd(self.x, center=True)

    @cached_property
    def splits(self) -> list[Fold]:
        """The contiguous folds."""
        n = self.x.shape[0]
        edges = [n * fold // self.folds for fold in range(self.folds + 1)]
        return [self._split(slice(a, b)) for a, b in pairwise(edges)]

    def _split(self, test: slice) -> Fold:
        train = _without(self.x, test)
        check_not_constant(train)
        svd = thin_svd(train, center=True)
        return Fold(test, svd, (self.x[test].double() - column_mean(train)) @ svd.right)


@MEASURES.register
@dataclass(frozen=True)
class LinearRegression(Measure[Regressor]):
    """R² of the linear map that predicts one representation from the other, with intercept.

    R² = 1 - Σ‖y - ŷ‖² / Σ‖y - ȳ‖², pooled over samples and features; `predict` names the side
    predicted (x is the first argument of `compare`) and the other is the predictor. The map
    minimises Σ‖y - ŷ‖² + λ‖W‖² on the training samples (Kornblith et al. 2019, equation 4, at
    λ = 0).

    in_sample        Training and tested samples are all samples: ‖U_XᵀY‖² / ‖Y‖² at λ = 0.
    cross_validated  Contiguous folds, from row ⌊n·f/folds⌋ on; ȳ is the mean of the training
                     samples, and errors are pooled over the folds. May be negative.

    With `ridge=loo`, λ/s₁² is that of 10⁻¹⁰, 10⁻⁹, …, 10² with the smallest leave-one-out error
    on the training samples, for s₁ the largest singular value of the predictors.

    Raises `UndefinedScoreError` where, in sample and without a penalty, the predictors span all
    n - 1 centred dimensions, as they do with n ≤ d: the score would be 1 for any data.
    """

    predict: Literal["x", "y"] = parameter("y", "the side predicted; the other one predicts")
    evaluate: Literal["in_sample", "cross_validated"] = parameter(
        "in_sample", "on the samples of the fit, or on held-out folds"
    )
    ridge: Penalty = parameter(
        Penalty(0.0), "penalty λ on the sum of squared weights, or loo to choose it"
    )
    folds: int = parameter(5, "number of contiguous folds", minimum=2)

    spec: ClassVar = MeasureSpec(
        name="linear_regression",
        version=1,
        family="alignment",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=False,
        metric=False,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=3,
        summary="R² of a linear map from one representation to the other",
        formula="1 - sum ||y - y_hat||^2 / sum ||y - mean||^2",
        cost="n·r·d' after one SVD per representation (and fold)",
        pitfalls=(
            "The two directions differ. In sample, R² of independent data is about d/n. Contiguous "
            "folds of sorted samples (by class, by time) test on unseen kinds: shuffle first if "
            "that is not meant."
        ),
        citation=Citation(
            "Kornblith et al. 2019",
            "@inproceedings{kornblith2019similarity,\n"
            "  title={Similarity of Neural Network Representations Revisited},\n"
            "  author={Kornblith, Simon and Norouzi, Mohammad and Lee, Honglak and Hinton, "
            "Geoffrey},\n  booktitle={ICML},\n  year={2019}\n}",
        ),
    )

    @override
    def irrelevant(self) -> frozenset[str]:
        return frozenset({"folds"}) if self.evaluate == "in_sample" else frozenset()

    @property
    @override
    def declared(self) -> MeasureSpec:
        spec = self.spec
        if self.ridge.value:
            spec = spec.but(invariances=spec.invariances - {"isotropic_scaling"})
        elif self.evaluate == "in_sample" and self.ridge.value == 0.0:
            spec = spec.but(chance="r/(n-1) with r the rank of the predictors")
        if self.evaluate == "cross_validated":
            # Some fold must leave at least three samples to train on.
            spec = spec.but(range=(-math.inf, 1.0), minimum_n=max(self.folds, 5))
        return spec

    def prepare(self, x: torch.Tensor) -> Regressor:
        """The representation in both roles."""
        check_not_constant(x)
        check_squares(x)
        return Regressor(x, self.folds)

    @override
    def state_bytes(self, n: int, d: int) -> int:
        copies = 1 if self.evaluate == "in_sample" else self.folds
        return 8 * copies * min(n, d) * (n + d)

    @override
    def permute(self, state: Regressor, order: torch.Tensor) -> Regressor:
        return state.permute(order)

    def expected(self, a: Regressor, b: Regressor) -> float | None:
        """r / (n - 1) in sample and without a penalty, r being the rank of the predictors."""
        if self.evaluate != "in_sample" or self.ridge.value != 0.0:
            return None
        predictor = a if self.predict == "y" else b
        return predictor.whole.rank / (len(predictor.x) - 1)

    @override
    def compare(self, a: Regressor, b: Regressor) -> float:
        predictor, target = (a, b) if self.predict == "y" else (b, a)
        if self.evaluate == "in_sample":
            return self._in_sample(predictor, target.x)
        return self._cross_validated(predictor, target.x)

    def _in_sample(self, predictor: Regressor, target: torch.Tensor) -> float:
        svd = predictor.whole
        if self.ridge.value == 0.0:
            check_span(svd.rank, predictor.x, "in-sample R² is 1 (cross-validate instead)")
        y = target.double() - column_mean(target)
        loadings = (svd.left.T @ y).square().sum(dim=1)
        kept = _shrinkage(svd, self._penalty(svd, y))
        explained = torch.dot(kept * (2.0 - kept), loadings)
        return float(explained / y.square().sum())

    def _cross_validated(self, predictor: Regressor, target: torch.Tensor) -> float:
        error = total = 0.0
        for fold in predictor.splits:
            train = _without(target, fold.test)
            mean = column_mean(train)
            y = train.double() - mean
            penalty = self._penalty(fold.train, y)
            weights = _shrinkage(fold.train, penalty) / fold.train.values
            predicted = (fold.scores * weights) @ (fold.train.left.T @ y)
            tested = target[fold.test].double() - mean
            error += float((tested - predicted).square().sum())
            total += float(tested.square().sum())
        if total == 0.0:
            raise UndefinedScoreError(
                "every tested sample equals the mean of the training samples, so there is no "
                "variance to predict"
            )
        return 1.0 - error / total

    def _penalty(self, svd: ThinSVD, y: torch.Tensor) -> float:
        return leave_one_out_penalty(svd, y) if self.ridge.value is None else self.ridge.value


def leave_one_out_penalty(svd: ThinSVD, y: torch.Tensor) -> float:
    """The λ of the grid with the smallest leave-one-out error of centred y from centred x.

    The error of sample i is its residual over 1 - h_ii, with 1/n in h_ii for the intercept
    (Allen 1974), so that no model is fitted twice. Ties go to the larger λ.
    """
    n = y.shape[0]
    projected = svd.left.T @ y
    scale = float(svd.values[0]) ** 2
    best, best_error = math.nan, math.inf
    for exponent in reversed(_PENALTY_EXPONENTS):
        penalty = 10.0**exponent * scale
        kept = _shrinkage(svd, penalty)
        leverage = svd.left.square() @ kept + 1.0 / n
        residual = y - svd.left @ (kept[:, None] * projected)
        error = float((residual / (1.0 - leverage)[:, None]).square().sum())
        if error < best_error:
            best, best_error = penalty, error
    return best


def _shrinkage(svd: ThinSVD, penalty: float) -> torch.Tensor:
    """s² / (s² + λ) for every singular value."""
    squares = svd.values.square()
    shrunk: torch.Tensor = squares / (squares + penalty)
    return shrunk


def _without(x: torch.Tensor, rows: slice) -> torch.Tensor:
    return torch.cat([x[: rows.start], x[rows.stop :]])
