"""The exact neighbour table against faiss (exact float32 search, no re-ranking) and bare products.

For each n (d = 768, k = 100, float32, a mixture of clusters as activations are), back to back:

* `neighbours`, exact in float64;
* faiss's `IndexFlatL2`, if it is installed;
* the bare float32 products that any exact search needs, X_i X_jᵀ for half of the tiles.

Printed are the ratios of `neighbours` to both (the median over rounds), the share of rows whose
neighbours faiss has right, and the peak memory of `neighbours` beyond x and the table, measured in
a process of its own. Run: python benchmarks/neighbours.py [--quick]
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import subprocess
import sys

import torch

from repscape.compute.neighbours import NeighbourTable, neighbours
from timing import timed

D, K = 768, 100

CHILD = """
import sys, threading, time
import psutil
sys.path.insert(0, sys.argv[1])
from neighbours import K, mixture
from repscape.compute.neighbours import neighbours
x = mixture(int(sys.argv[2]))
neighbours(x[:3000], K)
process = psutil.Process()
before = peak = process.memory_info().rss
done = False
def watch():
    global peak
    while not done:
        peak = max(peak, process.memory_info().rss)
        time.sleep(0.002)
thread = threading.Thread(target=watch)
thread.start()
table = neighbours(x, K)
done = True
thread.join()
print((peak - before - table.indices.nbytes - table.distances.nbytes) / 2**20)
"""


def mixture(n: int) -> torch.Tensor:
    """Twenty clusters of twenty local dimensions each."""
    generator = torch.Generator().manual_seed(0)
    x = torch.empty(n, D)
    label = torch.randint(0, 20, (n,), generator=generator)
    for cluster in range(20):
        rows = (label == cluster).nonzero()[:, 0]
        centre, spread = torch.randn(21, D, generator=generator).split([1, 20])
        x[rows] = 0.5 * centre + 0.1 * torch.randn(len(rows), 20, generator=generator) @ spread
    return x


def bare_products(x: torch.Tensor, side: int = 2048) -> None:
    tile = torch.empty(side, side)
    for i in range(0, len(x), side):
        for j in range(i, len(x), side):
            a, b = x[i : i + side], x[j : j + side]
            torch.mm(a, b.T, out=tile[: len(a), : len(b)])


def faiss_search(x: torch.Tensor) -> torch.Tensor:
    import faiss

    faiss.omp_set_num_threads(torch.get_num_threads())
    index = faiss.IndexFlatL2(D)
    index.add(x.numpy())
    return torch.from_numpy(index.search(x.numpy(), K + 1)[1])


def share_right(table: NeighbourTable, found: torch.Tensor) -> float:
    """The share of rows for which faiss has the right set, its own row left out by index."""
    own = torch.arange(table.n)[:, None]
    hits = (found == own).any(dim=1)
    sets = found.masked_fill(found == own, -1).sort(dim=1).values[:, 1:]
    return float(((sets == table.sets.long()).all(dim=1) & hits).float().mean())


def peak_mebibytes(n: int) -> float:
    folder = __file__.rpartition("/")[0] or "."
    command = [sys.executable, "-c", CHILD, folder, str(n)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n = 5,000 only, one round")
    quick = parser.parse_args().quick
    with_faiss = importlib.util.find_spec("faiss") is not None
    neighbours(mixture(3000), K)  # Loads the compiled code.
    print(
        f"{'n':>7} {'seconds':>8} {'/ products':>10} {'/ faiss':>8} {'faiss right':>11} {'peak':>9}"
    )
    for n, rounds in ((5000, 1),) if quick else ((10_000, 5), (50_000, 3)):
        x = mixture(n)
        own, products, peer = [], [], []
        for _ in range(rounds):
            own.append(timed(neighbours, x, K).wall)
            products.append(own[-1] / timed(bare_products, x).wall)
            if with_faiss:
                peer.append(own[-1] / timed(faiss_search, x).wall)
        ratio = f"{statistics.median(peer):8.2f}" if peer else f"{'-':>8}"
        right = f"{share_right(neighbours(x, K), faiss_search(x)):11.4f}" if peer else f"{'-':>11}"
        print(
            f"{n:7} {statistics.median(own):8.2f} {statistics.median(products):10.2f} {ratio} "
            f"{right} {peak_mebibytes(n):5.0f} MiB"
        )


if __name__ == "__main__":
    main()
