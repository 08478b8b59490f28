"""The factor by which shared neighbours enlarge a standard error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import repscape.geometry.standard_errors as module
from repscape.compute.neighbours import neighbours
from repscape.geometry.standard_errors import error_inflation


def dense(scores: torch.Tensor, x: torch.Tensor, k: int) -> float:
    d = (x[:, None] - x[None]).norm(dim=2).fill_diagonal_(torch.inf)
    reach = d.kthvalue(k, dim=1).values
    related = (d <= reach[:, None]) | (d <= reach)
    shared = float((scores[:, None] * scores * related).sum())
    return (1 + shared / float(scores.square().sum())) ** 0.5


@pytest.mark.parametrize("small_work", [0, 2**30])
@pytest.mark.parametrize("k", [2, 9, 40])
def test_both_routes_agree_with_the_definition(monkeypatch, small_work, k):
    monkeypatch.setattr(module, "_SMALL_WORK", small_work)
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(300, 3)))
    scores = torch.sin(2 * x[:, 0])  # alike for neighbours
    scores -= scores.mean()
    found = error_inflation(scores, neighbours(x, 40), k)
    assert found > 1.2
    assert found == pytest.approx(dense(scores, x, k), rel=1e-12)


def test_it_is_never_below_one():
    x = torch.arange(100.0)[:, None]
    scores = torch.tensor([1.0, -1.0]).repeat(50).double()
    assert error_inflation(scores, neighbours(x, 2), 2) == 1.0
    assert error_inflation(torch.zeros(100).double(), neighbours(x, 2), 2) == 1.0
