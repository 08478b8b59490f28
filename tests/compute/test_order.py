"""Order statistics are exact by every route."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute import order
from repscape.compute.order import histogram, order_statistics, upper_entries


def tile_of(matrix: torch.Tensor):
    return lambda i, j: matrix[i, j]


def symmetric(kind: str, n: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    if kind == "smooth":
        values = torch.rand(n, n, generator=generator, dtype=torch.float64)
    elif kind == "ties":
        values = torch.randint(0, 4, (n, n), generator=generator).double()
    elif kind == "two values":
        values = (torch.arange(n)[:, None] + torch.arange(n)).remainder(2).double()
    elif kind == "sorted rows":
        values = torch.arange(n)[:, None] + torch.arange(n, dtype=torch.float64)
    else:
        values = torch.rand(n, n, generator=generator, dtype=torch.float64)
        values[:3] *= 1e6
    return torch.minimum(values, values.T)


def wanted(matrix: torch.Tensor, positions: tuple[int, int]) -> tuple[float, float]:
    n = len(matrix)
    values = np.sort(matrix.numpy()[np.triu_indices(n, 1)])
    return float(values[positions[0]]), float(values[positions[1]])


@pytest.mark.parametrize("kind", ["smooth", "ties", "two values", "sorted rows", "massive"])
@pytest.mark.parametrize("route", ["all", "bracket", "histogram"])
def test_middle_entries_by_every_route(kind, route, monkeypatch):
    n = 301
    count = n * (n - 1) // 2
    monkeypatch.setattr(order, "TILE_ROWS", 100)
    if route != "all":
        monkeypatch.setattr(order, "SMALL_COUNT", 0)
    if route == "histogram":
        monkeypatch.setattr(order, "KEPT_VALUES", 500)
    matrix = symmetric(kind, n)
    for positions in (((count - 1) // 2, count // 2), (0, 0), (count - 1, count - 1), (7, 8)):
        assert order_statistics(tile_of(matrix), n, positions) == wanted(matrix, positions)


def test_positions_between_two_heavy_ties():
    n, values = 40, []
    matrix = torch.zeros(n, n, dtype=torch.float64)
    above = torch.triu_indices(n, n, 1)
    half = above.shape[1] // 2
    matrix[above[0, half:], above[1, half:]] = 5.0
    matrix = matrix + matrix.T
    values = order._by_histogram(tile_of(matrix), n, (half - 1, half))
    assert values == (0.0, 5.0)


def test_never_holds_more_than_it_may(monkeypatch):
    monkeypatch.setattr(order, "SMALL_COUNT", 0)
    monkeypatch.setattr(order, "KEPT_VALUES", 500)
    held = []
    pick = order.pick
    monkeypatch.setattr(order, "pick", lambda v, p: held.append(len(v)) or pick(v, p))
    order_statistics(tile_of(symmetric("smooth", 400)), 400, (39_900, 39_900))
    assert 0 < held[0] <= 500


def test_upper_entries_come_once_each(monkeypatch):
    monkeypatch.setattr(order, "TILE_ROWS", 7)
    matrix = torch.arange(400.0).reshape(20, 20)
    entries = torch.cat(list(upper_entries(tile_of(matrix), 20)))
    assert sorted(entries.tolist()) == sorted(matrix.numpy()[np.triu_indices(20, 1)].tolist())


def test_histogram_counts_every_entry():
    matrix = symmetric("ties", 50)
    counts, lowest, highest = histogram(tile_of(matrix), 50, torch.tensor([0.0, 1.0, 2.5]).double())
    values = matrix.numpy()[np.triu_indices(50, 1)]
    assert counts.tolist() == [
        (values == 0).sum(),
        (values == 1).sum(),
        (values == 2).sum(),
        (values == 3).sum(),
    ]
    assert (lowest, highest) == (values.min(), values.max())
