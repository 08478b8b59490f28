"""Describe the layers of models with one descriptor, or score them within a profile."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
from repscape.profile import profile
from repscape.studies.steps.layers import load_layers
from repscape.tasks import Task

if TYPE_CHECKING:
    from repscape.store import Store

KIND = "descriptions"
VERSION = 1


def run_profile(store: Store, task: Task) -> None:
    """Make the geometry table of one descriptor, or the overlaps of one measure."""
    known, arguments = task.recipe.parameters, task.arguments
    layers = load_layers(store, known["extractions"], known["pooling"])
    begin = time.perf_counter()
    found = profile(
        layers,
        [known["descriptor"]] if "descriptor" in known else [],
        measures=[known["measure"]] if "measure" in known else [],
        duplicates=known["duplicates"],
        controls=known["controls"],
        seed=known["seed"],
        memory_limit=arguments["memory_limit"] or DEFAULT_MEMORY_LIMIT,
        device=arguments["device"],
        store=store,
    )
    table = found.table if "descriptor" in known else found.overlaps
    table = table.drop(columns=["data", "split"])
    beside = {
        "seconds": round(time.perf_counter() - begin, 3),
        "threads": task.resources.cpus,
        "device": arguments["device"] or "cpu",
    }
    store.write_table(task.recipe, table, beside=beside)
