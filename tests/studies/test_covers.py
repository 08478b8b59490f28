"""Which tables of scores are chosen, and that what failed on the way does not matter."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from repscape.compute.tile_groups import Division
from repscape.store import Store
from repscape.studies.covers import Covers
from repscape.studies.pairs import Pairs, all_pairs
from repscape.studies.steps.score import KIND, VERSION
from repscape.tasks import Recipe

FAMILY = {"measure": "cka", "pooling": "mean"}
ALL = ("a", "b", "c", "d")
SOME = ("a", "b", "d")


def compute(store: Store, parts: list[Pairs]) -> None:
    """Commit the scores of these parts."""
    for part in parts:
        recipe = Recipe(KIND, VERSION, {**FAMILY, "pairs": part.to_dict()})
        store.write_table(recipe, pd.DataFrame({"value": [0.5]}))


def choose(store: Store, keys, group=None, hoped=(), record=True, divide=lambda part: part):
    return Covers(store, record).parts(FAMILY, keys, group, divide=divide, hoped=hoped)


@pytest.mark.parametrize("group", [None, 1, 2])
def test_after_a_failure_the_parts_are_those_of_a_run_without_one(tmp_path, group):
    store = Store(tmp_path)
    compute(store, choose(store, SOME, group, ALL))
    for _ in range(2):
        assert choose(store, ALL, group, ALL) == all_pairs(ALL, group)
    assert choose(store, SOME, group, ALL, record=False) == choose(store, SOME, group)


def test_the_choice_for_one_measure_is_none_for_another(tmp_path):
    store = Store(tmp_path)
    assert choose(store, ALL) == all_pairs(ALL)
    other = Covers(store, record=True).parts({**FAMILY, "measure": "rsa"}, ALL, 2)
    assert other == all_pairs(ALL, 2)
    assert choose(store, ALL, 2) == all_pairs(ALL), "and the first choice holds"


def test_parts_that_need_nothing_that_failed_serve_both(tmp_path):
    store = Store(tmp_path)
    first = choose(store, ALL[:3], 2, ALL)
    assert first[0] == Pairs(within=("a", "b")), "of the whole, not a block of what is left"
    compute(store, first)
    assert first[0] in choose(store, ALL, 2, ALL)
    alone = Store(tmp_path / "alone")
    one = choose(alone, ("b", "c", "d"), 2, ALL)
    assert Pairs(within=("c", "d")) in one


def test_what_an_earlier_study_has_computed_is_taken_also_after_a_failure(tmp_path):
    store = Store(tmp_path)
    compute(store, choose(store, ("a", "b")))
    wanted = [Pairs(within=("a", "b")), Pairs(("c", "d"), ("c", "d"), ("a", "b"))]
    assert choose(store, ALL, record=False) == wanted
    compute(store, choose(store, SOME, None, ALL))
    assert choose(store, ALL, None, ALL) == wanted


def test_a_new_model_is_added_to_what_is_there_also_after_a_failure(tmp_path):
    store = Store(tmp_path)
    compute(store, choose(store, SOME, None, ALL))
    new = (*SOME, "e")
    assert choose(store, new, None, new) == [
        Pairs(within=SOME),
        Pairs(within=("e",), rows=("e",), columns=SOME),
    ]


def test_sweeps_are_divided_when_the_sizes_are_known(tmp_path):
    store, division = Store(tmp_path), Division(512, 8)

    def divide(part: Pairs) -> Pairs:
        return replace(part, division=division)

    choose(store, SOME, None, ALL)
    [whole] = choose(store, ALL, None, ALL, divide=divide)
    assert whole == Pairs(within=ALL, division=division)
