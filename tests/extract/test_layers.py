from __future__ import annotations

import pytest
from torch import nn
from toy_networks import Blocks, Reused, build

from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.extract.layers import Call, call_names, select_layers

CALLS = [Call("block", 0), Call("middle", 0), Call("block", 1), Call("block", 2)]


def chosen(module, layers, calls):
    return [(c.layer, c.index) for c in select_layers(module, layers).among(calls)]


def test_names_globs_and_calls():
    module = build(Reused)
    assert chosen(module, "middle", CALLS) == [("middle", 0)]
    assert chosen(module, "block", CALLS) == [("block", 0), ("block", 1), ("block", 2)]
    assert chosen(module, "block#1", CALLS) == [("block", 1)]
    assert chosen(module, ["block#2", "m*"], CALLS) == [("middle", 0), ("block", 2)]
    assert chosen(module, "*#0", CALLS) == [("block", 0), ("middle", 0)]
    assert len(chosen(module, "*", CALLS)) == 4


def test_what_is_left_out_of_the_others_wherever_it_stands():
    module = build(Reused)
    assert chosen(module, ["*", "!block"], CALLS) == [("middle", 0)]
    assert chosen(module, ["!block#1", "*"], CALLS) == [("block", 0), ("middle", 0), ("block", 2)]
    assert chosen(module, "!m*", CALLS) == [("block", 0), ("block", 1), ("block", 2)]
    assert select_layers(module, ["b*", "m*", "!m*"]).sites == {("block", None)}
    named = select_layers(build(Blocks), ["*", "!block.1"], {"block.1": "blocks.1"})
    assert ("blocks.1", None) not in named.sites
    assert ("blocks.0", None) in named.sites


def test_what_leaves_nothing_or_means_nothing_is_refused():
    module = build(Reused)
    with pytest.raises(
        InvalidParameterError, match="layer 'block#1': '!b\\*' leaves nothing of it"
    ):
        select_layers(module, ["*", "block#1", "!b*"]).among(CALLS)
    with pytest.raises(
        UnknownNameError, match=r"layer '!midle' matches nothing.*layers are: middle"
    ):
        select_layers(module, ["*", "!midle"])


def test_calls_are_numbered_only_where_there_are_several():
    assert list(call_names(CALLS).values()) == ["block#0", "middle", "block#1", "block#2"]


def test_one_layer_under_two_names_is_one_layer():
    layer = nn.Linear(2, 2)
    twice = nn.Sequential(layer, layer)
    calls = [Call("0", 0), Call("0", 1)]
    assert chosen(twice, "1", calls) == chosen(twice, "0", calls) == [("0", 0), ("0", 1)]


def test_a_pattern_that_matches_nothing_lists_the_layers_near_ones_first():
    with pytest.raises(UnknownNameError) as error:
        select_layers(build(Blocks), "block.2")
    message = str(error.value)
    assert "'block.2' matches nothing in Blocks; its layers are: blocks.2, " in message
    assert "head" in message


def test_a_long_list_of_layers_is_shortened():
    deep = nn.Sequential(*[nn.Identity() for _ in range(50)])
    with pytest.raises(UnknownNameError, match=r"and 30 more$"):
        select_layers(deep, "conv*")


def test_a_module_without_layers_says_how_to_wrap_it():
    with pytest.raises(UnknownNameError, match=r"torch\.nn\.Sequential\(module\)"):
        select_layers(nn.Linear(2, 2), "weight")


def test_no_layer_at_all_is_refused():
    with pytest.raises(InvalidParameterError, match="layers is empty"):
        select_layers(build(Blocks), [])


def test_a_layer_that_is_never_called_is_an_error_by_name_but_not_by_glob():
    module = build(Reused)
    with pytest.raises(UnknownNameError, match=r"'unused' is never called.*block, middle"):
        select_layers(module, ["block", "unused"]).among(CALLS)
    with pytest.raises(UnknownNameError, match="'un\\*' is never called"):
        select_layers(module, "un*").among(CALLS)
    assert chosen(module, "*d*", CALLS) == [("middle", 0)]


def test_a_call_beyond_the_last_says_how_many_there_are():
    selection = select_layers(build(Reused), "block#3")
    with pytest.raises(UnknownNameError, match=r"'block#3' is never reached.*called 3 times"):
        selection.among(CALLS)
