"""Colours and wording."""

from __future__ import annotations

import pytest

from repscape.plots.palette import chosen_factors, colours_of, direction, in_order, wrapped
from repscape.plots.style import text_colour_on


def test_long_names_are_broken_between_parameters() -> None:
    name = "unit_rows|cka[kernel=rbf,sigma=0.4median,debiased=true]@1"
    assert wrapped(name, 30) == "unit_rows|cka[kernel=rbf,\nsigma=0.4median,\ndebiased=true]@1"
    assert wrapped(name, 1000) == name
    assert wrapped(name, 5).replace("\n", "") == name


def test_colour_and_mark_are_architecture_and_objective_where_known() -> None:
    assert chosen_factors(["seed", "objective", "architecture"]) == ("architecture", "objective")
    assert chosen_factors(["seed", "width", "objective"]) == ("width", "objective")
    assert chosen_factors(["seed"]) == (None, None)


def test_values_are_in_order_of_appearance_and_colours_repeat() -> None:
    assert in_order(["b", None, "a", "b", float("nan")]) == ["b", "a"]
    assert colours_of("abc", ("red", "blue")) == {"a": "red", "b": "blue", "c": "red"}


def test_directions() -> None:
    assert direction("similarity") == "higher = more alike"
    assert direction("distance") == "lower = more alike"


@pytest.mark.parametrize(
    ("ground", "ink"), [("white", "black"), ("#440154", "white"), ("#fde725", "black")]
)
def test_text_is_readable_on_its_ground(ground: str, ink: str) -> None:
    assert text_colour_on(ground) == ink
