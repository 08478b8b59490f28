"""All pairs, neighbour tables and nulls on a GPU against the CPU of the same machine.

M = 16 representations (n = 4,000, d = 768, float32), one table of neighbours (n = 50,000,
d = 768, k = 100) and the null of one pair (n = 1,024, 200 permutations), each in turn on the CPU
with all its cores (once, after a small run that compiles) and on the GPU (the least of the
rounds), inputs on the device where they are used. Printed are CPU time over GPU time, and the
largest difference of the values.

Run: python benchmarks/gpu.py [--quick]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

import repscape
from repscape.compute.neighbours import neighbours

MEASURES = (
    "cka",
    "cka[kernel=rbf]",
    "rsa[rdm=euclidean,compare_by=spearman]",
    "procrustes",
    "cca",
    "mutual_knn",
    "rank_similarity",
)
NULLS = ("cka", "mutual_knn", "procrustes")


def views(count: int, n: int, d: int) -> list[torch.Tensor]:
    """Representations that share half of their variance."""
    generator = torch.Generator().manual_seed(0)
    shared = torch.randn(n, d, generator=generator)
    return [shared + torch.randn(n, d, generator=generator) for _ in range(count)]


def once(work: Callable[[], Any]) -> tuple[float, Any]:
    """The wall time of a single run on the CPU, and its result."""
    start = time.perf_counter()
    found = work()
    return time.perf_counter() - start, found


def timed(work: Callable[[], Any], rounds: int) -> tuple[float, Any]:
    """The least wall time of the rounds after one that warms up, and the last result."""
    found = work()
    least = float("inf")
    for _ in range(rounds):
        torch.cuda.synchronize()
        start = time.perf_counter()
        found = work()
        torch.cuda.synchronize()
        least = min(least, time.perf_counter() - start)
    return least, found


def line(name: str, cpu: float, gpu: float, difference: float) -> None:
    print(
        f"{name:50} {cpu / gpu:7.1f}×   GPU {gpu:8.3f} s   largest difference {difference:.1e}",
        flush=True,
    )


def all_pairs(n: int, rounds: int) -> None:
    here = views(16, n, 768)
    there = [x.cuda() for x in here]
    for measure in MEASURES:
        repscape.similarity_matrix([x[:256] for x in here[:2]], measure)
        cpu, wanted = once(lambda m=measure: repscape.similarity_matrix(here, m))
        gpu, found = timed(lambda m=measure: repscape.similarity_matrix(there, m), rounds)
        apart = np.abs(found.table["value"] - wanted.table["value"]).max()
        line(f"16 × {n}: {measure}", cpu, gpu, apart)


def table(n: int, rounds: int) -> None:
    [x] = views(1, n, 768)
    there = x.cuda()
    neighbours(x[:2_000], 100)
    cpu, wanted = once(lambda: neighbours(x, 100))
    gpu, found = timed(lambda: neighbours(there, 100), rounds)
    assert torch.equal(found.indices.cpu(), wanted.indices)
    apart = (found.distances.cpu() - wanted.distances).abs().max().item()
    line(f"neighbour table, n = {n}", cpu, gpu, apart)


def nulls(rounds: int) -> None:
    x, y = views(2, 1024, 512)
    on_gpu = (x.cuda(), y.cuda())
    for measure in NULLS:
        repscape.compare(x[:64], y[:64], measure, null="permutation", n_permutations=20)
        cpu, wanted = once(lambda m=measure: repscape.compare(x, y, m, null="permutation"))
        gpu, found = timed(
            lambda m=measure: repscape.compare(*on_gpu, m, null="permutation"), rounds
        )
        assert found.p_value == wanted.p_value
        line(f"200 permutations: {measure}", cpu, gpu, abs(found.null_mean - wanted.null_mean))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 1,000 and n = 5,000, one round")
    quick = parser.parse_args().quick
    if not torch.cuda.is_available():
        raise SystemExit("this benchmark needs a CUDA device")
    print(f"{torch.cuda.get_device_name()} against {torch.get_num_threads()} CPU threads")
    rounds = 1 if quick else 3
    nulls(rounds)
    table(5_000 if quick else 50_000, rounds)
    all_pairs(1_000 if quick else 4_000, rounds)


if __name__ == "__main__":
    main()
