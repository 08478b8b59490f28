"""Make golden.json: the values of the measures by their definitions, in plain NumPy and SciPy.

Nothing here imports Repscape. Every score is written from its formula in float64 with whole n×n
matrices, so that the engine's tiles, moments and factors are held to something independent.
Run it from anywhere: python tests/golden/make_golden.py. The result is committed; a test checks
that running it again gives the same values.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import stats
from scipy.spatial.distance import pdist, squareform

Array = np.ndarray
GOLDEN = Path(__file__).with_name("golden.json")


def cases() -> dict[str, tuple[Array, Array]]:
    """Pairs of representations: tall, wide, offset, with duplicated rows."""
    generator = np.random.default_rng(20261121)
    x = generator.standard_normal((120, 10))
    tall = x, x @ generator.standard_normal((10, 7)) + 0.5 * generator.standard_normal((120, 7))
    x = generator.standard_normal((40, 90))
    wide = x, x[:, :60] + generator.standard_normal((40, 60))
    offset = tall[0] + np.r_[300.0, -80.0, np.zeros(8)], tall[1] * 3.0 + 11.0
    rows = np.r_[0:60, 0:20]
    duplicated = tall[0][rows], tall[1][rows]
    return {"tall": tall, "wide": wide, "offset": offset, "duplicated": duplicated}


def centred(x: Array) -> Array:
    return x - x.mean(axis=0)


def gram(x: Array, kernel: str, sigma: float = 0.0) -> Array:
    if kernel == "linear":
        return centred(x) @ centred(x).T
    distances = pdist(x)
    width = sigma * np.median(distances)
    return squareform(np.exp(-(distances**2) / (2 * width**2))) + np.eye(len(x))


def biased_hsic(k: Array, l: Array) -> float:  # noqa: E741
    h = np.eye(len(k)) - 1.0 / len(k)
    return float(np.trace(k @ h @ l @ h))


def debiased_hsic(k: Array, l: Array) -> float:  # noqa: E741
    n = len(k)
    k, l = k * (1 - np.eye(n)), l * (1 - np.eye(n))  # noqa: E741
    total = np.trace(k @ l) + k.sum() * l.sum() / ((n - 1) * (n - 2))
    return float((total - 2 * (k @ l).sum() / (n - 2)) / (n * (n - 3)))


def cka(kernel: str, debiased: bool, sigma: float = 0.0) -> Callable[[Array, Array], float]:
    hsic = debiased_hsic if debiased else biased_hsic

    def score(x: Array, y: Array) -> float:
        k, l = gram(x, kernel, sigma), gram(y, kernel, sigma)  # noqa: E741
        return hsic(k, l) / np.sqrt(hsic(k, k) * hsic(l, l))

    return score


def rsa(rdm: str, compare_by: str) -> Callable[[Array, Array], float]:
    by = {
        "pearson": lambda a, b: stats.pearsonr(a, b).statistic,
        # Duplicated rows have equal distances to a third one; rounding must not rank them.
        "spearman": lambda a, b: stats.spearmanr(a.round(12), b.round(12)).statistic,
        "cosine": lambda a, b: a @ b / np.sqrt((a @ a) * (b @ b)),
    }[compare_by]
    return lambda x, y: float(by(pdist(x, rdm), pdist(y, rdm)))


def procrustes(score: str, center: bool) -> Callable[[Array, Array], float]:
    def value(x: Array, y: Array) -> float:
        if center:
            x, y = centred(x), centred(y)
        x, y = x / np.linalg.norm(x), y / np.linalg.norm(y)
        similarity = np.linalg.svd(x.T @ y, compute_uv=False).sum()
        shown = {
            "similarity": similarity,
            "distance": np.sqrt(2 - 2 * similarity),
            "angle": np.arccos(similarity),
        }
        return float(shown[score])

    return value


def nearest(x: Array, k: int, metric: str) -> list[set[int]]:
    distances = squareform(pdist(x, metric)).round(12)
    np.fill_diagonal(distances, np.inf)
    return [set(np.argsort(row, kind="stable")[:k].tolist()) for row in distances]


def mutual_knn(k: int, metric: str) -> Callable[[Array, Array], float]:
    def score(x: Array, y: Array) -> float:
        pairs = zip(nearest(x, k, metric), nearest(y, k, metric), strict=True)
        return float(np.mean([len(a & b) / k for a, b in pairs]))

    return score


def measures() -> dict[str, Callable[[Array, Array], float]]:
    """Canonical names and definitions."""
    found: dict[str, Callable[[Array, Array], float]] = {}
    for debiased in (True, False):
        flag = str(debiased).lower()
        found[f"cka[kernel=linear,debiased={flag}]@1"] = cka("linear", debiased)
        for sigma in (0.4, 1.0):
            name = f"cka[kernel=rbf,sigma={sigma:g}median,debiased={flag}]@1"
            found[name] = cka("rbf", debiased, sigma)
    for rdm in ("correlation", "cosine", "euclidean", "sqeuclidean"):
        for compare_by in ("pearson", "spearman", "cosine"):
            found[f"rsa[rdm={rdm},compare_by={compare_by}]@2"] = rsa(rdm, compare_by)
    for score in ("distance", "angle", "similarity"):
        for center in (True, False):
            name = f"procrustes[score={score},center={str(center).lower()}]@1"
            found[name] = procrustes(score, center)
    for metric in ("cosine", "euclidean"):
        for k in (1, 10):
            found[f"mutual_knn[k={k},metric={metric}]@1"] = mutual_knn(k, metric)
    return found


def values() -> dict[str, dict[str, float]]:
    """Every measure on every case."""
    return {
        case: {name: score(x, y) for name, score in measures().items()}
        for case, (x, y) in cases().items()
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(values(), indent=1) + "\n", encoding="utf-8")
