"""How many dimensions a list of variances has: rules of principal component analysis."""

from __future__ import annotations

from typing import Literal

import torch

Rule = Literal["fukunaga_olsen", "ratio", "participation_ratio", "kaiser", "broken_stick"]


def dimensions_by_rule(variances: torch.Tensor, rule: Rule, threshold: float) -> torch.Tensor:
    """Apply a rule to every row of variances (m × d, descending), (m,) float64.

    fukunaga_olsen: how many exceed threshold × the largest. ratio: the fewest whose share of the
    total reaches the threshold. participation_ratio: (Σ λ)² / Σ λ². kaiser: how many exceed
    their mean. broken_stick: how many of the leading shares exceed those of a stick broken at
    random, (1/d) Σ_{j≥i} 1/j, up to the first that does not. Rows of zeros have no dimension: 0.
    """
    total = variances.sum(dim=1, keepdim=True)
    if rule == "participation_ratio":
        squares = variances.square().sum(dim=1)
        ratios = total[:, 0].square() / squares
        return torch.where(squares > 0, ratios, torch.zeros_like(ratios))
    if rule == "fukunaga_olsen":
        passed = variances > threshold * variances[:, :1]
    elif rule == "kaiser":
        passed = variances > variances.mean(dim=1, keepdim=True)
    elif rule == "ratio":
        before = variances.cumsum(dim=1) - variances
        passed = (before < threshold * total) & (variances > 0)
    else:
        d = variances.shape[1]
        inverse = 1 / torch.arange(1, d + 1, dtype=torch.float64, device=variances.device)
        stick = inverse.flip(0).cumsum(0).flip(0) / d
        passed = (variances > stick * total).cumprod(dim=1).bool()
    return passed.sum(dim=1).double()
