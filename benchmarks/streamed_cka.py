"""Exact debiased linear CKA of two files, in one pass over their rows.

Two float32 files of n = 1,000,000 rows and d = 1,024 features (4 GB each) are written, read once
by `compare_streams` in a process of its own, and deleted. Printed are

* the rate in useful operations: n d d' products and sums for the cross moments and half of
  n d² + n d'² for the symmetric ones, so 4 n d² in all;
* that rate over the mean rate of a large matrix product of the same dtype, timed before and
  after in the same process, by wall time and by processor time (on a busy machine, the second);
* the same with all three moments counted whole, as a plain implementation would make them;
* the highest resident size of that process, the interpreter and its libraries included.

Run: python benchmarks/streamed_cka.py [--quick] [--folder FOLDER]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

CHILD = """
import json, resource, sys, time
import torch
from repscape.streaming import compare_streams

x, y = sys.argv[1:3]
left, right = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)

def measured(work):
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor

def product_rates():
    runs = [measured(lambda: left @ right)[1:] for _ in range(12)]
    return [2 * SIDE**3 * len(runs) / sum(times) for times in zip(*runs)]

before = product_rates()
score, wall, processor = measured(lambda: compare_streams(x, y))
rates = [sum(pair) / 2 for pair in zip(before, product_rates())]
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
found = {"score": score.value, "times": [wall, processor], "rates": rates, "peak": peak}
print(json.dumps(found))
""".replace("SIDE", "2048")


def write_rows(path: Path, n: int, d: int, seed: int) -> None:
    """A `.npy` file of n × d values, a signal common to all files and noise of its own."""
    common, own = np.random.default_rng(0), np.random.default_rng(seed)
    mixing = own.standard_normal((16, d), dtype=np.float32)
    with path.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": (n, d)}
        np.lib.format.write_array_header_1_0(file, header)
        for start in range(0, n, 10_000):
            rows = min(10_000, n - start)
            signal = common.standard_normal((rows, 16), dtype=np.float32) @ mixing
            file.write((signal + own.standard_normal((rows, d), dtype=np.float32)).data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 50,000, d = 512")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--folder", help="where the files are written; by default a temporary one")
    chosen = parser.parse_args()
    n, d = (50_000, 512) if chosen.quick else (1_000_000, 1024)
    with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
        files = [Path(folder) / f"{name}.npy" for name in "xy"]
        for seed, file in enumerate(files, start=1):
            write_rows(file, n, d, seed)
        for _ in range(chosen.repeat):
            child = subprocess.run(
                [sys.executable, "-c", CHILD, *map(str, files)],
                capture_output=True,
                text=True,
                check=True,
            )
            report(json.loads(child.stdout), n, d)


def report(got: dict[str, Any], n: int, d: int) -> None:
    print(f"n = {n:,}, d = {d:,}, float32, read from {8 * n * d / 1e9:.1f} GB of files")
    print(f"debiased linear CKA   {got['score']:.6f}")
    for clock, taken, rate in zip(("wall", "processor"), got["times"], got["rates"], strict=True):
        useful = 4 * n * d * d / taken
        print(
            f"by {clock:9} time     {taken:6.1f} s; "
            f"{useful / 1e9:4.0f} of {rate / 1e9:4.0f} GFLOP/s: "
            f"{useful / rate:4.0%} useful, {1.5 * useful / rate:4.0%} with three whole products"
        )
    print(f"peak resident size    {got['peak'] / 1e6:.0f} MB, libraries included")


if __name__ == "__main__":
    main()
