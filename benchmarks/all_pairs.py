"""All pairs at once: cost against the number of representations.

For M = 4, 8, 16, 32 representations (n = 2,000, d = 512, float32) and each measure, three
things are timed side by side:

* all pairs by `similarity_matrix`;
* the pair loop: `compare(x, y)` for every pair, each side prepared anew;
* the bare matrix products that any way needs: X_i X_iᵀ for half of the tiles of each
  representation.

Printed are the ratios. Run: python benchmarks/all_pairs.py [--quick]
"""

from __future__ import annotations

import argparse
from itertools import combinations

import torch

import repscape
from timing import timed

MEASURES = (
    "cka",
    "cka[kernel=rbf]",
    "rsa[rdm=euclidean,compare_by=spearman]",
    "procrustes",
    "mutual_knn",
)
PAIRS_TIMED = 12


def bare_products(xs: list[torch.Tensor], side: int = 512) -> None:
    n = xs[0].shape[0]
    for i in range(0, n, side):
        for j in range(i, n, side):
            for x in xs:
                x[i : i + side] @ x[j : j + side].T


def pair_loop(xs: list[torch.Tensor], measure: str) -> float:
    """Seconds for all pairs, from the first few."""
    pairs = list(combinations(range(len(xs)), 2))
    several = pairs[:PAIRS_TIMED]
    taken = timed(lambda: [repscape.compare(xs[a], xs[b], measure) for a, b in several]).wall
    return taken * len(pairs) / len(several)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 500, d = 64, M = 4 and 8")
    quick = parser.parse_args().quick
    n, d, counts = (500, 64, (4, 8)) if quick else (2000, 512, (4, 8, 16, 32))
    generator = torch.Generator().manual_seed(0)
    everything = [torch.randn(n, d, generator=generator) for _ in range(max(counts))]
    repscape.similarity_matrix(everything[:2], MEASURES)
    print(f"n = {n}, d = {d}, float32, {torch.get_num_threads()} threads")
    print(f"{'measure':44} {'M':>3} {'pair loop / all pairs':>22} {'all pairs / products':>21}")
    for measure in MEASURES:
        for count in counts:
            xs = everything[:count]
            bare = min(timed(bare_products, xs).wall for _ in range(2))
            at_once = timed(repscape.similarity_matrix, xs, measure).wall
            loop = pair_loop(xs, measure)
            print(f"{measure:44} {count:3} {loop / at_once:21.1f}x {at_once / bare:20.2f}x")


if __name__ == "__main__":
    main()
