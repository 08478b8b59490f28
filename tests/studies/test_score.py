from __future__ import annotations

import numpy as np

from repscape.compare import compare
from repscape.measures.base import get_measure
from repscape.representation import Origin, Representation
from repscape.studies.pairs import Pairs
from repscape.studies.steps.score import layer_pairs, score_layers


def test_a_pair_of_different_samples_has_no_score_and_says_so_and_the_others_have():
    random = np.random.default_rng(0)
    layers = {
        f"{name}/out": Representation(
            random.normal(size=(n, 5)), origin=Origin(model=name, layer="out")
        )
        for name, n in (("a", 30), ("b", 30), ("c", 20))
    }
    settings = {"align": "strict", "memory_limit": "1GiB", "device": None}
    cka = get_measure("cka")
    table = score_layers(layers, cka, [(0, 1), (0, 2), (1, 2)], settings)
    found = {(row.model_a, row.model_b): row for row in table.itertuples()}
    assert found["a", "b"].value == float(compare(layers["a/out"], layers["b/out"], cka))
    for pair in (("a", "c"), ("b", "c")):
        assert np.isnan(found[pair].value)
        assert "30 samples" in found[pair].reason


def test_which_pairs_of_layers_a_part_has():
    layers = ["a/0", "a/1", "b/0", "c/0"]
    within, across = Pairs(within=("a", "b")), Pairs(rows=("c",), columns=("a",))
    assert layer_pairs(within, layers, "all", True) == [(0, 1), (0, 2), (1, 2)]
    assert layer_pairs(within, layers, "within_models", True) == [(0, 1)]
    assert layer_pairs(within, layers, "between_models", True) == [(0, 2), (1, 2)]
    assert layer_pairs(across, layers, "all", True) == [(0, 3), (1, 3)]
    assert len(layer_pairs(across, layers, "all", False)) == 4
