"""Alignment of two language models: one thin factor per model against the direct way per pair.

The sizes are those of Klabunde et al. (2023) on Winogrande: n = 1,267 prompts, widths 4,096 and
4,544. Timed, in processor seconds of one thread:

* Repscape: a factor for each model (once, whatever the number of pairs), then the singular values
  (or the decomposition) of an n × n product for the pair;
* the direct way: the narrower side padded with zeros, the d × d product, its decomposition.

Printed are the seconds, the ratio for one pair, for all pairs of thirteen models, and how far the
two values differ. Run: python benchmarks/wide_pairs.py [--quick]
"""

from __future__ import annotations

import argparse

import torch

from repscape.measures.base import get_measure
from timing import timed

MODELS = 13
MEASURES = ("procrustes[score=distance,center=false]", "aligned_cosine[center=false]")


def direct(x: torch.Tensor, y: torch.Tensor, measure: str) -> float:
    """Pad, multiply, decompose: what a function of two matrices does each time."""
    x, y = x.double(), y.double()
    width = max(x.shape[1], y.shape[1])
    x, y = (torch.nn.functional.pad(z / z.norm(), (0, width - z.shape[1])) for z in (x, y))
    u, values, vt = torch.linalg.svd(x.T @ y)
    if measure.startswith("procrustes"):
        return float((2.0 - 2.0 * values.sum()).clamp(min=0).sqrt())
    return float(torch.nn.functional.cosine_similarity(x @ u @ vt, y, dim=1).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 300, widths 900 and 1,000")
    options = parser.parse_args()
    n, widths = (300, (900, 1000)) if options.quick else (1267, (4096, 4544))
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(n, 40, generator=generator)
    x, y = (
        shared @ torch.randn(40, d, generator=generator) + torch.randn(n, d, generator=generator)
        for d in widths
    )
    print(f"n = {n}, d = {widths[0]} and {widths[1]}, float32, processor seconds of one thread")
    pairs = MODELS * (MODELS - 1) / 2
    for name in MEASURES:
        measure = get_measure(name)
        first, second = timed(measure.prepare, x), timed(measure.prepare, y)
        ours = timed(measure.compare, first.result, second.result)
        theirs = timed(direct, x, y, name)
        both, pair, slow = first.processor + second.processor, ours.processor, theirs.processor
        model, gap = both / 2, abs(ours.result - theirs.result)
        everything = pairs * slow / (MODELS * model + pairs * pair)
        print(f"{measure.name}")
        print(f"  per model {model:.2f} s, per pair {pair:.2f} s; direct, per pair {slow:.1f} s")
        print(f"  one pair {slow / (both + pair):.0f}x", end=", ")
        print(f"all pairs of {MODELS} models {everything:.0f}x, difference {gap:.1e}")


if __name__ == "__main__":
    main()
