"""Tables of neighbours as artefacts: computed once, read by every descriptor and every run."""

from __future__ import annotations

import torch

from repscape.compute.neighbours import NeighbourTable
from repscape.store.store import Store
from repscape.tasks import Recipe

KIND = "neighbours"
VERSION = 2


def neighbours_recipe(representation: str, metric: str, k: int, rows: str | None = None) -> Recipe:
    """The recipe of the table of k neighbours of a stored representation.

    `rows` is a digest of the rows kept, if some were left out as duplicates.
    """
    parameters = {"metric": metric, "k": k, "rows": rows}
    return Recipe(KIND, VERSION, parameters, {"representation": representation})


def save_neighbours(store: Store, recipe: Recipe, table: NeighbourTable) -> str:
    """Write a table and return its key."""
    arrays = {"indices": table.indices.contiguous(), "distances": table.distances.contiguous()}
    return store.write_arrays(recipe, arrays)


def load_neighbours(store: Store, recipe: Recipe) -> NeighbourTable | None:
    """The table of this recipe, or None if the store does not have it."""
    if not store.has(recipe.key):
        return None
    arrays = store.read_arrays(recipe.key)
    indices, distances = (torch.from_numpy(arrays[name]) for name in ("indices", "distances"))
    return NeighbourTable(indices, distances, str(recipe.parameters["metric"]))
