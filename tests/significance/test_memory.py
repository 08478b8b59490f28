"""The nulls of all pairs keep to their budget, by the peak of a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CHILD = """
import sys, threading, time
import psutil, torch, repscape
measure, limit = sys.argv[1:]
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
xs = [torch.randn(1200, 16, generator=generator) for _ in range(20)]
arguments = {"null": "permutation", "n_permutations": 9}
repscape.similarity_matrix([x[:300] for x in xs], measure, **arguments)
process = psutil.Process()
before = peak = process.memory_info().rss
done = False
def watch():
    global peak
    while not done:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.001)
thread = threading.Thread(target=watch)
thread.start()
table = repscape.similarity_matrix(xs, measure, memory_limit=limit, **arguments).table
done = True
thread.join()
assert table["p_value"].notna().all(), table["null_reason"].iloc[0]
print((peak - before) / 2**20)
"""


def peak(measure: str, limit: str) -> float:
    """MiB beyond the inputs; what is freed goes back at once, and is not counted."""
    pytest.importorskip("psutil")
    at_once = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, measure, limit],
        env={**os.environ, **at_once, "MALLOC_ARENA_MAX": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(child.stdout)


def test_all_nulls_keep_to_the_memory_limit() -> None:
    """Twenty whole matrices take 220 MiB."""
    assert peak("cka[kernel=rbf]", "1GiB") > 215
    assert peak("cka[kernel=rbf]", "160MiB") < 160


def test_the_null_of_neighbours_keeps_to_the_memory_limit() -> None:
    assert peak("mutual_knn", "48MiB") < 48
