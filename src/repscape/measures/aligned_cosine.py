"""Aligned cosine: how well does every sample point the same way after the best rotation?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.factors import thin_factor
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, MeasureSpec, RowsMeasure
from repscape.registry import Citation, parameter


@MEASURES.register
@dataclass(frozen=True)
class AlignedCosine(RowsMeasure):
    """Mean cosine between the samples of one representation, rotated, and of the other.

    mean_i cos((XQ)_i, Y_i), where Q is the rotation with the largest ⟨XQ, Y⟩ (Hamilton et al.
    2016 for word vectors; Klabunde et al. 2023 for representations). Widths may differ: the
    narrower side counts as padded with zero columns.

    Raises `UndefinedScoreError` for a sample that is zero (equal to the mean, where centred),
    which has no direction, and where the best rotation is not unique.
    """

    center: bool = parameter(True, "subtract each feature's mean first")

    spec: ClassVar = MeasureSpec(
        name="aligned_cosine",
        version=2,
        family="alignment",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=2,
        summary="mean cosine of the samples after the best rotation",
        formula="mean_i cos((XQ)_i, Y_i) with Q the best rotation",
        cost="n·r·r' + r³ with r = min(n, d)",
        pitfalls=(
            "Near 1 for independent data with n ≤ d. Without centring a common offset decides the "
            "value."
        ),
        citation=Citation(
            "Hamilton et al. 2016",
            "@inproceedings{hamilton2016diachronic,\n"
            "  title={Diachronic Word Embeddings Reveal Statistical Laws of Semantic Change},\n"
            "  author={Hamilton, William L and Leskovec, Jure and Jurafsky, Dan},\n"
            "  booktitle={ACL},\n  year={2016}\n}",
        ),
    )

    @property
    @override
    def declared(self) -> MeasureSpec:
        if self.center:
            return self.spec
        kept = self.spec.invariances - {"translation"}
        return self.spec.but(invariances=kept, minimum_n=1)

    def prepare(self, x: torch.Tensor) -> torch.Tensor:
        """A factor of the (centred) representation with Frobenius norm 1."""
        factor = thin_factor(x, self.center)
        norms = factor.norm(dim=1)
        rounding = 4 * torch.finfo(torch.float64).eps * (x.double().norm(dim=1) + factor.norm())
        zero = (norms <= rounding).nonzero()
        if len(zero):
            what = "equals the mean of all samples" if self.center else "is zero everywhere"
            raise UndefinedScoreError(
                f"row {int(zero[0])} {what} ({len(zero)} such rows), so it has no direction: drop "
                "those samples"
            )
        unit: torch.Tensor = factor / factor.norm()
        return unit

    @override
    def compare(self, a: torch.Tensor, b: torch.Tensor) -> float:
        u, values, vt = torch.linalg.svd(a.T @ b, full_matrices=False)
        left, right = a @ u, b @ vt.T
        lengths = a.norm(dim=1) * b.norm(dim=1)
        _check_unique(left, right, values, lengths)
        return float(((left * right).sum(dim=1) / lengths).mean())


_UNDECIDED = 1e-10
"""So much of the score may depend on a rotation that the data do not decide."""


def _check_unique(
    left: torch.Tensor, right: torch.Tensor, values: torch.Tensor, lengths: torch.Tensor
) -> None:
    """Refuse a rotation that is free to turn directions that both sides really have.

    Those whose rows are too short to matter may turn: a layer norm in float32 leaves one.
    """
    rounding = torch.finfo(torch.float64).eps * max(left.shape)
    free = values <= rounding * values[0]
    undecided = (left[:, free].norm(dim=1) * right[:, free].norm(dim=1) / lengths).mean()
    if float(undecided) > _UNDECIDED:
        raise UndefinedScoreError(
            f"{int(free.sum())} directions of the two sides are uncorrelated, so the best rotation "
            "is not unique and the cosines depend on the choice: use procrustes"
        )
