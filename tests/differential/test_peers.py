"""Numbers of other packages on the same values; `agreed_differences` says how they relate."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from agreed_differences import ROWS, Row, rsatoolbox_rsa

from repscape.compare import compare, similarity_matrix
from repscape.compute.neighbours import neighbours

pytestmark = pytest.mark.differential


def pair(seed: int, d_x: int, d_y: int, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    signal = generator.normal(size=(n, 4))
    x, y = (
        signal @ generator.normal(size=(4, d)) + generator.normal(size=(n, d)) for d in (d_x, d_y)
    )
    return x, y + 3.0


def brute_force(x: torch.Tensor, k: int) -> torch.Tensor:
    distances = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist")
    return distances.fill_diagonal_(torch.inf).topk(k, largest=False).indices.sort(dim=1).values


@pytest.mark.parametrize("shape", [(12, 12), (15, 9)], ids=str)
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_numbers_relate_as_agreed(row: Row, shape: tuple[int, int]):
    pytest.importorskip(row.package, reason=f"the package {row.package} is not installed")
    for seed in range(3):
        x, y = pair(seed, *shape)
        score = compare(x, y, row.measure).value
        assert row.theirs(x, y) == pytest.approx(row.relation(score, x, y), rel=row.tolerance)


def test_whitened_rsa_is_near_debiased_cka_but_not_it():
    pytest.importorskip("rsatoolbox", reason="the package rsatoolbox is not installed")
    x, y = pair(0, 12, 12)
    gap = abs(rsatoolbox_rsa("euclidean", "corr_cov")(x, y) - compare(x, y, "cka").value)
    assert 1e-6 < gap < 2e-2


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_faiss_finds_the_same_neighbours_of_kind_values(metric):
    faiss = pytest.importorskip("faiss", reason="the package faiss is not installed")
    x = torch.tensor(pair(1, 20, 3, n=500)[0], dtype=torch.float32)
    rows = torch.nn.functional.normalize(x) if metric == "cosine" else x
    index = (faiss.IndexFlatIP if metric == "cosine" else faiss.IndexFlatL2)(20)
    index.add(rows.numpy())
    found = torch.from_numpy(index.search(rows.numpy(), 11)[1])
    own = torch.arange(500)[:, None]
    theirs = found[found != own].reshape(500, 10)
    table = neighbours(x, 10, metric)
    assert torch.equal(theirs.sort(dim=1).values, table.sets.long())


def test_faiss_loses_neighbours_that_the_table_keeps():
    faiss = pytest.importorskip("faiss", reason="the package faiss is not installed")
    x = torch.tensor(pair(1, 64, 3, n=2000)[0], dtype=torch.float32) / 50 + 100
    x[:, :2] += 3000.0
    exact = brute_force(x, 10)
    assert torch.equal(neighbours(x, 10, "euclidean").sets.long(), exact)
    index = faiss.IndexFlatL2(64)
    index.add(x.numpy())
    found = torch.from_numpy(index.search(x.numpy(), 11)[1])
    right = [
        set(row.tolist()) - {i} == set(truth.tolist())
        for i, (row, truth) in enumerate(zip(found, exact, strict=True))
    ]
    assert np.mean(right) < 0.05


def test_a_permutation_p_value_through_calibrated_similarity():
    calibration = pytest.importorskip(
        "calibrated_similarity", reason="the package calibrated-similarity is not installed"
    )
    x, y = (torch.from_numpy(side) for side in pair(2, 8, 8, n=40))
    y = y + 4 * torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=y.dtype)
    seed, count = 11, 30
    score, p_value, threshold = calibration.calibrate(
        x,
        y,
        lambda a, b: torch.tensor(compare(a, b, "cka[debiased=false]").value, dtype=torch.float64),
        K=count,
        generator=torch.Generator().manual_seed(seed),
    )
    generator = torch.Generator().manual_seed(seed)
    shuffled = [y[torch.randperm(len(y), generator=generator)] for _ in range(count)]
    pairs = [(0, column) for column in range(count + 1)]
    values = similarity_matrix([x], "cka[debiased=false]", [y, *shuffled], pairs).table["value"]
    observed, null = values[0], values[1:]
    assert float(p_value) == pytest.approx((1 + (null >= observed).sum()) / (count + 1), rel=1e-6)
    expected = max(0.0, (observed - float(threshold)) / (1 - float(threshold)))
    assert float(score) == pytest.approx(expected, rel=1e-6)
    assert null.min() < float(threshold) <= values.max()
