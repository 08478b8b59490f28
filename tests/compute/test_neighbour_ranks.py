"""Ranks and counts equal those of sorted exact distances, whatever the tiles and ties."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute.neighbour_ranks import neighbour_ranks, neighbours_within
from repscape.compute.neighbours import neighbours
from repscape.errors import InvalidParameterError, NonFiniteError


def distances(x: torch.Tensor, metric: str) -> torch.Tensor:
    x = x.double()
    if metric == "cosine":
        x = x / x.norm(dim=1, keepdim=True)
        return 1 - x @ x.T
    return (x[:, None] - x[None]).norm(dim=2)


def sorted_ranks(d: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    d = d.clone().fill_diagonal_(torch.inf)
    order = d.sort(dim=1, stable=True).indices
    ranks = torch.empty_like(order)
    ranks.scatter_(1, order, torch.arange(1, len(d) + 1).expand(len(d), -1).contiguous())
    return ranks.gather(1, targets.long())


def random_targets(n: int, count: int) -> torch.Tensor:
    shifts = torch.from_numpy(np.random.default_rng(1).integers(1, n, (n, count)))
    return (torch.arange(n)[:, None] + shifts) % n


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize("count", [1, 9])
def test_ranks_are_those_of_sorting(metric, dtype, count):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 12))).to(dtype)
    targets = random_targets(400, count)
    assert torch.equal(
        neighbour_ranks(x, targets, metric), sorted_ranks(distances(x, metric), targets)
    )


def test_ties_go_by_index():
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 3, (300, 4))).double()
    targets = random_targets(300, 5)
    squares = (x[:, None] - x[None]).square().sum(dim=2)
    assert torch.equal(neighbour_ranks(x, targets), sorted_ranks(squares, targets))


def test_neighbours_have_their_own_ranks():
    x = torch.from_numpy(np.random.default_rng(2).normal(size=(500, 7)))
    found = neighbour_ranks(x, neighbours(x, 6).indices)
    assert torch.equal(found, torch.arange(1, 7).expand(500, -1))


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_offsets_and_memory_change_nothing(offset):
    x = torch.from_numpy(np.random.default_rng(3).normal(size=(300, 20)) + offset)
    targets = random_targets(300, 3)
    right = sorted_ranks(distances(x, "euclidean"), targets)
    for memory_limit in ("64KiB", "1GiB"):
        assert torch.equal(neighbour_ranks(x, targets, memory_limit=memory_limit), right)


@pytest.mark.parametrize("scale", [1e-160, 1e160])
def test_squares_that_leave_the_range_of_float64(scale):
    x = torch.from_numpy(np.random.default_rng(4).normal(size=(100, 5)))
    targets = random_targets(100, 2)
    assert torch.equal(neighbour_ranks(x * scale, targets), neighbour_ranks(x, targets))
    radii = torch.tensor([1.0, 2.0], dtype=torch.float64)
    assert torch.equal(neighbours_within(x * scale, radii * scale), neighbours_within(x, radii))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_counts_within_a_radius(metric):
    x = torch.from_numpy(np.random.default_rng(5).normal(size=(300, 6)))
    d = distances(x, metric).fill_diagonal_(torch.inf)
    radii = torch.tensor([0.3, 1.1], dtype=torch.float64)
    expected = torch.stack([(d < r).sum(dim=1) for r in radii], dim=1)
    assert torch.equal(neighbours_within(x, radii, metric), expected)


def test_the_radius_itself_is_outside():
    x = torch.tensor([[0.0], [1.0], [3.0]])
    assert neighbours_within(x, torch.tensor([1.0, 2.0])).tolist() == [[0, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize("targets", [[[0], [0], [1]], [[3], [0], [1]], [[1], [0]]])
def test_impossible_targets_are_refused(targets):
    with pytest.raises(InvalidParameterError, match="0 … 2"):
        neighbour_ranks(torch.eye(3), torch.tensor(targets))


def test_values_that_are_not_finite_are_refused():
    with pytest.raises(NonFiniteError):
        neighbour_ranks(torch.tensor([[0.0], [torch.nan]]), torch.tensor([[1], [0]]))
