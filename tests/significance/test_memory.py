"""The nulls of all layer pairs keep to their budget, by the peak of a process of its own.

The allocator is left as a user has it: what it keeps of freed memory counts.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

CHILD = """
import sys, threading, time
import psutil, torch, repscape
measure, limit = sys.argv[1:3]
n, d, count, rows = map(int, sys.argv[3:])
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
xs = [torch.randn(n, d, generator=generator) for _ in range(count)]
repscape.compare_layers([x[:300] for x in xs[:2]], [x[:300] for x in xs[2:4]], measure)
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
found = repscape.compare_layers(
    xs[:rows], xs[rows:], measure, n_permutations=5, memory_limit=limit
)
done = True
thread.join()
assert found.table["p_max"].notna().all(), found.table["reason"].iloc[0]
print((peak - before) / 2**20)
"""


WIDE, NARROW = (1024, 128, 32, 18), (1200, 16, 20, 10)
"""Samples, features, layers of both models, of the first."""


def peak(measure: str, limit: str, shape: tuple[int, ...] = WIDE) -> float:
    """MiB of resident size beyond what the process had before the call."""
    pytest.importorskip("psutil")
    defaults = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    child = subprocess.run(
        [sys.executable, "-c", CHILD, measure, limit, *map(str, shape)],
        env=defaults,
        capture_output=True,
        text=True,
        check=True,
    )
    return float(child.stdout)


def test_all_nulls_keep_to_the_memory_limit() -> None:
    """Whole matrices take 8 MiB each, 256 MiB together.

    With all of them from the allocator the peak is 222 to 244 MiB, although less than 192 is held.
    """
    assert peak("cka", "192MiB") < 192


def test_the_peak_is_seen() -> None:
    assert peak("cka", "1GiB") > 250


def test_the_null_of_neighbours_keeps_to_the_memory_limit() -> None:
    assert peak("mutual_knn", "48MiB", NARROW) < 48
