"""Sentences computed from tables."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from repscape.analysis.groups import group_effects
from repscape.report.words import (
    counted,
    describe_groups,
    describe_scope,
    headlines,
    listed,
    number,
    percent,
)
from score_tables import models_table, row, synthetic

SQUARE: dict[str, dict[str, Any]] = {
    f"{net}{seed}": {"objective": net, "seed": seed} for net in "xy" for seed in (0, 1)
}


def effects(sign: float = 1.0, **columns: Any) -> pd.DataFrame:
    """0.2, plus 0.5 for the same objective, plus 0.1 for the same seed."""

    def value(a: str, b: str) -> float:
        return sign * (0.2 + 0.5 * (a[0] == b[0]) + 0.1 * (a[1] == b[1]))

    return group_effects(models_table(SQUARE, value, **columns))


def test_the_factor_that_groups_the_networks() -> None:
    first, second = describe_groups(effects(measure="cka@1"))
    assert first == (
        "The networks group by objective first. Under `cka@1` (higher = more alike), pairs of "
        "networks that share the objective score 0.70 on average, pairs that do not 0.25. Of the "
        "variation among the 6 pairs, the objective accounts for 93% and the seed for 7%."
    )
    assert second == (
        "Changing one thing at a time, the mean score is 0.70 where only the seed differs "
        "(2 pairs) and 0.30 where only the objective differs (2 pairs)."
    )


def test_when_nothing_groups_the_networks() -> None:
    turned = effects(-1.0, measure="cka@1")
    turned = turned[turned["factor"] == "objective"]
    assert describe_groups(turned) == [
        "Under `cka@1` no factor groups the networks: sharing one brings no likeness."
    ]
    assert describe_groups(turned.head(0)) == ["No tag groups the networks of this table."]


def test_the_three_numbers() -> None:
    accuracy = pd.DataFrame(
        {
            "measure": ["cka@1"],
            "accuracy": [0.75],
            "correct": [3],
            "counted": [4],
            "chance": [0.25],
        }
    )
    found = headlines(effects(measure="cka@1"), accuracy)
    assert [line.value for line in found] == ["93%", "0.70", "75%"]
    assert found[0].label == "of the variation goes with the objective"
    assert found[1].detail == "0.30 if only the objective differs; `cka@1`, higher = more alike"
    assert found[2].detail == "3 of 4 under `cka@1`; guessing would find 25%"
    assert headlines(effects().head(0), accuracy.head(0)) == []


def test_scope() -> None:
    assert describe_scope(synthetic()) == (
        "12 networks with 60 layers in all, compared on 100 samples of digits (test) under "
        "2 measures. 24 of 3,660 scores could not be computed."
    )
    plain = pd.DataFrame(
        [row("a/l", "b/l", 0.5, data=None, split=None, model_a=None, model_b=None)]
    )
    assert describe_scope(plain) == "2 representations, compared on 100 samples under 1 measure."


@pytest.mark.parametrize(
    ("share", "text"),
    [(0.0, "0%"), (0.004, "under 1%"), (0.256, "26%"), (0.997, "over 99%"), (1.0, "100%")],
)
def test_percent(share: float, text: str) -> None:
    assert percent(share) == text


def test_small_words() -> None:
    assert number(-0.126) == "−0.13"
    assert [listed(list("abc")[:count]) for count in (1, 2, 3)] == ["a", "a and b", "a, b and c"]
    assert [counted(1, "pair"), counted(1200, "pair")] == ["1 pair", "1,200 pairs"]


def test_factors_that_explain_little_do_not_group_the_networks() -> None:
    def value(a: str, b: str) -> float:
        """Likeness that hangs on the pair, and hardly on what it shares."""
        apart = {"x0x1": 0.52, "y0y1": 0.5, "x0y0": 0.1, "x1y1": 0.9, "x0y1": 0.2, "x1y0": 0.8}
        return apart["".join(sorted((a, b)))]

    weak = group_effects(models_table(SQUARE, value, measure="cka@1"))
    assert weak["share_all"].max() < 0.1
    (line,) = [
        one for one in headlines(weak, pd.DataFrame({"accuracy": []})) if "goes" in one.label
    ]
    assert line.value == "under 1%"
    assert line.label == "of the variation goes with the objective and the seed together"
    assert line.detail.startswith("so little that this does not say which networks are alike; 6 ")
    assert describe_groups(weak)[0].startswith(
        "What is known of the networks says little about which are alike. Under `cka@1`"
    )
