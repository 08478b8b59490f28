"""Neighbour tables in the store."""

from __future__ import annotations

import numpy as np
import torch

from repscape.compute.neighbours import neighbours
from repscape.store import Store
from repscape.store.neighbour_tables import load_neighbours, neighbours_recipe, save_neighbours


def test_a_table_comes_back(tmp_path):
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(50, 3)))
    table = neighbours(x, 7, "cosine")
    store = Store(tmp_path)
    recipe = neighbours_recipe("a" * 40, "cosine", 7)
    assert load_neighbours(store, recipe) is None
    assert save_neighbours(store, recipe, table) == recipe.key
    found = load_neighbours(store, recipe)
    assert torch.equal(found.indices, table.indices)
    assert torch.equal(found.distances, table.distances)
    assert found.metric == "cosine"


def test_what_changes_the_table_changes_the_key():
    base = ("a" * 40, "cosine", 7, None)
    others = [("b" * 40, "cosine", 7, None), ("a" * 40, "euclidean", 7, None)]
    others += [("a" * 40, "cosine", 8, None), ("a" * 40, "cosine", 7, "rows")]
    keys = {neighbours_recipe(*given).key for given in (base, *others)}
    assert len(keys) == 5
