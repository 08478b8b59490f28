"""Which scale is chosen, and why."""

from __future__ import annotations

import pytest

from repscape.errors import InvalidParameterError
from repscape.geometry.base import Reading
from repscape.geometry.scales import Scale, choose_scale


def curve(values, error=0.1) -> list[Reading]:
    return [Reading(v, scale=float(2**i), standard_error=error) for i, v in enumerate(values, 1)]


def test_the_middle_of_the_plateau():
    chosen = choose_scale([curve([20, 14, 10, 10.05, 10.0, 10.1, 7, 4])])
    assert chosen.position == 3
    assert chosen.reason.startswith("middle of the flattest run, 8 to 64")


def test_without_a_plateau_the_smallest_step():
    assert choose_scale([curve([40, 30, 21, 19, 10, 4], error=0.01)]).position == 2


def test_one_scale_for_several_curves():
    flat_early, flat_late = curve([5, 5, 5, 3, 2]), curve([9, 7, 5, 5, 5])
    assert choose_scale([flat_early]).position == 1
    assert choose_scale([flat_late]).position == 3
    both = choose_scale([curve([5, 5, 5.05, 3, 2]), curve([9, 7, 5.05, 5, 4.9])])
    assert "on average over 2 curves" in both.reason


def test_a_wanted_scale():
    assert choose_scale([curve([5, 4, 3])], 4).position == 1


def test_only_one_scale():
    assert choose_scale([curve([5])]).reason == "the only scale"


@pytest.mark.parametrize(("text", "value"), [("flattest", None), ("16", 16)])
def test_scales_read_back(text, value):
    assert Scale.parse(text).value == value
    assert str(Scale.parse(text)) == text
    with pytest.raises(InvalidParameterError, match="scale=some"):
        Scale.parse("some")
