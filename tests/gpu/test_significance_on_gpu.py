"""On a CUDA device nulls, layer maps and intervals are those of the CPU."""

from __future__ import annotations

import pytest
import torch

from repscape.compare import compare, similarity_matrix
from repscape.significance.layers import compare_layers

pytestmark = pytest.mark.gpu

NAMES = [
    "cka",
    "cka[kernel=rbf]",
    "cka[debiased=false]",
    "rsa",
    "mutual_knn[k=10]",
    "procrustes",
    "cca",
]


def pair(n: int = 120) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    signal = torch.randn(n, 5, generator=generator, dtype=torch.float64)
    sides = [
        signal @ torch.randn(5, 12, generator=generator, dtype=torch.float64)
        + 2 * torch.randn(n, 12, generator=generator, dtype=torch.float64)
        for _ in range(2)
    ]
    return sides[0], sides[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_null(name: str) -> None:
    x, y = pair()
    arguments = {"null": "permutation", "n_permutations": 99, "seed": 4}
    here = compare(x, y, name, **arguments)
    there = compare(x, y, name, device="cuda", **arguments)
    assert there.p_value == here.p_value
    for field in ("value", "null_mean", "null_sd", "effect"):
        wanted = pytest.approx(getattr(here, field), rel=1e-8, abs=1e-10)
        assert getattr(there, field) == wanted, field


def test_the_null_of_the_best_layer_pair() -> None:
    x, y = pair()
    layers = {"a": x, "b": x[:, :3]}, {"c": y, "d": y[:, 2:7]}
    here = compare_layers(*layers, "cka", n_permutations=99)
    moved = [{name: layer.cuda() for name, layer in side.items()} for side in layers]
    there = compare_layers(*moved, "cka", n_permutations=99)
    assert (there.layer_a, there.layer_b) == (here.layer_a, here.layer_b)
    assert there.best.p_value == here.best.p_value
    assert there.table["p_max"].tolist() == here.table["p_max"].tolist()


@pytest.mark.parametrize("method", ["jackknife", "subsampling"])
def test_an_interval(method: str) -> None:
    x, y = pair()
    here = compare(x, y, "cka", interval=method)
    there = compare(x, y, "cka", interval=method, device="cuda")
    assert there.interval == pytest.approx(here.interval, rel=1e-8)


def test_all_pairs_with_nulls() -> None:
    x, y = pair()
    sides = {"x": x, "y": y, "sum": x + y}
    arguments = {"null": "permutation", "n_permutations": 49}
    here, there = (
        similarity_matrix(sides, ["cka", "mutual_knn"], device=device, **arguments).table
        for device in ("cpu", "cuda")
    )
    assert there["p_value"].tolist() == here["p_value"].tolist()
