"""What permutation nulls cost, as ratios to what they would cost by repeating the comparison.

* 200 permutations of mutual kNN (n = 1,024, d = 1,024, k = 10), against one neighbour table and
  against searching the neighbours of the permuted side again for each;
* 200 permutations of debiased linear CKA (n = d = 1,024), against 200 calls of `compare`
  (measured on 10 of them);
* a grid of 32 × 24 layers with 200 permutations (n = 1,024, d = 256), in seconds, for both.

All float32, on the threads that torch has. Run: python benchmarks/nulls.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

import repscape
from repscape.compute.neighbours import neighbours
from repscape.measures.base import get_measure
from repscape.significance.layers import compare_layers
from repscape.significance.null import null_of
from repscape.significance.permutations import Permutations

N, D, K, R = 1024, 1024, 10, 200
LIMIT = 2**31


def seconds(work: Callable[..., object], *arguments: object, rounds: int = 3) -> float:
    """The median over rounds, after one to warm up."""
    work(*arguments)
    found = []
    for _ in range(rounds):
        start = time.perf_counter()
        work(*arguments)
        found.append(time.perf_counter() - start)
    return statistics.median(found)


def values(count: int, d: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(N, d, generator=generator) for _ in range(count)]


def neighbour_null() -> None:
    x, y = values(2, D)
    measure = get_measure(f"mutual_knn[k={K}]")
    a, b = measure.prepare(x), measure.prepare(y)
    orders = Permutations(N, R)
    null = seconds(null_of, measure, a, b, orders, LIMIT)
    table = seconds(neighbours, y, K, "cosine")
    searched = 10 * seconds(lambda: [measure.compare(a, measure.prepare(y[o]))
                                     for o in orders.orders[: R // 10]], rounds=1)  # fmt: skip
    print(f"mutual kNN, {R} permutations: {null * 1e3:.1f} ms")
    print(f"  against one neighbour table ({table * 1e3:.1f} ms): {null / table:.2f}")
    print(f"  searching again takes {searched / null:.0f} times as long")


def kernel_null() -> None:
    x, y = values(2, D)
    measure = get_measure("cka")
    a, b = measure.prepare(x), measure.prepare(y)
    null = seconds(null_of, measure, a, b, Permutations(N, R), LIMIT)
    calls = R / 10 * seconds(lambda: [repscape.compare(x, y, "cka") for _ in range(10)], rounds=1)
    whole = seconds(lambda: repscape.compare(x, y, "cka", null="permutation", n_permutations=R))
    print(f"debiased CKA, {R} permutations: {null:.2f} s ({whole:.2f} s with preparation)")
    print(f"  {R} calls of compare take {calls / null:.1f} times as long ({calls / whole:.1f})")


def layer_grid(quick: bool) -> None:
    rows, columns = (8, 6) if quick else (32, 24)
    layers = [x.numpy() for x in values(rows + columns, 256)]
    for name in (f"mutual_knn[k={K}]", "cka"):
        start = time.perf_counter()
        found = compare_layers(layers[:rows], layers[rows:], name, n_permutations=R)
        taken = time.perf_counter() - start
        assert np.isfinite(found.table["p_max"]).all()
        print(f"{rows} × {columns} layers, {name}: {taken:.0f} s for {R} permutations")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a smaller grid of layers")
    quick = parser.parse_args().quick
    print(f"{torch.get_num_threads()} threads")
    neighbour_null()
    kernel_null()
    layer_grid(quick)
