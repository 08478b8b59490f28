"""On a CUDA device descriptors, overlaps and imbalances are those of the CPU."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute.neighbours import neighbours
from repscape.describe import describe
from repscape.geometry.base import DESCRIPTORS
from repscape.geometry.imbalance import information_imbalance
from repscape.profile import profile

pytestmark = pytest.mark.gpu

SMALL = {
    "power_law": "power_law[first=1,last=5]",
    "twonn_scaling": "twonn_scaling[smallest=100]",
    "twonn_blocks": "twonn_blocks[blocks=4]",
}


def points(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(500, 6, generator=generator) @ torch.randn(6, 40, generator=generator)


@pytest.mark.parametrize("name", [SMALL.get(name, name) for name in DESCRIPTORS.names()])
def test_descriptors(name: str) -> None:
    labels = np.arange(500) % 3
    here = describe(points(), name, labels=labels).table
    there = describe(points().cuda(), name, labels=labels).table
    moved = describe(points(), name, labels=labels, device="cuda").table
    for found in (there, moved):
        np.testing.assert_allclose(found["value"], here["value"], rtol=1e-9)
        assert found["n"].equals(here["n"])


def test_duplicates_are_the_same() -> None:
    x = points()
    x[100:150] = x[:50]
    assert (describe(x.cuda(), "gride").mask == describe(x, "gride").mask).all()


def test_a_profile_with_its_scores() -> None:
    layers = [points(seed) for seed in range(3)]
    measures = ["mutual_knn[k=10,metric=euclidean]", "information_imbalance"]
    here = profile(layers, ["gride"], measures=measures, controls=["shuffled"])
    there = profile(
        [layer.cuda() for layer in layers], ["gride"], measures=measures, controls=["shuffled"]
    )
    np.testing.assert_allclose(there.values["value"], here.values["value"], rtol=1e-9)
    np.testing.assert_allclose(there.overlaps["value"], here.overlaps["value"], rtol=1e-12)


def test_information_imbalance() -> None:
    a, b = points(1), points(2)
    here = information_imbalance(neighbours(a, 3), b, 3)
    assert information_imbalance(neighbours(a.cuda(), 3), b.cuda(), 3).value == here.value
