"""Profiles of geometry against other packages, back to back in one run, as ratios.

A model of 13 layers (d = 768, float32, clusters of 20 local dimensions), n = 10,000 samples:

* every dimension estimate at every scale, and the neighbourhood overlap of all pairs of layers,
  from tables that are there;
* the whole profile (tables, estimates, overlaps), against scikit-dimension's TwoNN and MLE on
  each layer, scikit-learn's and faiss's exact neighbours of each layer (they are given the same
  number of neighbours), and DADApy's estimates;
* how many times the neighbours of all samples were searched (once for each layer);
* one information imbalance against ranking by sorting;
* the growth of the time with n, and what n = 90,000, d = 512 would take by it;
* with --memory, the peak memory beyond the input at n = 50,000, in a process of its own.

Ratios are of processor time, each peer beside one layer of ours, so that what else runs on the
machine hits both. DADApy 0.3.4 needs numpy < 2, so it runs in an interpreter of its own, given by
--dadapy: `python -m venv dadapy && dadapy/bin/pip install dadapy` makes one.

Run: python benchmarks/geometry.py [--quick] [--memory] [--dadapy dadapy/bin/python]
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import repscape.geometry.sample as sample_module
from repscape.compute.neighbours import neighbours
from repscape.geometry.base import get_descriptor
from repscape.geometry.imbalance import information_imbalance
from repscape.geometry.overlap import overlap_of_pairs
from repscape.geometry.sample import sample_of_table
from repscape.profile import profile
from timing import timed

D, K = 768, 64
ESTIMATES = ("twonn", "twonn[method=mle]", "twonn[method=censored]", "gride", "mle")
OVERLAP = "mutual_knn[k=30,metric=euclidean]"

CHILD = """
import sys, threading, time
import psutil
sys.path.insert(0, sys.argv[1])
from geometry import ESTIMATES, layer
from repscape.describe import describe
describe(layer(2000, 0), ESTIMATES)
x = layer(int(sys.argv[2]), 0)
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
start = time.perf_counter()
describe(x, ESTIMATES)
seconds = time.perf_counter() - start
done = True
thread.join()
print(seconds, (peak - before) / 2**20)
"""


def layer(n: int, number: int, d: int = D) -> np.ndarray:
    """Twenty clusters of twenty local dimensions; layers share the samples' clusters."""
    generator = torch.Generator().manual_seed(number)
    label = torch.arange(n) % 20
    x = torch.empty(n, d)
    for cluster in range(20):
        rows = (label == cluster).nonzero()[:, 0]
        centre, spread = torch.randn(21, d, generator=generator).split([1, 20])
        x[rows] = 0.5 * centre + 0.1 * torch.randn(len(rows), 20, generator=generator) @ spread
    return x.numpy()


DADAPY = """
import sys, time
import numpy as np
from dadapy import Data
x = np.load(sys.argv[1])
def all_of_it():
    data = Data(x)
    data.compute_distances(maxk=int(sys.argv[2]))
    data.compute_id_2NN()
    data.return_id_scaling_gride(range_max=int(sys.argv[2]))
all_of_it()
start = time.process_time()
all_of_it()
print(time.process_time() - start)
"""


def from_tables(tables: list, pairs: list[tuple[int, int]]) -> None:
    for table in tables:
        sample = sample_of_table(table)
        for name in ESTIMATES:
            get_descriptor(name).describe(sample)
    overlap_of_pairs(tables, pairs, 30)


def whole_profile(layers: dict[str, np.ndarray]) -> int:
    """Run the profile and count the searches for neighbours of all samples."""
    searches = 0
    search = sample_module.neighbours

    def counting(x, *rest):
        nonlocal searches
        searches += 1
        return search(x, *rest)

    sample_module.neighbours = counting
    try:
        profile(layers, ESTIMATES, measures=[OVERLAP])
    finally:
        sample_module.neighbours = search
    return searches


def peers(x: np.ndarray) -> dict[str, Callable[[], object]]:
    """What the others do for one layer."""
    from sklearn.neighbors import NearestNeighbors

    found: dict[str, Callable[[], object]] = {
        "scikit-learn neighbours": lambda: (
            NearestNeighbors(n_neighbors=K + 1, algorithm="brute", n_jobs=-1).fit(x).kneighbors(x)
        )
    }
    if importlib.util.find_spec("faiss"):
        import faiss

        def with_faiss() -> object:
            index = faiss.IndexFlatL2(x.shape[1])
            index.add(x)
            return index.search(x, K + 1)

        found["faiss neighbours"] = with_faiss
    if importlib.util.find_spec("skdim"):
        import skdim

        def with_skdim() -> None:
            skdim.id.TwoNN().fit(x)
            skdim.id.MLE(K=20).fit(x)

        found["scikit-dimension TwoNN + MLE"] = with_skdim
    return found


