"""Score pairs of layers with one measure: one table, for any set of pairs of extractions."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from repscape.compare import similarity_matrix
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
from repscape.measures.base import get_measure
from repscape.studies.pairs import Pairs
from repscape.studies.steps.layers import load_layers
from repscape.tasks import Task

if TYPE_CHECKING:
    from repscape.store import Store

KIND = "scores"
VERSION = 1


def run_scores(store: Store, task: Task) -> None:
    """Score the pairs that the recipe names, and commit the table."""
    known, arguments = task.recipe.parameters, task.arguments
    part = Pairs.from_dict(known["pairs"])
    layers = load_layers(store, part.keys, known["pooling"])
    measure = get_measure(known["measure"])
    pairs = layer_pairs(part, list(layers), known["which"], measure.declared.symmetric)
    null: Mapping[str, Any] = known["null"] or {}
    begin = time.perf_counter()
    scores = similarity_matrix(
        layers,
        measure,
        pairs=pairs,
        align=known["align"],
        memory_limit=arguments["memory_limit"] or DEFAULT_MEMORY_LIMIT,
        device=arguments["device"],
        **null,
    )
    table = scores.table.drop(columns=["data", "split"])
    store.write_table(
        task.recipe,
        table,
        beside={
            "seconds": round(time.perf_counter() - begin, 3),
            "threads": task.resources.cpus,
            "device": arguments["device"] or "cpu",
            "memory_limit": str(arguments["memory_limit"] or DEFAULT_MEMORY_LIMIT),
        },
    )


def layer_pairs(
    part: Pairs, layers: Sequence[str], which: str, symmetric: bool
) -> list[tuple[int, int]]:
    """The pairs of layers, by position: one direction for a symmetric measure, else both."""
    by_key: dict[str, list[int]] = {}
    for position, name in enumerate(layers):
        by_key.setdefault(name.partition("/")[0], []).append(position)
    found: dict[tuple[int, int], None] = {}
    for a, b in part:
        if (which == "between_models" and a == b) or (which == "within_models" and a != b):
            continue
        for i in by_key.get(a, ()):
            for j in by_key.get(b, ()):
                low, high = (i, j) if i < j else (j, i)
                if i != j:
                    found[low, high] = None
                    if not symmetric:
                        found[high, low] = None
    return list(found)
