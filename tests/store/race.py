"""Several processes write the same keys at the same moment, with different bytes.

Prints one JSON line per process: what it read back, round by round.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path

import numpy as np

from repscape.representation import Origin
from repscape.store import Store
from repscape.tasks import Recipe

PROCESSES, ROUNDS, ROWS = 3, 25, 10


def write(store: Store, recipe: Recipe, number: int) -> float:
    """Write an artefact filled with the process's number; return what the store then holds."""
    values = np.full((ROWS, 2), float(number))
    if recipe.kind == "checkpoint":
        key = store.write_arrays(recipe, {"values": values})
        served = store.read_arrays(key)["values"]
    else:
        with store.representation_writer(recipe, Origin(), 4, plan={"by": number}) as writer:
            for row in range(writer.rows_done, ROWS):
                writer.append(values[row : row + 1], [row])
            served = writer.commit().values
    assert served.shape == (ROWS, 2)
    return served.tolist()


def race(root: Path, number: int, barrier: object, results: object) -> None:
    served = []
    try:
        for turn in range(ROUNDS):
            for kind in ("checkpoint", "representation"):
                barrier.wait()
                served.append(write(Store(root), Recipe(kind, 1, {"turn": turn}), number))
    except BaseException:
        barrier.abort()  # the others must not wait for this process
        results.put(None)
        raise
    results.put(served)


def main(root: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(PROCESSES), context.SimpleQueue()
    processes = [
        context.Process(target=race, args=(root, number, barrier, results))
        for number in range(PROCESSES)
    ]
    for process in processes:
        process.start()
    for _ in processes:
        sys.stdout.write(json.dumps(results.get()) + "\n")
    for process in processes:
        process.join()
        assert process.exitcode == 0


if __name__ == "__main__":
    main(Path(sys.argv[1]))