def with_dadapy(python: str | None, x: np.ndarray) -> float | str:
    """Seconds of a processor that DADApy takes for one layer, or why it does not."""
    if python is None:
        return "no interpreter that has it was given (--dadapy)"
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "layer.npy"
        np.save(file, x)
        command = [python, "-c", DADAPY, str(file), str(K)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
    return float(done.stdout.split()[-1])


def against_peers(layers: dict[str, np.ndarray], dadapy: str | None) -> None:
    """Our whole profile and what the others do for one layer, by turns, as ratios."""
    ours: list[float] = []
    theirs: dict[str, list[float]] = {}
    for x in layers.values():
        for name, work in peers(x).items():
            theirs.setdefault(name, []).append(timed(work).processor)
        found = with_dadapy(dadapy, x)
        if isinstance(found, str):
            print(f"DADApy 2NN + Gride: left out: {found}")
            dadapy = None
        else:
            theirs.setdefault("DADApy 2NN + Gride", []).append(found)
        # Overlaps are with one other layer here; all pairs are in the profile above.
        two = {"this": x, "other": x[:, ::-1].copy()}
        ours.append(timed(lambda two=two: whole_profile(two)).processor / 2)
    print(f"ours beside them, tables, estimates and overlap: {statistics.median(ours):.2f} s")
    for name, times in theirs.items():
        ratios = [a / b for a, b in zip(times, ours, strict=False)]
        print(
            f"{name}: {statistics.median(times):.2f} s of a processor for each layer, "
            f"{statistics.median(ratios):.2f} times ours ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def sorted_imbalance(a: torch.Tensor, b: torch.Tensor) -> float:
    nearest = neighbours(a, 1).indices[:, 0].long()
    d = torch.cdist(b, b)
    d.fill_diagonal_(torch.inf)
    ranks = d.argsort(dim=1).argsort(dim=1).gather(1, nearest[:, None]) + 1
    return float(2 / len(a) * ranks.double().mean())


def growth(sizes: list[int]) -> None:
    times = []
    for n in sizes:
        x = torch.from_numpy(layer(n, 0, 512))
        times.append(timed(lambda x=x: neighbours(x, K)).processor)
    slope = math.log(times[-1] / times[-2]) / math.log(sizes[-1] / sizes[-2])
    shown = ", ".join(f"{t:.1f} s at {n}" for n, t in zip(sizes, times, strict=True))
    ahead = times[-1] * (90_000 / sizes[-1]) ** max(2.0, slope)
    print(
        f"one layer, d = 512, seconds of a processor: {shown}; grows as n^{slope:.2f}; "
        f"n = 90,000 by that: {ahead:.0f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true", help="smaller sizes")
    parser.add_argument("--memory", action="store_true", help="peak memory at n = 50,000")
    parser.add_argument("--peer-layers", type=int, default=3, help="layers that the others do")
    parser.add_argument("--dadapy", metavar="PYTHON", help="an interpreter that has DADApy")
    options = parser.parse_args()
    n, count = (2000, 4) if options.quick else (10_000, 13)
    whole_profile({str(i): layer(1000, i) for i in range(2)})  # compiles
    layers = {str(i): layer(n, i) for i in range(count)}
    print(f"{count} layers, n = {n}, d = {D}, {torch.get_num_threads()} threads")

    tables = [neighbours(torch.from_numpy(x), K) for x in layers.values()]
    pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    taken = timed(lambda: from_tables(tables, pairs))
    print(
        f"estimates at every scale and {len(pairs)} overlaps from tables: {taken.wall:.2f} s "
        f"({taken.processor:.2f} s of one processor)"
    )
    taken = timed(whole_profile, layers)
    print(
        f"whole profile with {len(pairs)} overlaps: {taken.wall / count:.2f} s for each layer "
        f"({taken.processor / count:.2f} s of a processor); {taken.result} searches for {count} "
        "layers"
    )
    against_peers(dict(list(layers.items())[: options.peer_layers]), options.dadapy)
    a, b = (torch.from_numpy(layers[i][: n // 2]) for i in ("0", "1"))
    table = neighbours(a, 1)
    information_imbalance(table, b)
    exact = timed(lambda: information_imbalance(table, b)).wall
    by_sorting = timed(lambda: sorted_imbalance(a, b)).wall
    print(f"information imbalance, n = {n // 2}: sorting takes {by_sorting / exact:.1f} times ours")
    growth([1000, 2000, 4000] if options.quick else [5000, 10_000, 20_000])
    if options.memory:
        where = __file__.rpartition("/")[0] or "."
        command = [sys.executable, "-c", CHILD, where, "50000"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        spent, peak = map(float, done.stdout.split())
        print(f"n = 50,000: {spent:.0f} s, peak {peak:.0f} MiB beyond the input")


if __name__ == "__main__":
    main()
