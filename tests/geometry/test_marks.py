"""The marks of a profile."""

from __future__ import annotations

import numpy as np
import pytest

from repscape.geometry.marks import Marks, find_marks

HUMP = [10.8, 18, 25, 22, 21, 21, 20, 15, 11]
TWO_HUMPS = [11.9, 24, 31.5, 25, 21.2, 23, 25, 27, 20, 11.8]


def test_one_hump():
    assert find_marks(HUMP) == Marks(peak=2, minimum=8, bump=None)


def test_two_humps():
    assert find_marks(TWO_HUMPS) == Marks(peak=2, minimum=4, bump=7)


def test_the_first_peak_counts_even_if_the_second_is_higher():
    assert find_marks([1, 5, 2, 8, 1]) == Marks(peak=1, minimum=2, bump=3)


def test_noise_is_no_bump():
    wiggly = [10.0, 20, 30, 20, 19, 19.6, 19, 12]
    assert find_marks(wiggly, [0.1] * 8) == Marks(peak=2, minimum=7, bump=None)
    assert find_marks([10.0, 20, 30, 20, 15, 18, 15, 12], [2.0] * 8).bump is None
    assert find_marks([10.0, 20, 30, 20, 15, 18, 15, 12], [0.2] * 8).bump == 5


def test_missing_layers_are_passed_over():
    assert find_marks([np.nan, *TWO_HUMPS]) == Marks(peak=3, minimum=5, bump=8)


@pytest.mark.parametrize("values", [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]])
def test_without_a_hump_the_largest_is_the_peak(values):
    found = find_marks(values)
    assert found.peak == int(np.argmax(values))
    assert found.minimum == (None if found.peak == 3 else 3)


def test_too_few_layers():
    assert find_marks([1.0, np.nan, 2.0]) is None


def test_a_bump_below_the_first_layer_is_not_the_peak():
    """A profile that falls from its first layer, with or without a bump: the same rule."""
    assert find_marks([8.0, 5.2, 5.3, 5.4, 5.3]) == Marks(peak=0, minimum=1, bump=None)
    assert find_marks([8.0, 5.5, 5.4, 5.6, 6.1, 5.7, 5.5]) == Marks(peak=0, minimum=2, bump=4)
    assert find_marks([8.0, 5.0, 9.0, 7.0]) == Marks(peak=2, minimum=3, bump=None)
