"""Every pair of models stands in exactly one part, and what is there is taken as it is."""

from __future__ import annotations

from itertools import combinations_with_replacement

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repscape.studies.pairs import Pairs, all_pairs, cover

KEYS = st.lists(st.sampled_from("abcdefghij"), min_size=1, max_size=8, unique=True)
GROUPS = st.one_of(st.none(), st.integers(1, 4))


def unordered(parts):
    return sorted(tuple(sorted(pair)) for part in parts for pair in part)


def wanted(keys):
    return sorted(tuple(sorted(pair)) for pair in combinations_with_replacement(keys, 2))


@given(KEYS, GROUPS)
def test_the_first_time_every_pair_stands_in_one_part(keys, group):
    assert unordered(all_pairs(keys, group)) == wanted(keys)
    assert unordered(cover(keys, [], group)) == wanted(keys)


@given(KEYS, KEYS, KEYS, GROUPS, GROUPS)
def test_what_is_there_is_taken_and_only_the_rest_is_new(first, second, keys, before, group):
    known = all_pairs(first, before)
    known += [part for part in cover(second, known, before) if part not in known]
    parts = cover(keys, known, group)
    old = [part for part in parts if part in known]
    new = [part for part in parts if part not in known]
    held = {tuple(sorted(pair)) for part in known for pair in part}
    assert not held & set(unordered(new)), "nothing is computed again"
    assert len(unordered(new)) == len(set(unordered(new))), "nor twice"
    assert set(unordered(old + new)) >= set(wanted(keys))
    assert set(unordered(new)) <= set(wanted(keys)), "nor what nobody asked for"


def test_adding_one_model_computes_its_pairs_in_one_part():
    [old] = all_pairs(["a", "b", "c"])
    assert cover(["a", "b", "c", "d"], [old]) == [
        old,
        Pairs(within=("d",), rows=("d",), columns=("a", "b", "c")),
    ]


def test_leaving_one_out_computes_nothing():
    known = all_pairs(["a", "b", "c"])
    assert cover(["c", "a"], known) == known


@pytest.mark.parametrize("group", [None, 2])
def test_parts_survive_json(group):
    for part in cover(list("abcde"), all_pairs(list("ab")), group):
        assert Pairs.from_dict(part.to_dict()) == part
