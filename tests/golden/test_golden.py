"""The golden values of the repository: by definition, frozen, and reproduced by the engine."""

from __future__ import annotations

import json

import make_golden
import pytest

from repscape.compare import compare, similarity_matrix
from repscape.measures.base import get_measure

GOLDEN = json.loads(make_golden.GOLDEN.read_text(encoding="utf-8"))
NAMES = list(make_golden.measures())


def test_the_script_makes_the_committed_values():
    made = make_golden.values()
    assert made.keys() == GOLDEN.keys()
    for case, scores in made.items():
        assert scores == pytest.approx(GOLDEN[case], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_is_canonical(name):
    assert get_measure(name).name == name


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", GOLDEN)
def test_compare_gives_the_golden_value(case, name):
    x, y = make_golden.cases()[case]
    assert float(compare(x, y, name)) == pytest.approx(GOLDEN[case][name], rel=1e-9, abs=1e-11)


@pytest.mark.parametrize("case", GOLDEN)
def test_all_pairs_give_the_golden_values(case):
    x, y = make_golden.cases()[case]
    table = similarity_matrix({"x": x, "y": y}, NAMES).table
    found = dict(zip(table["measure"], table["value"], strict=True))
    assert found == pytest.approx(GOLDEN[case], rel=1e-9, abs=1e-11)
