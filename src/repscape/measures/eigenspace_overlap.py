"""Eigenspace overlap: how much do the spaces that two representations span have in common?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from typing_extensions import override

from repscape.compute.factors import thin_svd
from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec
from repscape.registry import Citation


@dataclass(frozen=True, eq=False)
class Span:
    """An orthonormal basis (n × r) of what the features span, and how many features there are."""

    basis: torch.Tensor
    width: int


@MEASURES.register
@dataclass(frozen=True)
class EigenspaceOverlap(Measure[Span]):
    """The eigenspace overlap score (May et al. 2019).

    ‖UᵀU'‖²_F / max(d, d'), where U and U' are orthonormal bases of the column spaces of the
    uncentred representations at their numerical rank. So a representation of rank r < d has
    the overlap r/d with itself.
    """

    spec: ClassVar = MeasureSpec(
        name="eigenspace_overlap",
        version=1,
        family="Gram and RDM",
        kind="similarity",
        range=(0.0, 1.0),
        symmetric=True,
        metric=False,
        self_is_best=False,
        invariances=frozenset(
            {"orthogonal", "permutation", "isotropic_scaling", "invertible_linear"}
        ),
        minimum_n=1,
        summary="overlap of the subspaces that the features span",
        formula="||U^T U'||_F² / max(d, d')",
        cost="n·d² per representation, n·d·d' per pair",
        chance="min(d, d')/n for full rank and n ≥ d, d'",
        pitfalls=(
            "With n ≤ d every representation spans everything, and the value is n/max(d, d') "
            "whatever the representations. Directions count alike, however small their variance. "
            "A representation of rank r < d does not reach 1 with itself."
        ),
        citation=Citation(
            "May et al. 2019",
            "@inproceedings{may2019downstream,\n"
            "  title={On the Downstream Performance of Compressed Word Embeddings},\n"
            "  author={May, Avner and Zhang, Jian and Dao, Tri and R{\\'e}, Christopher},\n"
            "  booktitle={NeurIPS},\n  year={2019}\n}",
        ),
    )

    @override
    def prepare(self, x: torch.Tensor) -> Span:
        if not bool(x.any()):
            raise UndefinedScoreError("all values are 0, so the features span nothing")
        return Span(thin_svd(x, center=False).left, x.shape[1])

    @override
    def state_bytes(self, n: int, d: int) -> int:
        return 8 * n * min(n, d)

    @override
    def permute(self, state: Span, order: torch.Tensor) -> Span:
        return Span(state.basis[order], state.width)

    @override
    def compare(self, a: Span, b: Span) -> float:
        overlap = (a.basis.T @ b.basis).square().sum()
        return float(overlap) / max(a.width, b.width)
