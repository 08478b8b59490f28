"""What single tasks of a study take, against what `repscape plan` says of them on an empty store.

Processor time on one thread, the second of two equal tasks (the first one imports and compiles).
Values of layers are those of a random network: correlated features, as measures meet them.

    python benchmarks/rates.py [--only mutual_knn,gride] [--large]
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from repscape.errors import RepscapeError
from repscape.geometry.base import DESCRIPTORS, get_descriptor
from repscape.measures.base import MEASURES, get_measure
from repscape.representation import Origin, Representation
from repscape.store import Store
from repscape.studies.estimate import Cost, Size, cost_of_profile, cost_of_scores
from repscape.studies.pairs import Pairs
from repscape.studies.steps.describe import run_profile
from repscape.studies.steps.score import run_scores
from repscape.tasks import Recipe, Task

SMALL = ((449, 64, 6), (1000, 128, 6))
LARGE = ((3000, 512, 6), (2000, 1024, 12))
VARIANTS = (
    *("cka[kernel=rbf]", "rsa[compare_by=pearson]", "rsa[compare_by=kendall]"),
    "mutual_knn[k=100]",
)
PERMUTATIONS = 20


def layers_of(n: int, d: int, count: int) -> Iterator[np.ndarray]:
    """The layers of a random network on random inputs."""
    draw = np.random.default_rng(0)
    x = draw.normal(size=(n, min(n, d) // 2)) * np.linspace(1, 0.05, min(n, d) // 2)
    for _ in range(count):
        x = np.tanh(x @ draw.normal(size=(x.shape[1], d)) / math.sqrt(x.shape[1]) * 1.5)
        yield (x + 0.05 * draw.normal(size=x.shape)).astype(np.float32)


def extraction(store: Store, n: int, d: int, count: int, number: int) -> str:
    """An extraction of random layers, as one of a study."""
    rows = []
    for layer, values in enumerate(layers_of(n, d, count)):
        origin = Origin(model=f"m{number}", layer=f"blocks.{layer}", data="x")
        recipe = Recipe("representation", 1, {"of": [n, d, count, number, layer]})
        labels = np.arange(n) % 10
        rep = store.save_representation(
            recipe, Representation(values, origin=origin, labels=labels)
        )
        rows.append({"layer": origin.layer, "pooling": "mean", "rep_key": rep.key, "split": None})
    return store.write_table(
        Recipe("extraction", 1, {"of": [n, d, count, number]}), pd.DataFrame(rows)
    )


def took(
    run: Callable[[Store, Task], object],
    store: Store,
    task: Callable[[int], Task],
    twice: bool = True,
) -> float:
    """Seconds of processor time of the second of two tasks that differ in nothing but the key."""
    for turn in range(2 if twice else 1):
        begin = time.process_time()
        run(store, task(turn))
        spent = time.process_time() - begin
    return spent


def scores(store: Store, name: str, key: str, size: Size, permutations: int) -> tuple[float, Cost]:
    """What the scores of one extraction take, and what is planned."""
    null = {"null": "permutation", "n_permutations": permutations, "seed": 0, "budget": None}
    known = {"measure": get_measure(name).name, "pooling": "mean", "which": "all"}
    known |= {"align": "strict", "null": null if permutations else None}
    known["pairs"] = Pairs(within=(key,)).to_dict()
    arguments = {"memory_limit": None, "device": None}

    def task(turn: int) -> Task:
        recipe = Recipe("scores", 1, known | {"turn": turn}, {key: key})
        return Task(recipe, "", "scores", "compare", arguments)

    count = len(size.widths)
    pairs = count * (count - 1) / 2
    cost = cost_of_scores(known["measure"], [size], pairs, permutations, None, None)
    return took(run_scores, store, task), cost


def profile(store: Store, name: str, size: Size, fresh: Callable[[int], str]) -> tuple[float, Cost]:
    """What the profile of one extraction takes, its neighbours not yet known, and the plan."""
    descriptor = get_descriptor(name).name
    arguments = {"memory_limit": None, "device": None}

    def task(turn: int) -> Task:
        whole = {"descriptor": descriptor, "pooling": "mean", "extractions": [fresh(turn)]}
        whole |= {"duplicates": "drop", "controls": [], "seed": 0}
        return Task(Recipe("descriptions", 1, whole), "", "profile", "describe", arguments)

    return took(run_profile, store, task), cost_of_profile(descriptor, [size], 0)


def said(what: str, size: Size, spent: float, cost: Cost) -> None:
    """One line."""
    planned = cost.seconds(1, 0)
    assert planned is not None
    print(
        f"{what:34} n={size.n:5} d={size.widths[0]:5} layers={len(size.widths):3}  took "
        f"{spent:8.3f} s  planned {planned:8.3f} s  ratio {spent / planned:6.2f}",
        flush=True,
    )


def bench(names: Sequence[str], sizes: Sequence[tuple[int, int, int]]) -> None:
    """Every measure, every null and every descriptor."""
    for n, d, count in sizes:
        size = Size(n, (d,) * count)
        for name in names:
            with tempfile.TemporaryDirectory() as folder:
                store, turns = Store(Path(folder)), iter(range(10**6))

                def fresh(
                    _: int,
                    n: int = n,
                    d: int = d,
                    count: int = count,
                    s: Store = store,
                    turns: Iterator[int] = turns,
                ) -> str:
                    return extraction(s, n, d, count, next(turns))

                try:
                    if name.partition("[")[0] in DESCRIPTORS.names():
                        said(name, size, *profile(store, name, size, fresh))
                        continue
                    key = fresh(0)
                    said(name, size, *scores(store, name, key, size, 0))
                    if get_measure(name).declared.matches_samples:
                        spent, cost = scores(store, name, key, size, PERMUTATIONS)
                        said(f"{name}, {PERMUTATIONS} permutations", size, spent, cost)
                except RepscapeError as problem:
                    print(f"{name}: {problem}"[:150])


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", help="names, with commas between")
    parser.add_argument("--large", action="store_true", help="larger sizes, too")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    everything = [*MEASURES.names(), *VARIANTS, *DESCRIPTORS.names()]
    outputs = ("accuracy_difference", "disagreement", "jensen_shannon")
    names = chosen.only.split(";") if chosen.only else [n for n in everything if n not in outputs]
    bench(names, (*SMALL, *LARGE) if chosen.large else SMALL)


if __name__ == "__main__":
    main()
