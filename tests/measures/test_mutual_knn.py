from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import repscape
from repscape.errors import (
    InvalidParameterError,
    TooFewSamplesError,
    UndefinedScoreError,
)
from repscape.measures import neighbour_family
from repscape.measures.base import get_measure


def pair(n: int = 150, d: int = 12) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d))
    return x, x @ rng.standard_normal((d, d)) + 0.5 * rng.standard_normal((n, d))


def by_hand(x: np.ndarray, y: np.ndarray, k: int, metric: str) -> float:
    """The definition, one sample at a time."""
    shared = 0
    for i in range(len(x)):
        near = []
        for z in (x, y):
            if metric == "cosine":
                unit = z / np.linalg.norm(z, axis=1, keepdims=True)
                distances = 1 - unit @ unit[i]
            else:
                distances = np.linalg.norm(z - z[i], axis=1)
            others = [j for j in range(len(x)) if j != i]
            near.append(set(sorted(others, key=lambda j, d=distances: (d[j], j))[:k]))
        shared += len(near[0] & near[1])
    return shared / (k * len(x))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16])
@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("k", [1, 10, 149])
def test_equals_the_definition(k: int, metric: str, dtype: type) -> None:
    x, y = (z.astype(dtype) for z in pair())
    expected = by_hand(x.astype(np.float64), y.astype(np.float64), k, metric)
    assert 0 < expected <= 1
    assert float(repscape.compare(x, y, f"mutual_knn[k={k},metric={metric}]")) == expected


def test_precomputed_distances_give_the_same_number() -> None:
    x, y = pair()
    matrices = [np.linalg.norm(z[:, None] - z[None], axis=2) for z in (x, y)]
    given = repscape.compare(*matrices, "mutual_knn[metric=precomputed]")
    assert float(given) == float(repscape.compare(x, y, "mutual_knn[metric=euclidean]"))


def test_precomputed_distances_are_checked() -> None:
    x, y = pair()
    near, far = (np.linalg.norm(z[:, None] - z[None], axis=2) for z in (x, y))
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    crooked = near.copy()
    crooked[3, 5] *= 2
    for wrong, message in (
        (-near, r"are not negative, but entry \(\d+, \d+\) is -.*similarities\?"),
        (unit @ unit.T, "are not negative.*Give e.g. 1 - similarity"),
        ((1 + unit @ unit.T) / 2, r"to itself is 0, but entry \(\d+, \d+\) is 1.*similarities\?"),
        (crooked, r"is symmetric, but entry \(3, 5\) is .* and entry \(5, 3\) is "),
    ):
        for sides in ((wrong, far), (far, wrong)):
            with pytest.raises(InvalidParameterError, match=message):
                repscape.compare(*sides, "mutual_knn[metric=precomputed]")


def test_precomputed_distances_may_have_the_rounding_of_float32_products() -> None:
    x, y = (torch.from_numpy(z).float() + 30 for z in pair())
    near, far = (torch.cdist(z, z, compute_mode="use_mm_for_euclid_dist") for z in (x, y))
    assert max(near.diagonal().max(), far.diagonal().max()) > 0
    given = float(repscape.compare(near, far, "mutual_knn[metric=precomputed]"))
    exact = float(repscape.compare(x, y, "mutual_knn[metric=euclidean]"))
    assert given == pytest.approx(exact, abs=0.05)


def test_polygons_have_known_values() -> None:
    """Neighbours on a regular 24-gon are the two next to a corner; index × 5 shares none."""
    angles = 2 * math.pi * np.arange(24) / 24
    polygon = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    jumping, turned = polygon[np.arange(24) * 5 % 24], np.roll(polygon, 7, axis=0)
    name = "mutual_knn[k=2,metric=euclidean]"
    assert float(repscape.compare(polygon, jumping, name)) == 0.0
    assert float(repscape.compare(polygon, turned, name)) == 1.0


def test_the_sample_itself_is_left_out_by_its_index() -> None:
    """Of five equal rows each has the four others, never itself, as neighbours."""
    x, y = pair(100)
    x, y = np.repeat(x[:20], 5, axis=0), np.repeat(y[:20], 5, axis=0)
    assert float(repscape.compare(x, y, "mutual_knn[k=4]")) == 1.0
    single = torch.as_tensor(x)
    table = get_measure("mutual_knn[k=4]").prepare(single)
    assert not (table.indices == torch.arange(100)[:, None]).any()


def test_offset_and_massive_dimensions_leave_the_euclidean_score_alone() -> None:
    x, y = (np.round(z * 256) / 256 for z in pair())
    name = "mutual_knn[metric=euclidean]"
    plain = float(repscape.compare(x, y, name))
    massive = np.concatenate([x + 100, np.full((150, 1), 2000.0), np.full((150, 1), -800.0)], 1)
    assert float(repscape.compare(massive.astype(np.float32), y, name)) == plain


def test_chance_level() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((2, 800, 8))
    score = float(repscape.compare(x, y, "mutual_knn[k=20]"))
    # The counts are close to 800 draws of Binomial(20, 20/799).
    assert abs(score - 20 / 799) < 5 * math.sqrt(20 / 799 / (20 * 800))


def test_name_states_every_parameter() -> None:
    assert get_measure("mutual_knn").name == "mutual_knn[k=10,metric=cosine]@1"


def test_each_representation_has_one_table(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def counted(x: torch.Tensor, k: int, metric: str, memory_limit: float) -> object:
        calls.append(x)
        return original(x, k, metric, memory_limit)

    original = neighbour_family.neighbours
    monkeypatch.setattr(neighbour_family, "neighbours", counted)
    rng = np.random.default_rng(2)
    rows = [rng.standard_normal((60, 6)) for _ in range(5)]
    table = repscape.similarity_matrix(rows, "mutual_knn").table
    assert len(calls) == 5
    monkeypatch.undo()
    assert len(table) >= 10
    for row in table.itertuples():
        x, y = rows[int(row.rep_a)], rows[int(row.rep_b)]
        assert row.value == float(repscape.compare(x, y, "mutual_knn"))


def test_refusals() -> None:
    x, y = pair(20)
    with pytest.raises(TooFewSamplesError):
        repscape.compare(x, y, "mutual_knn[k=20]")
    with pytest.raises(InvalidParameterError, match="k"):
        repscape.compare(x, y, "mutual_knn[k=0]")
    with pytest.raises(InvalidParameterError, match="n×n"):
        repscape.compare(x, y, "mutual_knn[metric=precomputed]")
    with pytest.raises(UndefinedScoreError, match="same values"):
        repscape.compare(np.ones_like(x), y, "mutual_knn")
    with pytest.raises(UndefinedScoreError, match="one feature"):
        repscape.compare(x[:, :1], y, "mutual_knn")
    x[3] = 0
    with pytest.raises(UndefinedScoreError, match="row 3"):
        repscape.compare(x, y, "mutual_knn")
