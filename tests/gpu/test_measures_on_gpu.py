"""The same code on a CUDA device gives the numbers of the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from repscape.compare import compare, similarity_matrix
from repscape.compute.neighbours import neighbours
from repscape.measures.base import MEASURES, get_measure
from repscape.representation import Representation
from repscape.streaming import compare_streams

pytestmark = pytest.mark.gpu

N = 200
DEFAULTS = [get_measure(cls()).name for cls in MEASURES.classes()]
VARIANTS = [
    "cka[kernel=rbf]",
    "cka[kernel=laplace,debiased=false]",
    "unit_rows|cka",
    "rsa[rdm=euclidean,compare_by=pearson]",
    "rsa[rdm=euclidean,compare_by=kendall]",
    "mutual_knn[k=10,metric=euclidean]",
    "clip[quantile=0.95]|mutual_knn",
    "linear_regression[evaluate=cross_validated]",
    "procrustes[score=similarity]",
]
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-9}


def pair(dtype: torch.dtype) -> tuple[Representation, Representation]:
    """Two views of one signal; the first ten values of a row may be read as logits."""
    generator = np.random.default_rng(5)
    signal = generator.normal(size=(N, 10))
    labels = signal.argmax(axis=1)
    sides = []
    for _ in range(2):
        mixed = np.concatenate([signal, signal @ generator.normal(size=(10, 14))], axis=1)
        values = mixed + 0.3 * generator.normal(size=mixed.shape)
        sides.append(Representation(torch.tensor(values, dtype=dtype), labels=labels))
    return sides[0], sides[1]


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
@pytest.mark.parametrize("name", [*DEFAULTS, *VARIANTS])
def test_a_score_is_that_of_the_cpu(name: str, dtype: torch.dtype):
    x, y = pair(dtype)
    on_cpu = compare(x, y, name)
    on_gpu = compare(x, y, name, device="cuda")
    assert on_gpu.value == pytest.approx(on_cpu.value, rel=TOLERANCE[dtype], abs=TOLERANCE[dtype])


def test_values_on_the_gpu_are_compared_there():
    x, y = pair(torch.float32)
    there: list[Any] = [side.values.cuda() for side in (x, y)]
    assert compare(*there).value == pytest.approx(compare(x.values, y.values).value, abs=2e-5)


def test_all_pairs_are_those_of_the_cpu():
    x, y = pair(torch.float32)
    sides = {"x": x, "y": y, "both": x.values + y.values}
    names = ["cka", "cka[kernel=rbf]", "rsa", "procrustes", "cca", "mutual_knn"]
    on_cpu, on_gpu = (similarity_matrix(sides, names, device=d).table for d in ("cpu", "cuda"))
    assert on_cpu["measure"].tolist() == on_gpu["measure"].tolist()
    assert on_gpu["value"].tolist() == pytest.approx(on_cpu["value"].tolist(), abs=2e-5)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_neighbours_are_those_of_the_cpu(metric: str):
    x, _ = pair(torch.float32)
    values = x.values + 100.0
    on_cpu, on_gpu = neighbours(values, 20, metric), neighbours(values.cuda(), 20, metric)
    assert torch.equal(on_cpu.indices, on_gpu.indices.cpu())
    assert torch.equal(on_cpu.distances, on_gpu.distances.cpu())


@pytest.mark.parametrize("dtype", list(TOLERANCE), ids=str)
def test_streams_are_those_of_the_cpu(dtype: torch.dtype):
    x, y = (side.values + 300.0 for side in pair(dtype))
    on_cpu = compare_streams(x, y, block_rows=64)
    on_gpu = compare_streams(x, y, device="cuda", block_rows=64)
    assert on_gpu.value == pytest.approx(on_cpu.value, abs=TOLERANCE[dtype])
