"""Every family, all pairs at once, against its own pair loop and against other packages.

M = 16 representations, n = 4,000, d = 768, float32. For each family, back to back:

* all pairs by `similarity_matrix`;
* the pair loop: `compare(x, y)` for every pair, each side prepared anew;
* the same numbers from other packages, pair by pair as they are used, where they are installed;
* for some, a floor that any way has to pay: the bare matrix products, the neighbour tables.

Loops are timed on their first few pairs. Each thing is timed `--rounds` times in turn and the
least counts; `--clock processor` measures processor time instead of wall time, which a busy
machine disturbs less. Printed are ratios to the all-pairs time, the target where there is one,
and the highest resident size during the all-pairs call beyond that before it.

Run: python benchmarks/families.py [--quick] [--clock processor] [--only NAME …]
"""

from __future__ import annotations

import argparse
import importlib.util
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
import psutil
import torch

import repscape
from repscape.compute.neighbours import neighbours

Tensors = list[torch.Tensor]
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
# Everything that one table of neighbours by cosine, k = 10, serves; 120 pairs, and for the
# asymmetric cycle_knn all 240 ordered ones.
NEIGHBOURS = (
    "mutual_knn",
    "knn_jaccard",
    "rank_jaccard",
    "rank_similarity",
    "second_order_cosine",
    "cycle_knn[direction=xy]",
    "cycle_knn[direction=yx]",
    "lcs_knn",
    "edit_distance_knn",
)
# Exact ranks need more than a table: a pass over all distances of every representation.
IMBALANCE = ("information_imbalance[direction=xy]", "information_imbalance[direction=yx]")


@dataclass(frozen=True)
class Rival:
    """Another way to the same numbers.

    `work` does one pair if `per_pair`, else everything. `target` is what its time over the
    all-pairs time should reach; a floor's ratio is turned round: all pairs over the floor.
    """

    name: str
    work: Callable[..., object]
    per_pair: bool = True
    floor: bool = False
    target: float | None = None
    needs: str = "torch"


@dataclass(frozen=True)
class Family:
    """What is timed together."""

    name: str
    measures: tuple[str, ...]
    rivals: Sequence[Rival] = ()
    double: bool = False
    unrelated: bool = False
    loop_target: float | None = None
    loop: bool = True


def bare_products(xs: Tensors, side: int = 512) -> None:
    """X_i X_iᵀ of every representation, half of the tiles: symmetry gives the others."""
    n = xs[0].shape[0]
    for i in range(0, n, side):
        for j in range(i, n, side):
            for x in xs:
                x[i : i + side] @ x[j : j + side].T


