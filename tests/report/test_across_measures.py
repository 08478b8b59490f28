"""Sentences about every measure: few are named one by one, of many the range is said."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from repscape.analysis.groups import group_effects
from repscape.analysis.layer_identification import identification_accuracy, layer_identification
from repscape.report.across_measures import (
    describe_agreement,
    describe_chance,
    describe_identification,
    describe_undistinguished,
    describe_untested,
)
from score_tables import models_table, row

SQUARE: dict[str, dict[str, Any]] = {
    f"{net}{seed}": {"objective": net, "seed": seed} for net in "xy" for seed in (0, 1)
}
FOUND = "the most similar layer of the other network is the same layer in"


def effects(measure: str, leader: str = "objective", **columns: Any) -> pd.DataFrame:
    """0.2, plus 0.5 for sharing the leader, plus 0.1 for sharing the other."""
    place = {"objective": 0, "seed": 1}[leader]

    def value(a: str, b: str) -> float:
        return 0.2 + 0.5 * (a[place] == b[place]) + 0.1 * (a[1 - place] == b[1 - place])

    return group_effects(models_table(SQUARE, value, measure=measure, **columns))


def accuracies(correct: list[int], data: tuple[str, ...] = ("d",)) -> pd.DataFrame:
    """Of 54 cases, by data set and measure."""
    names = [(source, f"m{i}@1") for source in data for i in range(len(correct) // len(data))]
    table = pd.DataFrame(names, columns=["data", "measure"]).assign(split="s", chance=1 / 3)
    counts = pd.Series(correct)
    return table.assign(correct=counts, counted=54, accuracy=counts / 54)


def chances(distinguishable: list[int], data: tuple[str, ...] = ("d",)) -> pd.DataFrame:
    """Of 135 scores, by data set and measure."""
    return accuracies(distinguishable, data).assign(
        distinguishable=distinguishable,
        undecided=0,
        enough_permutations=None,
        tested=135,
        level=0.05,
        n_permutations=20,
        smallest_reachable_p=1 / 21,
    )


def judged(lost: list[int]) -> pd.DataFrame:
    """Three pairs of networks per measure, the first so many of them not distinguishable."""
    pairs = [("a", "b"), ("a", "c"), ("b", "c")]
    return pd.DataFrame(
        [
            {
                "measure": f"m{i}@1",
                "model_a": a,
                "model_b": b,
                "p_value": 0.01,
                "distinguishable": place >= count,
            }
            for i, count in enumerate(lost)
            for place, (a, b) in enumerate(pairs)
        ]
    )


def test_too_few_random_pairings_are_said_and_how_many_would_do() -> None:
    some = chances([135, 9]).assign(undecided=[0, 12], enough_permutations=[None, 224.0])
    assert describe_chance(some, "layers")[2:] == [
        "Random pairings are too few for so many scores under `m1@1`: none reached 12 of the "
        "scores of 135 pairs of layers, yet it takes 224 of them to tell such scores from chance."
    ]
    assert len(describe_chance(chances([135, 9]), "layers")) == 2


def test_measures_without_a_test_are_named_with_the_reason() -> None:
    p_values = {"cka@1": 0.1, "rv@1": None, "gap@1": None, "dead@1": None}
    table = pd.DataFrame({"measure": [*p_values] * 2, "p_value": [*p_values.values()] * 2})
    table["value"] = [0.5, 0.4, 0.3, None] * 2
    table["null_reason"] = [None, "too dear", "too dear", None] * 2
    assert describe_untested(table) == [
        "Not tested: the scores under `rv@1` and `gap@1` (too dear)."
    ]
    assert describe_untested(table[table["measure"] == "cka@1"]) == []


def test_whether_few_measures_agree() -> None:
    one, two = effects("cka@1"), effects("rsa@2")
    assert describe_agreement(one) == []
    assert describe_agreement(one.head(0)) == []
    assert describe_agreement(pd.concat([one, two])) == ["Both measures put the objective first."]
    assert describe_agreement(pd.concat([one, effects("angle@1"), effects("rsa@2", "seed")])) == [
        "The measures do not agree: `cka@1` and `angle@1` put the objective first; "
        "`rsa@2` puts the seed first."
    ]


def test_whether_many_measures_agree() -> None:
    many = [effects(f"m{i}@1") for i in range(6)]
    assert describe_agreement(pd.concat(many)) == ["All 6 measures put the objective first."]
    assert describe_agreement(pd.concat([*many, effects("rsa@2", "seed")])) == [
        "The measures do not agree: of 7 measures 6 put the objective first; `rsa@2` puts the "
        "seed first."
    ]
    other = [effects(f"m{i}@1", "seed", data="code") for i in range(3)]
    assert describe_agreement(pd.concat([*many, *other])) == [
        "The measures do not agree: of 9 cases (6 measures on 2 data sets) 6 put the objective "
        "first; 3 put the seed first."
    ]


def test_a_measure_on_two_data_sets_says_which() -> None:
    two = pd.concat([effects("cka@1", data="prose"), effects("cka@1", "seed", data="code")])
    assert describe_agreement(two) == [
        "The measures do not agree: `cka@1` on prose puts the objective first; `cka@1` on code "
        "puts the seed first."
    ]


def test_layer_identification_under_few_measures() -> None:
    tags = {"seed_a": 0, "seed_b": 1, "measure": "cka@1"}
    scores = [[0.9, 0.2], [0.9, 0.8]]
    table = pd.DataFrame(
        [row(f"s/{i}", f"t/{j}", scores[i][j], **tags) for i in (0, 1) for j in (0, 1)]
    )
    accuracy = identification_accuracy(layer_identification(table))
    assert describe_identification(accuracy) == [
        f"For two networks that differ only in their seed, {FOUND} 2 of 4 cases (50%) under "
        "`cka@1`; guessing would reach 50%."
    ]
    assert describe_identification(accuracy.head(0)) == []


@pytest.mark.parametrize(
    ("accuracy", "found"),
    [
        (
            accuracies([18, 16, 27, 20, 25]),
            "16 of 54 cases (30%, `m1@1`) to 27 of 54 (50%, `m2@1`) under 5 measures",
        ),
        (
            accuracies([18, 16, 17, 16, 27, 20], ("prose", "code")),
            "16 of 54 cases (30%, `m1@1` on prose and 1 other) to 27 of 54 (50%, `m1@1` on code) "
            "under 3 measures on 2 data sets",
        ),
        (accuracies([27] * 5), "50% of the cases under 5 measures"),
        (
            accuracies([27, 54, 0, 1]),
            "27 of 54 cases (50%) under `m0@1`, in 54 of 54 cases (100%) under `m1@1`, in 0 of 54 "
            "cases (0%) under `m2@1` and in 1 of 54 cases (2%) under `m3@1`",
        ),
    ],
)
def test_layer_identification_under_many_measures(accuracy: pd.DataFrame, found: str) -> None:
    (sentence,) = describe_identification(accuracy)
    assert f"{FOUND} {found}; guessing would reach 33%." in sentence


@pytest.mark.parametrize(
    ("summary", "found"),
    [
        (
            chances([135, 9]),
            "these pairs of layers: 135 of 135 under `m0@1` and 9 of 135 under `m1@1`",
        ),
        (chances([135] * 11), "all pairs of layers under each of 11 measures"),
        (
            chances([135] * 5 + [134], ("prose", "code")),
            "all pairs of layers under each of 3 measures on 2 data sets, except under `m2@1` on "
            "code (134 of 135)",
        ),
        (
            chances([100, 9, 50, 135, 99]),
            "9 of 135 pairs of layers (7%, `m1@1`) to 135 of 135 (100%, `m3@1`) under 5 measures",
        ),
    ],
)
def test_what_is_more_than_chance(summary: pd.DataFrame, found: str) -> None:
    first = "More alike than chance, at 5% with allowance for their number, are "
    assert describe_chance(summary, "layers", brief=True) == [f"{first}{found}."]
    assert describe_chance(summary, "layers")[1].startswith("With 20 random pairings no p can be")
    assert describe_chance(summary.head(0), "layers") == []


def test_networks_that_cannot_be_told_from_chance() -> None:
    rest = "all pairs of networks score more than chance."
    assert describe_undistinguished(judged([0, 2])) == [
        "Under `m0@1` all 3 pairs of networks score more than chance.",
        "Under `m1@1` 2 of 3 pairs of networks cannot be told from chance: a with b; a with c.",
    ]
    assert describe_undistinguished(judged([0])) == [f"Under `m0@1` {rest.replace('all', 'all 3')}"]
    for count in (2, 11):
        said = f"Under each of {count} measures {rest}"
        assert describe_undistinguished(judged([0] * count)) == [said]
    first = "Under `m1@1` 1 of 3 pairs of networks cannot be told from chance: a with b."
    assert describe_undistinguished(judged([0, 1, 0, 2, 0])) == [
        first,
        "Under `m3@1` 2 of 3 pairs of networks cannot be told from chance.",
        f"Under the other 3 measures {rest}",
    ]
    assert describe_undistinguished(judged([0, 1, 2, 2, 3, 1])) == [
        first,
        "Under 5 measures 1 of 3 pairs of networks (33%, `m1@1` and 1 other) to 3 of 3 (100%, "
        "`m4@1`) cannot be told from chance.",
        f"Under the other measure {rest}",
    ]
