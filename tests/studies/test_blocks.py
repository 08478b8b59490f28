"""Scores that would take one task too long are divided into blocks of models, by themselves."""

from __future__ import annotations

import pytest

from repscape.measures.base import get_measure
from repscape.studies import blocks
from repscape.studies.blocks import cost_of_scores, models_a_side
from repscape.studies.covers import Covers
from repscape.studies.first_phase import begin
from repscape.studies.load import load_study
from repscape.studies.pairs import Pairs
from repscape.studies.scoring import Scoring

BASE = (
    *("descriptors=[]", "describe={}", "figures=[]", "report=[]", "analyses=[]"),
    "measures=['mutual_knn[k=10]']",
)
MANY = (*BASE, "models.0.each.seed=[0,1,2,3,4,5,6,7,8,9,10,11]")
NULL = {"null": "permutation", "n_permutations": 20, "seed": 0, "budget": 1e10}


def scoring_of(settings, measure="mutual_knn[k=10]", null=NULL) -> Scoring:
    """The scoring of micro's models, whose sizes are those that it expects."""
    study, covers = load_study("micro", settings), Covers(None)
    by_key = {one.task.key: one for one in begin(study).extractions}
    family = {"measure": get_measure(measure).name, "pooling": "mean", "which": "all", "null": null}
    return Scoring(study, family, by_key, covers.size)


def operations(scoring: Scoring, part: Pairs) -> float:
    found = cost_of_scores(scoring, part).operations
    assert found is not None
    return found


@pytest.mark.parametrize("parts", [2, 8, 20])
def test_a_task_takes_at_most_what_split_says(parts):
    scoring = scoring_of(MANY)
    keys = tuple(scoring.by_key)
    split = operations(scoring, Pairs(within=keys)) / parts
    divided = scoring_of((*MANY, f"compare.split={split}"))
    group = models_a_side(divided)
    assert group is not None
    assert operations(divided, Pairs(rows=keys[:group], columns=keys[group : 2 * group])) <= split
    larger = 2 * group
    wider = Pairs(rows=keys[:larger], columns=keys[larger : 2 * larger])
    assert operations(divided, wider) > split, "no smaller than is asked for"


def test_who_says_nothing_reaches_no_division_and_who_says_something_gets_it():
    assert models_a_side(scoring_of(MANY)) is None, "1e13 operations are eight minutes"
    assert models_a_side(scoring_of((*MANY, "compare.split=1"))) == 2, "at most 253 tasks"
    assert models_a_side(scoring_of((*BASE, "compare.split=1"))) == 1
    assert models_a_side(scoring_of((*MANY, "compare.split=off"))) is None
    assert models_a_side(scoring_of((*MANY, "compare.split=1", "compare.group=5"))) == 5
    assert blocks.MOST_SIDES * (blocks.MOST_SIDES + 1) / 2 == 253


def test_sweeps_without_nulls_are_left_to_groups_of_tiles():
    settings = (*BASE, "compare.split=5e7", "compare.memory_limit=1700KiB")
    cka = "cka[kernel=rbf]"
    assert models_a_side(scoring_of(settings, cka)) == 1
    dear = scoring_of(settings, cka, NULL | {"budget": 1.0})
    assert models_a_side(dear) is None
