"""Against `calibrated-similarity` (arXiv 2602.14486), where both define the same thing."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import repscape
from repscape.measures.base import get_measure
from repscape.significance.layers import compare_layers
from repscape.significance.permutations import Permutations

peer = pytest.importorskip("calibrated_similarity")

K = 99
MEASURES = ["cka[debiased=false]", "cka", "mutual_knn[k=5]", "rsa", "procrustes[score=similarity]"]


class Orders:
    """Our permutations, in the form that the peer asks for."""

    def __init__(self, n: int) -> None:
        self._orders = iter(Permutations(n, K, seed=3).orders)

    def __call__(self, n: int, device: torch.device) -> torch.Tensor:
        return next(self._orders)


def similarity(name: str):
    measure = get_measure(name)
    return lambda x, y: measure.compare(measure.prepare(x), measure.prepare(y))


def pair(noise: float) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(40, 6, generator=generator, dtype=torch.float64)
    return x, x.flip(1) + noise * torch.randn(40, 6, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("noise", [1.0, 6.0])
@pytest.mark.parametrize("name", MEASURES)
def test_p_values_and_thresholds_agree(name: str, noise: float) -> None:
    x, y = pair(noise)
    _, p, threshold = peer.calibrate(x, y, similarity(name), K=K, perm_fn=Orders(40))
    score = repscape.compare(x, y, name, null="permutation", n_permutations=K, seed=3)
    assert score.p_value == pytest.approx(float(p))
    # The peer's threshold is an order statistic of the null together with the score itself.
    assert score.quantiles is not None
    assert score.quantiles[0.5] <= float(threshold) + 1e-6
    if score.p_value == 1 / (K + 1):
        assert float(threshold) <= score.value + 1e-6


@pytest.mark.parametrize("name", ["cka[debiased=false]", "mutual_knn[k=5]"])
def test_the_best_of_all_layers_agrees(name: str) -> None:
    x, y = pair(2.0)
    xs, ys = [x, x[:, :2], x.square()], [y, y[:, 3:]]
    _, p, _ = peer.calibrate_layers(xs, ys, similarity(name), K=K, perm_fn=Orders(40))
    found = compare_layers(xs, ys, name, n_permutations=K, seed=3)
    assert found.best.p_value == pytest.approx(float(p))
    best = max(float(repscape.compare(a, b, name)) for a in xs for b in ys)
    assert np.isclose(float(found.best), best)
