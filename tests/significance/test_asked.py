"""Settings of what was not asked for are refused, not passed over."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import repscape
from repscape.errors import InvalidParameterError

X, Y = np.random.default_rng(0).standard_normal((2, 30, 4))

REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"seed": "x"}, r"seed='x': give a whole number"),
    ({"seed": -1}, r"seed=-1"),
    ({"n_permutations": 99}, r"n_permutations=99 given, but no null .* null='permutation'"),
    ({"n_permutations": "x"}, r"n_permutations='x' given, but no null"),
    ({"groups": "labels"}, r"groups='labels' given, but no null"),
    ({"blocks": [0, 1] * 15, "n_permutations": 9}, r"n_permutations=9 and blocks given, but"),
    ({"confidence": 0.9}, r"confidence=0.9, but no interval .* interval='jackknife'"),
    ({"confidence": 0.9, "null": "permutation"}, r"confidence=0.9, but no interval"),
    ({"groups": "labels", "interval": "jackknife"}, r"groups='labels' given, but no null"),
    ({"null": "shuffle"}, r"null='shuffle': the only null is 'permutation'"),
]


@pytest.mark.parametrize(("given", "message"), REFUSED)
def test_settings_of_nothing_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        repscape.compare(X, Y, **given)
    with pytest.raises(InvalidParameterError, match=message):
        repscape.similarity_matrix([X, Y], **given)


def test_a_seed_alone_and_the_defaults_are_taken() -> None:
    plain = repscape.compare(X, Y)
    assert repscape.compare(X, Y, seed=3, n_permutations=200, confidence=0.95) == plain