def naive_cka(x: torch.Tensor, y: torch.Tensor) -> float:
    """The usual function: each of three HSIC terms builds and centres both Gram matrices anew."""

    def hsic(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        k, el = a @ a.T, b @ b.T
        for gram in (k, el):
            gram -= gram.mean(dim=0)
            gram -= gram.mean(dim=1, keepdim=True)
        return (k * el).sum()

    return float(hsic(x, y) / (hsic(x, x).sqrt() * hsic(y, y).sqrt()))


def scipy_rsa(x: torch.Tensor, y: torch.Tensor) -> float:
    from scipy.spatial.distance import pdist
    from scipy.stats import spearmanr

    return float(spearmanr(pdist(x.numpy()), pdist(y.numpy())).statistic)


def rsatoolbox_rsa(x: torch.Tensor, y: torch.Tensor) -> float:
    from rsatoolbox.data import Dataset
    from rsatoolbox.rdm import calc_rdm, compare

    rdms = [calc_rdm(Dataset(side.numpy()), method="euclidean") for side in (x, y)]
    return float(compare(*rdms, method="spearman")[0, 0])


def _centred_svd(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    left, values, _ = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
    return left, values


def svd_procrustes(x: torch.Tensor, y: torch.Tensor) -> float:
    (u, s), (v, t) = _centred_svd(x), _centred_svd(y)
    return float(torch.linalg.svdvals((u * s).T @ (v * t)).sum() / (s.norm() * t.norm()))


def svd_cca(x: torch.Tensor, y: torch.Tensor) -> float:
    return float(torch.linalg.svdvals(_centred_svd(x)[0].T @ _centred_svd(y)[0]).mean())


def scipy_procrustes(x: torch.Tensor, y: torch.Tensor) -> float:
    from scipy.spatial import procrustes

    return float(procrustes(x.numpy(), y.numpy())[2])


def pot_matching(x: torch.Tensor, y: torch.Tensor) -> float:
    import ot

    unit = [(side - side.mean(dim=0)).double() for side in (x, y)]
    unit = [side / side.norm(dim=0) for side in unit]
    weights = [np.full(side.shape[1], 1 / side.shape[1]) for side in unit]
    return 1 - float(ot.emd2(*weights, (1 - unit[0].T @ unit[1]).numpy(), numItermax=10**7))


def faiss_overlap(x: torch.Tensor, y: torch.Tensor, k: int = 10) -> float:
    import faiss

    found = []
    for side in (x, y):
        unit = torch.nn.functional.normalize(side).numpy()
        index = faiss.IndexFlatIP(unit.shape[1])
        index.add(unit)
        found.append(index.search(unit, k + 1)[1][:, 1:])
    return float(np.mean([len(np.intersect1d(a, b)) for a, b in zip(*found, strict=True)]) / k)


def tables(xs: Tensors) -> None:
    for x in xs:
        neighbours(x, 10, "cosine")


def tables_and_distances(xs: Tensors, side: int = 1024) -> None:
    """The tables of nearest neighbours, and float64 products of all with all: rows of distances."""
    for x in xs:
        neighbours(x, 1, "euclidean")
        whole = x.double()
        for i in range(0, len(x), side):
            for j in range(0, len(x), side):
                whole[i : i + side] @ whole[j : j + side].T


FAMILIES = (
    Family(
        "CKA, linear",
        ("cka",),
        (
            Rival("bare products", bare_products, per_pair=False, floor=True, target=1.6),
            Rival("both Grams per HSIC term", naive_cka, target=60),
        ),
        loop_target=5,
    ),
    Family(
        "CKA, linear and RBF",
        ("cka", "cka[kernel=rbf]"),
        (Rival("bare products", bare_products, per_pair=False, floor=True),),
    ),
    Family("distance correlation", ("distance_correlation",)),
    Family(
        "RSA, Spearman",
        ("rsa[rdm=euclidean,compare_by=spearman]",),
        (
            Rival("scipy", scipy_rsa, target=10, needs="scipy"),
            Rival("rsatoolbox", rsatoolbox_rsa, needs="rsatoolbox"),
        ),
    ),
    Family(
        "Procrustes",
        ("procrustes",),
        (
            Rival("SVD per pair", svd_procrustes, target=5),
            Rival("scipy", scipy_procrustes, needs="scipy"),
        ),
        double=True,
    ),
    Family("CCA", ("cca",), (Rival("SVD per pair", svd_cca, target=5),), double=True),
    Family("soft matching", ("soft_matching",), (Rival("POT", pot_matching, needs="ot"),)),
    Family(
        "mutual kNN",
        ("mutual_knn",),
        (
            Rival("tables alone", tables, per_pair=False, floor=True, target=1.3),
            Rival("faiss", faiss_overlap, needs="faiss"),
        ),
    ),
    Family(
        "neighbour family",
        NEIGHBOURS,
        (Rival("tables alone", tables, per_pair=False, floor=True, target=1.3),),
        loop=False,
    ),
    Family(
        "second-order cosine, unrelated",
        ("second_order_cosine",),
        (Rival("tables alone", tables, per_pair=False, floor=True, target=1.3),),
        loop=False,
        unrelated=True,
    ),
    Family(
        "information imbalance",
        IMBALANCE,
        (Rival("tables and distances", tables_and_distances, per_pair=False, floor=True),),
        loop=False,
    ),
    Family("statistics", ("magnitude_difference", "concentricity_difference")),
)


@dataclass
class Timer:
    """Times things in turn, several rounds, and keeps the least time of each."""

    clock: Callable[[], float]
    rounds: int
    best: dict[str, float] = field(default_factory=dict)

    def run(self, works: dict[str, Callable[[], object]]) -> dict[str, float]:
        best = dict.fromkeys(works, float("inf"))
        for _ in range(self.rounds):
            for name, work in works.items():
                start = self.clock()
                work()
                best[name] = min(best[name], self.clock() - start)
        return best


def peak_bytes(work: Callable[[], object]) -> int:
    """The highest resident size while it runs, beyond that before."""
    process, running = psutil.Process(), True
    before = peak = process.memory_info().rss

    def watch() -> None:
        nonlocal peak
        while running:
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.002)

    thread = threading.Thread(target=watch)
    thread.start()
    work()
    running = False
    thread.join()
    return peak - before


def representations(count: int, n: int, d: int, unrelated: bool = False) -> Tensors:
    """Noisy linear views of one signal, or of nothing in common: no neighbour is shared."""
    generator = torch.Generator().manual_seed(0)
    if unrelated:
        return [torch.randn(n, d, generator=generator) for _ in range(count)]
    signal = torch.randn(n, 32, generator=generator)
    return [
        signal @ torch.randn(32, d, generator=generator)
        + 3 * torch.randn(n, d, generator=generator)
        for _ in range(count)
    ]


def measure_family(family: Family, xs: Tensors, timer: Timer, timed: int) -> None:
    xs = [x.double() for x in xs] if family.double else xs
    pairs = list(combinations(range(len(xs)), 2))
    scale = len(pairs) / timed
    rivals = [rival for rival in family.rivals if importlib.util.find_spec(rival.needs)]

    def all_pairs() -> object:
        return repscape.similarity_matrix(xs, list(family.measures))

    def each(work: Callable[[torch.Tensor, torch.Tensor], Any]) -> Callable[[], object]:
        return lambda: [work(xs[a], xs[b]) for a, b in pairs[:timed]]

    def compare_all(x: torch.Tensor, y: torch.Tensor) -> object:
        return [repscape.compare(x, y, name) for name in family.measures]

    works: dict[str, Callable[[], object]] = {"": all_pairs}
    if family.loop:
        works["pair loop"] = each(compare_all)
    for rival in rivals:
        works[rival.name] = each(rival.work) if rival.per_pair else _whole(rival.work, xs)
    best = timer.run(works)
    peak = peak_bytes(all_pairs)
    print(f"{family.name:24} {best['']:7.2f} s, {peak / 2**20:5.0f} MiB", flush=True)
    if family.loop:
        _line("pair loop", scale * best["pair loop"] / best[""], "≥", family.loop_target)
    for rival in rivals:
        if rival.floor:
            _line(f"of {rival.name}", best[""] / best[rival.name], "≤", rival.target)
        else:
            _line(rival.name, scale * best[rival.name] / best[""], "≥", rival.target)
    absent = [rival.needs for rival in family.rivals if rival not in rivals]
    if absent:
        print(f"    not installed: {', '.join(absent)}")


def _whole(work: Callable[..., object], xs: Tensors) -> Callable[[], object]:
    return lambda: work(xs)


def _line(name: str, ratio: float, sign: str, target: float | None) -> None:
    wanted = ""
    if target is not None:
        met = ratio >= target if sign == "≥" else ratio <= target
        wanted = f"   target {sign} {target:g}: {'met' if met else 'MISSED'}"
    print(f"    {name:28} {ratio:8.2f}x{wanted}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="M = 6, n = 500, d = 64, one round")
    parser.add_argument("--clock", choices=sorted(CLOCKS), default="wall")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--timed", type=int, default=2, help="pairs timed of each loop")
    parser.add_argument("-M", type=int, default=16, help="number of representations")
    parser.add_argument("--only", nargs="+", default=[], help="families whose name holds this")
    chosen = parser.parse_args()
    count, n, d, rounds = (6, 500, 64, 1) if chosen.quick else (chosen.M, 4000, 768, chosen.rounds)
    xs = representations(count, n, d)
    warm = [x[:300, :20].contiguous() for x in xs[:3]]
    print(
        f"M = {count}, n = {n:,}, d = {d}, float32 (alignment and CCA: float64), "
        f"{torch.get_num_threads()} threads, {chosen.clock} time"
    )
    for family in FAMILIES:
        if chosen.only and not any(part in family.name for part in chosen.only):
            continue
        repscape.similarity_matrix(warm, list(family.measures))
        values = representations(count, n, d, unrelated=True) if family.unrelated else xs
        measure_family(family, values, Timer(CLOCKS[chosen.clock], rounds), chosen.timed)


if __name__ == "__main__":
    main()
