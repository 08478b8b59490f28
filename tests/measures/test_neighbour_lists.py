"""Measures of the lists of nearest neighbours against plain definitions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from repscape.compare import compare, similarity_matrix
from repscape.errors import TooFewSamplesError, UndefinedScoreError


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5)) + 0.5
    return x, x[:, :4] + 0.7 * rng.normal(size=(60, 4))


def lists(x: np.ndarray, k: int, metric: str) -> np.ndarray:
    gaps = cdist(x, x, metric)
    np.fill_diagonal(gaps, np.inf)
    return np.argsort(gaps, axis=1, kind="stable")[:, :k]


def ranks(x: np.ndarray, metric: str) -> np.ndarray:
    order = lists(x, len(x) - 1, metric)
    places = np.zeros((len(x), len(x)), int)
    np.put_along_axis(places, order, np.arange(1, len(x)), axis=1)
    return places


METRICS = ["cosine", "euclidean"]


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 7, 59])
def test_overlaps(pair, k, metric):
    A, B = (lists(x, k, metric) for x in pair)
    common = np.array([len(set(a) & set(b)) for a, b in zip(A, B, strict=True)])
    jaccard = common / (2 * k - common)
    assert compare(*pair, f"knn_jaccard[k={k},metric={metric}]").value == pytest.approx(
        jaccard.mean()
    )
    agreement = []
    for a, b in zip(A.tolist(), B.tolist(), strict=True):
        shared = set(a) & set(b)
        total = sum(
            2 / ((1 + abs(a.index(j) - b.index(j))) * (a.index(j) + b.index(j) + 2)) for j in shared
        )
        harmonic = sum(1 / i for i in range(1, len(shared) + 1))
        agreement.append(total / harmonic if shared else 0.0)
    got = compare(*pair, f"rank_similarity[k={k},metric={metric}]").value
    assert got == pytest.approx(np.mean(agreement))
    both = compare(*pair, f"rank_jaccard[k={k},metric={metric}]").value
    assert both == pytest.approx(np.mean(jaccard * agreement))


@pytest.mark.parametrize("metric", METRICS)
def test_cycles_in_both_directions(pair, metric):
    A, B = (lists(x, 2, metric) for x in pair)
    for direction, there, back in (("xy", B, A), ("yx", A, B)):
        wanted = np.mean([any(i in back[j] for j in there[i]) for i in range(60)])
        name = f"cycle_knn[k=2,metric={metric},direction={direction}]"
        assert compare(*pair, name).value == pytest.approx(wanted)
        assert compare(*pair[::-1], name).value == pytest.approx(
            compare(*pair, name.replace(direction, direction[::-1])).value
        )


def test_second_order_cosine(pair):
    A, B = (lists(x, 7, "cosine") for x in pair)
    gaps = [cdist(x, x, "cosine") for x in pair]
    cosines = []
    for i in range(60):
        union = sorted({*A[i].tolist(), *B[i].tolist()})
        u, v = gaps[0][i, union], gaps[1][i, union]
        cosines.append(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
    got = compare(*pair, "second_order_cosine[k=7]").value
    assert got == pytest.approx(np.mean(cosines), rel=1e-12)


def test_second_order_cosine_of_samples_among_their_copies(pair):
    copies = np.repeat(pair[0][:20], 3, axis=0)
    with pytest.raises(UndefinedScoreError, match="same direction as all its neighbours"):
        compare(copies, copies, "second_order_cosine[k=2]")


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5])
def test_information_imbalance(pair, k, metric):
    for direction, source, target in (("xy", *pair), ("yx", *pair[::-1])):
        near = lists(source, k, metric)
        wanted = 2 / 60 * np.take_along_axis(ranks(target, metric), near, axis=1).mean()
        name = f"information_imbalance[k={k},metric={metric},direction={direction}]"
        assert compare(*pair, name).value == pytest.approx(wanted, rel=1e-12)
    itself = compare(pair[0], pair[0], f"information_imbalance[k={k},metric={metric}]").value
    assert itself == pytest.approx((k + 1) / 60)


def test_information_imbalance_of_duplicates_ranks_ties_by_index():
    x = np.repeat(np.random.default_rng(0).normal(size=(10, 3)), 3, axis=0)
    y = np.random.default_rng(1).normal(size=(30, 3))
    near = lists(y, 2, "euclidean")
    wanted = 2 / 30 * np.take_along_axis(ranks(x, "euclidean"), near, axis=1).mean()
    got = compare(y, x, "information_imbalance[k=2]").value
    assert got == pytest.approx(wanted, rel=1e-12)


def test_information_imbalance_of_all_pairs_makes_one_pass_for_each(pair, monkeypatch):
    from repscape.measures import information_imbalance as module

    passes = []
    ranks = module.neighbour_ranks
    monkeypatch.setattr(
        module, "neighbour_ranks", lambda *arguments: passes.append(1) or ranks(*arguments)
    )
    directions = [f"information_imbalance[direction={direction}]" for direction in ("xy", "yx")]
    similarity_matrix([*pair, pair[0] ** 3, pair[1] ** 3], directions)
    assert len(passes) == 4


def test_second_order_cosine_of_all_pairs_in_little_memory(pair):
    reps = [*pair, pair[0] ** 3, np.hstack([pair[1], pair[0]])]
    tables = [
        similarity_matrix(reps, "second_order_cosine", memory_limit=limit).table
        for limit in ("2GiB", "80KiB")
    ]
    assert tables[0]["value"].tolist() == tables[1]["value"].tolist()
    for row in tables[0].itertuples():
        alone = compare(reps[int(row.rep_a)], reps[int(row.rep_b)], "second_order_cosine").value
        assert row.value == alone


@pytest.mark.parametrize("kernel", ["cosine", "dot"])
@pytest.mark.parametrize("k", [3, 59])
def test_cknna(pair, kernel, k):
    def grams(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        x = x / np.linalg.norm(x, axis=1, keepdims=True) if kernel == "cosine" else x
        K = x @ x.T
        others = K.copy()
        np.fill_diagonal(others, -np.inf)
        mask = np.zeros_like(K)
        np.put_along_axis(mask, np.argsort(-others, axis=1, kind="stable")[:, :k], 1.0, axis=1)
        return K, mask

    def hsic(K: np.ndarray, L: np.ndarray) -> float:
        n, ones = len(K), np.ones(len(K))
        totals = K.sum() * L.sum() / ((n - 1) * (n - 2))
        return (np.trace(K @ L) + totals - 2 / (n - 2) * (ones @ K @ L @ ones)) / (n * (n - 3))

    (K, mask_k), (L, mask_l) = (grams(x) for x in pair)
    both = mask_k * mask_l
    own = hsic(mask_k * K, mask_k * K) * hsic(mask_l * L, mask_l * L)
    wanted = hsic(both * K, both * L) / np.sqrt(own)
    got = compare(*pair, f"cknna[k={k},kernel={kernel}]").value
    assert got == pytest.approx(wanted, rel=1e-10)


def test_cknna_of_all_neighbours_is_debiased_cka(pair):
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in pair]
    assert compare(*pair, "cknna[k=59]").value == pytest.approx(compare(*unit, "cka").value)


@pytest.mark.parametrize("name", ["knn_jaccard", "lcs_knn", "cknna", "information_imbalance[k=10]"])
def test_k_must_be_less_than_n(pair, name):
    with pytest.raises(TooFewSamplesError, match="needs at least 11 samples"):
        compare(pair[0][:10], pair[1][:10], name)


def test_cosine_neighbours_of_one_feature_are_not_determined(pair):
    with pytest.raises(UndefinedScoreError, match="with one feature"):
        compare(pair[0][:, :1], pair[1], "knn_jaccard")


def test_a_polygon_and_its_star():
    def polygon(step: int) -> np.ndarray:
        angles = 2 * np.pi * step * np.arange(24) / 24
        return np.stack([np.cos(angles), np.sin(angles)], axis=1)

    name = "knn_jaccard[k=2,metric=euclidean]"
    assert compare(polygon(1), polygon(5), name).value == 0.0
