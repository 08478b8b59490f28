"""Transforms: named preprocessing steps, composed in front of a measure with `|`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import override

from repscape.errors import UndefinedScoreError
from repscape.registry import Parametrised, Registry, parameter

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class TransformSpec:
    """What a transform is called and what it does to a measure's invariances.

    `adds` hold for any measure behind the transform; of the measure's own invariances, those
    in `preserves` remain.
    """

    name: str
    version: int
    summary: str
    adds: frozenset[str]
    preserves: frozenset[str]
    row_wise: bool = False
    """Whether what becomes of a sample does not depend on the others."""
    aliases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


class Transform(Parametrised):
    """A preprocessing step: `apply` maps an (n, d) tensor to an (n, d') tensor, float64 inside."""

    spec: ClassVar[TransformSpec]

    def apply(self, x: torch.Tensor) -> torch.Tensor:
        """Return the transformed samples × features in the dtype of `x`."""
        raise NotImplementedError

    @property
    def step(self) -> str:
        """The printable name; the version is stated once it differs from 1."""
        return self.call if self.spec.version == 1 else self.name


TRANSFORMS: Registry[Transform] = Registry("transform", "repscape.transforms")

_ALL = frozenset(
    {"orthogonal", "permutation", "isotropic_scaling", "translation", "invertible_linear"}
)


@TRANSFORMS.register
@dataclass(frozen=True)
class Center(Transform):
    """Subtract the mean of every feature over the samples."""

    spec: ClassVar = TransformSpec(
        "center", 1, "subtract each feature's mean", frozenset({"translation"}), _ALL
    )

    @override
    def apply(self, x: torch.Tensor) -> torch.Tensor:
        centred: torch.Tensor = (x.double() - column_mean(x)).to(x.dtype)
        return centred


@TRANSFORMS.register
@dataclass(frozen=True)
class UnitRows(Transform):
    """Divide every sample by its Euclidean norm."""

    spec: ClassVar = TransformSpec(
        "unit_rows",
        1,
        "divide each sample by its Euclidean norm",
        frozenset({"isotropic_scaling"}),
        frozenset({"orthogonal", "permutation"}),
        row_wise=True,
    )

    @override
    def apply(self, x: torch.Tensor) -> torch.Tensor:
        x64 = x.double()
        norms = x64.norm(dim=1, keepdim=True)
        _refuse_zero("row", norms[:, 0], "unit_rows cannot give it length one")
        unit: torch.Tensor = (x64 / norms).to(x.dtype)
        return unit


@TRANSFORMS.register
@dataclass(frozen=True)
class UnitNorm(Transform):
    """Divide the whole matrix by its Frobenius norm."""

    spec: ClassVar = TransformSpec(
        "unit_norm",
        1,
        "divide the matrix by its Frobenius norm",
        frozenset({"isotropic_scaling"}),
        _ALL - {"translation", "invertible_linear"},
    )

    @override
    def apply(self, x: torch.Tensor) -> torch.Tensor:
        x64 = x.double()
        norm = x64.norm()
        if norm == 0:
            raise UndefinedScoreError("all values are 0: unit_norm cannot give the matrix norm one")
        unit: torch.Tensor = (x64 / norm).to(x.dtype)
        return unit


@TRANSFORMS.register
@dataclass(frozen=True)
class ZScore(Transform):
    """Centre every feature and divide it by its standard deviation (ddof 0); constants become 0."""

    spec: ClassVar = TransformSpec(
        "zscore",
        1,
        "centre each feature and divide by its standard deviation; constant features become 0",
        frozenset({"translation", "isotropic_scaling"}),
        frozenset({"permutation"}),
    )

    @override
    def apply(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        centred = x.double() - column_mean(x)
        deviation = centred.square().mean(dim=0).sqrt()
        constant = (x == x[0]).all(dim=0)
        scaled = centred / torch.where(constant, torch.ones_like(deviation), deviation)
        return scaled.masked_fill(constant, 0.0).to(x.dtype)


@TRANSFORMS.register
@dataclass(frozen=True)
class Clip(Transform):
    """Clip every value at a quantile of the absolute values of the whole matrix."""

    quantile: float = parameter(
        0.95, "values beyond this quantile of |x| are set to it", minimum=0, maximum=1
    )

    spec: ClassVar = TransformSpec(
        "clip",
        1,
        "clip values at a quantile of the absolute values of the whole matrix",
        frozenset(),
        frozenset({"permutation", "isotropic_scaling"}),
    )

    @override
    def apply(self, x: torch.Tensor) -> torch.Tensor:
        limit = _quantile(x.abs().flatten(), self.quantile)
        return x.clamp(-limit, limit)


@TRANSFORMS.register
@dataclass(frozen=True)
class PCA(Transform):
    """Project on the fewest principal components that hold a fraction of the variance."""

    variance: float = parameter(
        0.99, "fraction of the total variance to keep", minimum=0, maximum=1
    )

    spec: ClassVar = TransformSpec(
        "pca",
        1,
        "principal components that together hold a fraction of the variance",
        frozenset({"translation"}),
        frozenset({"orthogonal", "permutation", "isotropic_scaling"}),
    )

    @override
    def apply(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        centred = x.double() - column_mean(x)
        u, s, _ = torch.linalg.svd(centred, full_matrices=False)
        if (x == x[0]).all():
            raise UndefinedScoreError("all rows are equal: there are no principal components")
        share = s.square().cumsum(0) / s.square().sum()
        # Rounding may leave the last cumulative share a few ulp below 1.
        reached = share >= self.variance - 4 * torch.finfo(torch.float64).eps
        keep = int(reached.to(torch.uint8).argmax()) + 1
        projected: torch.Tensor = (u[:, :keep] * s[:keep]).to(x.dtype)
        return projected


def column_mean(x: torch.Tensor, block_rows: int = 512) -> torch.Tensor:
    """The float64 mean of every feature, (d,); exact for constant features."""
    first = x[0].double()
    total = first * 0
    for start in range(0, x.shape[0], block_rows):
        total += (x[start : start + block_rows] - first).sum(dim=0)
    mean: torch.Tensor = first + total / x.shape[0]
    return mean


def _quantile(flat: torch.Tensor, q: float) -> float:
    """The q-quantile with linear interpolation, for any number of values."""
    last = flat.numel() - 1
    low = int(q * last)
    high = min(low + 1, last)
    below = float(flat.kthvalue(low + 1).values)
    above = float(flat.kthvalue(high + 1).values)
    return below + (q * last - low) * (above - below)


def _refuse_zero(what: str, norms: torch.Tensor, consequence: str) -> None:
    zero = (norms == 0).nonzero()
    if len(zero):
        raise UndefinedScoreError(
            f"{what} {int(zero[0])} is zero everywhere ({len(zero)} such {what}s): {consequence}"
        )
