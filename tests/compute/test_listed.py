"""Distances to what other lists name: the exact ones, each pair of samples formed once."""

from __future__ import annotations

import pytest
import torch

from repscape.compute.exact import ExactDistances
from repscape.compute.listed import listed_distances
from repscape.compute.neighbours import neighbours


@pytest.mark.parametrize("rows", [slice(0, 50), slice(13, 31)])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_distances_to_listed_samples(metric, rows, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    x, y, z = torch.randn(3, 50, 7, generator=generator)
    exact = ExactDistances.of(x, metric, compiled=True)
    table = neighbours(x, 4, metric)
    lists = [neighbours(other, 6, metric).indices for other in (y, z, y + 0.1 * z)]
    every = torch.arange(50)
    wanted = [
        torch.stack([exact.pairs(every[i : i + 1].expand(6), named[i]) for i in every[rows]])
        for named in lists
    ]
    asked = []
    pairs = ExactDistances.pairs

    def counted(self, left, right):
        asked.extend(zip(left.tolist(), right.tolist(), strict=True))
        return pairs(self, left, right)

    monkeypatch.setattr(ExactDistances, "pairs", counted)
    got = listed_distances(exact, table, lists, rows)
    assert torch.equal(got, torch.stack(wanted))
    named = {(i, int(j)) for i in range(50)[rows] for named in lists for j in named[i]}
    own = {(i, int(j)) for i in range(50)[rows] for j in table.indices[i]}
    assert sorted(asked) == sorted((j, i) for i, j in named - own)
