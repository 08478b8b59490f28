"""What permutation nulls cost, as ratios of processor time, and what they hold.

* 200 permutations of mutual kNN (n = 1,024, d = 1,024, k = 10), against one neighbour table and
  against searching the neighbours of the permuted side again for each;
* 200 permutations of debiased linear CKA (n = d = 1,024), against 200 calls of `compare`
  (measured on 10 of them);
* the nulls of all pairs of 48 representations (n = 449, d = 64: the shape of the quickstart), as a
  multiple of their scores (by Procrustes measured on 40 permutations);
* a grid of 32 × 24 layers with 200 permutations (n = 1,024, d = 256), in seconds, for CKA and
  mutual kNN, with the peak memory beyond the inputs, in a process of its own.

All float32. Ratios are of processor time, the two sides taken in turn, the median of the rounds.
Run: OMP_NUM_THREADS=1 python benchmarks/nulls.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial

import torch

import repscape
from repscape.compute.neighbours import neighbours
from repscape.measures.base import get_measure
from repscape.significance.null import null_of
from repscape.significance.permutations import Permutations

N, D, K, R = 1024, 1024, 10, 200
LIMIT = 2**31
GRID = """
import sys, threading, time
import numpy as np, psutil, torch, repscape
measure, rows, columns, limit = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
generator = torch.Generator().manual_seed(0)
layers = [torch.randn(1024, 256, generator=generator).numpy() for _ in range(rows + columns)]
repscape.compare_layers([x[:300] for x in layers[:2]], [x[:300] for x in layers[2:4]], measure)
process = psutil.Process()
before = peak = process.memory_info().rss
done = False
def watch():
    global peak
    while not done:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.005)
thread = threading.Thread(target=watch)
thread.start()
wall, used = time.perf_counter(), time.process_time()
found = repscape.compare_layers(
    layers[:rows], layers[rows:], measure, n_permutations=200, memory_limit=limit
)
wall, used = time.perf_counter() - wall, time.process_time() - used
done = True
thread.join()
assert np.isfinite(found.table["p_max"]).all()
print(wall, used, (peak - before) / 2**20)
"""

Work = Callable[[], object]


def seconds(*works: Work, rounds: int = 3, warm: bool = True) -> list[float]:
    """The median processor time of each, taken in turn, after a round to warm up, if it is to."""
    found: list[list[float]] = [[] for _ in works]
    for _ in range(rounds + warm):
        for taken, work in zip(found, works, strict=True):
            start = time.process_time()
            work()
            taken.append(time.process_time() - start)
    return [statistics.median(taken[warm:]) for taken in found]


def values(count: int, n: int, d: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(n, d, generator=generator) for _ in range(count)]


def neighbour_null() -> None:
    x, y = values(2, N, D)
    measure = get_measure(f"mutual_knn[k={K}]")
    a, b = measure.prepare(x), measure.prepare(y)
    orders = Permutations(N, R)
    some = orders.orders[: R // 10]
    null, table, searched = seconds(
        lambda: null_of(measure, a, b, orders, LIMIT),
        lambda: neighbours(y, K, "cosine"),
        lambda: [measure.compare(a, measure.prepare(y[order])) for order in some],
    )
    print(f"mutual kNN, {R} permutations: {null * 1e3:.1f} ms")
    print(f"  against one neighbour table ({table * 1e3:.1f} ms): {null / table:.2f}")
    print(f"  searching again takes {10 * searched / null:.0f} times as long")


def kernel_null() -> None:
    x, y = values(2, N, D)
    measure = get_measure("cka")
    a, b = measure.prepare(x), measure.prepare(y)
    null, whole, calls = seconds(
        lambda: null_of(measure, a, b, Permutations(N, R), LIMIT),
        lambda: repscape.compare(x, y, "cka", null="permutation", n_permutations=R),
        lambda: [repscape.compare(x, y, "cka") for _ in range(R // 20)],
    )
    print(f"debiased CKA, {R} permutations: {null:.2f} s ({whole:.2f} s with preparation)")
    print(
        f"  {R} calls of compare take {20 * calls / null:.1f} times as long "
        f"({20 * calls / whole:.1f})"
    )


def all_pairs(quick: bool) -> None:
    count = 16 if quick else 48
    many = {str(i): x.numpy() for i, x in enumerate(values(count, 449, 64))}
    few = dict(list(many.items())[:3])
    names = ["cka", "cka[kernel=rbf]", "rsa[rdm=euclidean]", "mutual_knn", "procrustes"]
    for name in names:
        drawn = R // 5 if name == "procrustes" else R
        score = partial(repscape.similarity_matrix, measures=name)
        with_null = partial(score, null="permutation", n_permutations=drawn)
        with_null(few)
        plain, whole = seconds(partial(score, many), partial(with_null, many), rounds=1, warm=False)
        null = (whole - plain) * R / drawn
        print(
            f"all {count * (count - 1) // 2} pairs, {name}: {plain:.2f} s, and {R} permutations "
            f"{null:.1f} s more ({null / plain:.0f} times; {1e6 * null / R:.0f} µs a permutation)"
        )


def layer_grid(quick: bool) -> None:
    rows, columns = (8, 6) if quick else (32, 24)
    for name in (f"mutual_knn[k={K}]", "cka"):
        for limit in ("2GiB", "512MiB"):
            child = subprocess.run(
                [sys.executable, "-c", GRID, name, str(rows), str(columns), limit],
                capture_output=True,
                text=True,
                check=True,
            )
            wall, used, peak = map(float, child.stdout.split())
            print(
                f"{rows} × {columns} layers, {name}, {R} permutations, memory_limit {limit}: "
                f"{wall:.0f} s ({used:.0f} s of processor time), peak {peak:.0f} MiB"
            )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer pairs, a smaller grid")
    quick = parser.parse_args().quick
    print(f"{torch.get_num_threads()} threads")
    neighbour_null()
    kernel_null()
    all_pairs(quick)
    layer_grid(quick)
