"""Peak memory of `similarity_matrix` beyond its inputs, against n.

Each row is measured in a process of its own (d = 512, M = 4, float32): the highest resident
size during the call, less the resident size just before it, with the inputs in place.
Run: python benchmarks/peak_memory.py [--quick]
"""

from __future__ import annotations

import argparse
import subprocess
import sys

CHILD = """
import sys, threading, time
import psutil, torch, repscape
n, measure, limit = int(sys.argv[1]), sys.argv[2], sys.argv[3]
generator = torch.Generator().manual_seed(0)
xs = [torch.randn(n, 512, generator=generator) for _ in range(4)]
repscape.similarity_matrix([x[:600] for x in xs], measure)
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
repscape.similarity_matrix(xs, measure, memory_limit=limit)
done = True
thread.join()
print((peak - before) / 2**20)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="n up to 5,000")
    sizes = (1000, 5000) if parser.parse_args().quick else (1000, 5000, 20000, 50000)
    print(f"{'measure':12} {'n':>7} {'memory_limit':>13} {'peak beyond inputs':>19}")
    for measure in ("cka", "mutual_knn"):
        for n in sizes:
            limit = "1GiB"
            child = subprocess.run(
                [sys.executable, "-c", CHILD, str(n), measure, limit],
                capture_output=True,
                text=True,
                check=True,
            )
            print(f"{measure:12} {n:7} {limit:>13} {float(child.stdout):15.0f} MiB")


if __name__ == "__main__":
    main()
