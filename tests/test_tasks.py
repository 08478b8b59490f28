from __future__ import annotations

import json

import pytest

from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.tasks import Recipe, Resources, Task

FIRST = Task(Recipe("table", 1, {"a": 1}), "json:dumps", "first", "test")
SECOND = Task(
    Recipe("table", 2, {"b": [1.5, None]}, {"z": FIRST.key, "a": FIRST.key}),
    run="json:dumps",
    label="second",
    stage="test",
    arguments={"device": "cpu"},
    needs=(FIRST,),
    resources=Resources(cpus=2, memory=2**30, minutes=5),
)


def test_a_task_survives_json_with_its_key_and_the_order_of_its_inputs():
    known = json.loads(json.dumps(SECOND.to_dict()))
    again = Task.from_dict(known)
    assert again == SECOND
    assert again.key == SECOND.key
    assert list(again.recipe.inputs) == ["z", "a"]
    assert known["needs"] == [FIRST.key]
    assert again.needs == ()


def test_the_key_is_that_of_the_recipe_whatever_else_the_task_says():
    other = Task(SECOND.recipe, "json:loads", "x", "y", {"device": "cuda"}, (), Resources(8))
    assert other.key == SECOND.key == SECOND.recipe.key


def test_the_function_is_found_by_its_name():
    assert FIRST.function is json.dumps


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("json:dump_s", "json has no function 'dump_s': did you mean"),
        ("no_such_package.module:f", "there is no module 'no_such_package' here"),
        ("json", "json has no function ''"),
    ],
)
def test_a_function_that_is_not_there_says_what_is_missing(run, message):
    with pytest.raises(UnknownNameError, match=message):
        _ = Task(FIRST.recipe, run, "a", "b").function


@pytest.mark.parametrize("wrong", [{"cpus": 0}, {"gpus": -1}, {"memory": 0}, {"minutes": 1.5}])
def test_resources_that_make_no_sense_are_refused(wrong):
    with pytest.raises(InvalidParameterError, match=next(iter(wrong))):
        Resources(**wrong)
