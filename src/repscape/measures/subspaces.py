"""The subspaces that centred features span: what the measures of the CCA family share."""

from __future__ import annotations

import torch

from repscape.errors import UndefinedScoreError


def check_span(rank: int, x: torch.Tensor, consequence: str) -> None:
    """Refuse features that span all n - 1 dimensions of centred samples.

    Any subspace lies within theirs, so that all canonical correlations are 1 by themselves.
    """
    n, d = x.shape
    if rank >= n - 1:
        raise UndefinedScoreError(
            f"the {d} features span all {n - 1} dimensions that {n} centred samples have, so "
            f"{consequence} with any other representation: use more samples than features, or "
            "reduce the features first, e.g. with svcca or 'pca[variance=0.99]|…'"
        )


def canonical_correlations(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The canonical correlations, descending, of the spans of orthonormal columns a and b."""
    correlations: torch.Tensor = torch.linalg.svdvals(a.T @ b)
    return correlations
