"""The alignment and CCA families, all pairs at once, against the usual way pair by pair.

For M = 16 representations (n = 4,000, d = 768, float64) and each measure, two things are timed:

* all pairs by `similarity_matrix`: one factorization for each representation, then the singular
  values of small cross products;
* the per-pair way: for every pair, the features of both sides are centred and decomposed (SVD)
  anew, then their cross product is; from the first few pairs.

Printed are seconds and the ratio. Run: python benchmarks/alignment.py [--quick] [-M 16]
"""

from __future__ import annotations

import argparse
from itertools import combinations

import torch

import repscape
from timing import timed

MEASURES = ("procrustes", "size_and_shape", "cca", "cca[average=mean_squared]", "svcca", "pwcca")


def decomposed(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    left, values, _ = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
    return left, values


def one_pair(x: torch.Tensor, y: torch.Tensor, measure: str) -> float:
    """What a function of two matrices has to do each time that it is called."""
    (u, s), (v, t) = decomposed(x), decomposed(y)
    if measure.startswith(("procrustes", "size")):
        nuclear = torch.linalg.svdvals((u * s).T @ (v * t)).sum()
        return float(nuclear / (s.norm() * t.norm()))
    return float(torch.linalg.svdvals(u.T @ v).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 1,000, d = 128")
    parser.add_argument("-M", type=int, default=16, help="number of representations")
    parser.add_argument("--timed", type=int, default=3, help="pairs timed the per-pair way")
    options = parser.parse_args()
    n, d = (1000, 128) if options.quick else (4000, 768)
    generator = torch.Generator().manual_seed(0)
    xs = [torch.randn(n, d, generator=generator, dtype=torch.float64) for _ in range(options.M)]
    pairs = list(combinations(range(options.M), 2))
    repscape.similarity_matrix([x[:50, :5] for x in xs[:2]], MEASURES)
    print(f"M = {options.M}, n = {n}, d = {d}, float64, {torch.get_num_threads()} threads")
    print(f"{'measure':32} {'all pairs':>12} {'pair by pair':>14} {'ratio':>8}")
    for measure in MEASURES:
        at_once = timed(repscape.similarity_matrix, xs, measure).wall
        several = pairs[: options.timed]
        alone = timed(lambda m=measure, t=several: [one_pair(xs[a], xs[b], m) for a, b in t]).wall
        loop = alone * len(pairs) / len(several)
        print(f"{measure:32} {at_once:10.1f} s {loop:12.1f} s {loop / at_once:7.1f}x")


if __name__ == "__main__":
    main()
