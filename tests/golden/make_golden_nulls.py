"""Make golden_nulls.json: nulls and intervals by their definitions, in plain NumPy and SciPy.

Nothing here imports Repscape. Every permuted score is that of permuted values, prepared anew; every
replicate of the jackknife is that of the samples that are left. Run it from anywhere:
python tests/golden/make_golden_nulls.py. The result is committed; a test checks that running it
again gives the same values.
"""

from __future__ import annotations

import json
from pathlib import Path

import make_golden
import numpy as np
from scipy import stats

Array = np.ndarray
GOLDEN = Path(__file__).with_name("golden_nulls.json")
PERMUTATIONS, GROUPS = 24, 20
NAMES = [
    "cka[kernel=linear,debiased=true]@1",
    "cka[kernel=linear,debiased=false]@1",
    "cka[kernel=rbf,sigma=1median,debiased=true]@1",
    "rsa[rdm=correlation,compare_by=spearman]@2",
    "rsa[rdm=euclidean,compare_by=pearson]@2",
    "procrustes[score=distance,center=true]@1",
    "mutual_knn[k=10,metric=cosine]@1",
]
CASES = ("tall", "wide")
BEST = {"procrustes": 0.0}
KIND = {"procrustes": "distance"}


def orders(n: int) -> Array:
    """Random orders of the second side, (R, n)."""
    generator = np.random.default_rng(7)
    return np.stack([generator.permutation(n) for _ in range(PERMUTATIONS)])


def grouped_orders(n: int) -> Array:
    """Orders within four groups of consecutive samples."""
    generator = np.random.default_rng(8)
    parts = np.array_split(np.arange(n), 4)
    return np.stack(
        [np.concatenate([generator.permutation(p) for p in parts]) for _ in range(PERMUTATIONS)]
    )


def left_out(n: int) -> list[Array]:
    """The groups of samples that the jackknife leaves out in turn."""
    return np.array_split(np.random.default_rng(9).permutation(n), GROUPS)


def summary(observed: float, scores: Array, mean: float, family: str) -> dict[str, float]:
    """p-value, standard deviation and effect under a null."""
    exceed = scores <= observed if KIND.get(family) == "distance" else scores >= observed
    return {
        "value": observed,
        "null_mean": mean,
        "null_sd": float(scores.std(ddof=1)),
        "p_value": (1 + int(exceed.sum())) / (1 + len(scores)),
        "effect": (observed - mean) / (BEST.get(family, 1.0) - mean),
    }


def closed_form(name: str, x: Array, y: Array) -> float | None:
    """The mean over all orders, where one is known."""
    n = len(x)
    if name.startswith("mutual_knn"):
        return 10 / (n - 1)
    if "debiased=true" in name or name.startswith("rsa"):
        return 0.0
    if name.startswith("cka"):
        k, m = (make_golden.centred(v) @ make_golden.centred(v).T for v in (x, y))
        return float(np.trace(k) * np.trace(m) / (n - 1) / np.linalg.norm(k) / np.linalg.norm(m))
    return None


def values(cases: tuple[str, ...] = CASES) -> dict[str, dict[str, dict[str, float]]]:
    """Every measure on these cases: free and grouped null, and the jackknife."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    measures = make_golden.measures()
    for case in cases:
        x, y = make_golden.cases()[case]
        n = len(x)
        for name in NAMES:
            score, family = measures[name], name.partition("[")[0]
            observed = score(x, y)
            free = np.array([score(x, y[order]) for order in orders(n)])
            grouped = np.array([score(x, y[order]) for order in grouped_orders(n)])
            kept = [np.setdiff1d(np.arange(n), group) for group in left_out(n)]
            replicates = np.array([score(x[rows], y[rows]) for rows in kept])
            spread = np.square(replicates - replicates.mean()).sum() * (GROUPS - 1) / GROUPS
            error = float(np.sqrt(spread))
            reach = float(stats.t.ppf(0.975, GROUPS - 1)) * error
            expected = closed_form(name, x, y)
            mean = float(free.mean()) if expected is None else expected
            found[f"{case} {name}"] = {
                "free": summary(observed, free, mean, family),
                "grouped": summary(observed, grouped, float(grouped.mean()), family),
                "jackknife": {
                    "standard_error": error,
                    "low": observed - reach,
                    "high": observed + reach,
                },
            }
    return found


def best_layer() -> dict[str, float]:
    """The null of the best of 3 × 2 layer pairs: one order for all layers of the second side."""
    x, y = make_golden.cases()["tall"]
    first, second = [x, x[:, :3], np.tanh(x)], [y, y[:, 2:]]
    score = make_golden.measures()[NAMES[0]]
    observed = max(score(a, b) for a in first for b in second)
    best = np.array(
        [max(score(a, b[order]) for a in first for b in second) for order in orders(len(x))]
    )
    return summary(observed, best, float(best.mean()), "cka")


if __name__ == "__main__":
    record = {"pairs": values(), "best layer": best_layer()}
    GOLDEN.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
