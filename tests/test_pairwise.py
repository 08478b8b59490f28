"""All pairs: each representation prepared once, within the budget, nothing lost."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from repscape.compute.memory import parse_bytes
from repscape.errors import (
    MemoryLimitError,
    NonFiniteError,
    TooFewSamplesError,
    UndefinedScoreError,
)
from repscape.measures.base import MEASURES, Measure, MeasureSpec, Request, get_measure
from repscape.pairwise import pair_loop, score_pairs
from repscape.registry import Citation, parameter

PREPARED: list[tuple[float, int]] = []


@dataclass(frozen=True)
class Counted(Measure[float]):
    """Compares sums; notes who was prepared."""

    size: int = parameter(8, "bytes of a state for each sample")

    spec: ClassVar[MeasureSpec] = MeasureSpec(
        name="counted",
        version=1,
        family="toys",
        kind="similarity",
        range=(-math.inf, math.inf),
        symmetric=True,
        metric=False,
        invariances=frozenset(),
        minimum_n=3,
        summary="sum of sums",
        formula="ΣX + ΣY",
        cost="n",
        citation=Citation("nobody", "@misc{nobody}"),
    )

    def prepare(self, x: torch.Tensor) -> float:
        PREPARED.append((float(x[0, 0]), self.size))
        if float(x[0, 0]) == 13.0:
            raise UndefinedScoreError("unlucky")
        return float(x.sum())

    def state_bytes(self, n: int, d: int) -> int:
        return self.size * n

    def compare(self, a: float, b: float) -> float:
        if a == b == 0.0:
            return math.nan
        return a + b


@pytest.fixture(autouse=True)
def forget() -> None:
    PREPARED.clear()


def constant(*values: float, n: int = 10) -> list[Any]:
    return [torch.full((n, 1), value) for value in values]


def test_each_representation_is_prepared_once_for_each_measure():
    pairs = [(a, b) for a in range(4) for b in range(4)]
    outcomes = score_pairs([Counted(), Counted(9)], constant(1, 2, 3, 4), [pairs] * 2, 10**6, None)
    assert outcomes == [[10.0 * (a + b + 2) for a, b in pairs]] * 2
    assert sorted(PREPARED) == sorted((float(v), s) for v in (1, 2, 3, 4) for s in (8, 9))


@pytest.mark.parametrize("name", MEASURES.names())
def test_every_registered_measure_is_prepared_once(name, monkeypatch):
    measure = get_measure(name)
    calls: list[tuple[str, int]] = []

    def count(cls, method):
        original = getattr(cls, method)

        def counted(self, *arguments):
            calls.append((method, *(a.data_ptr() for a in arguments if torch.is_tensor(a))))
            return original(self, *arguments)

        monkeypatch.setattr(cls, method, counted)

    if measure.shared is not None:
        methods = ["form", "derive"]
        count(type(measure.shared), "form")
        count(type(measure), "derive")
    else:
        methods = ["prepare_labelled" if measure.needs_labels else "prepare_within"]
        count(type(measure), methods[0])
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(40, 12, generator=generator) for _ in range(5)]
    pairs = [(a, b) for a in range(5) for b in range(a)]
    labels = [np.arange(40) % 4] * 5
    [outcomes] = score_pairs([measure], values, [pairs], 10**8, None, labels)
    assert all(isinstance(outcome, float) for outcome in outcomes)
    assert sorted(calls) == sorted((m, value.data_ptr()) for m in methods for value in values)


def test_transforms_are_applied_once_for_all_measures(monkeypatch):
    from repscape.transforms import UnitRows

    applied = []
    apply = UnitRows.apply
    monkeypatch.setattr(UnitRows, "apply", lambda self, x: applied.append(1) or apply(self, x))
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(20, 4, generator=generator) for _ in range(3)]
    measures = [get_measure("unit_rows|cka"), get_measure("unit_rows|rsa")]
    score_pairs(measures, values, [[(0, 1), (0, 2), (1, 2)]] * len(measures), 10**8, None)
    assert len(applied) == 3


@pytest.mark.parametrize("limit", [640, 700, 1000, 1300, 10_000])
def test_blocks_take_turns_where_states_exceed_the_budget(limit):
    count = 7
    values = constant(*range(1, count + 1))
    pairs = [(a, b) for a in range(count) for b in range(count)]
    [outcomes] = score_pairs([Counted(16)], values, [pairs], limit, None)
    assert outcomes == [10.0 * (a + b + 2) for a, b in pairs]
    assert (len(PREPARED) > count) == (limit < 2 * 16 * 10 * count)


def test_a_large_state_beside_small_ones_stays_within_the_budget(monkeypatch):
    from repscape import pairwise

    held = []
    score_block = pairwise._score_block

    def noted(measures, values, labels, block, limit):
        held.append(sum(10 * len(values[i]) for i in {i for pair in block[0] for i in pair}))
        return score_block(measures, values, labels, block, limit)

    monkeypatch.setattr(pairwise, "_score_block", noted)
    values = [torch.ones(70, 1), *constant(2, 3, 4, 5, n=25)]
    pairs = [(a, b) for a in range(5) for b in range(a)]
    score_pairs([Counted(10)], values, [pairs], 2 * 1000, None)
    assert len(held) > 1
    assert max(held) <= 1000


def test_too_small_a_budget_says_what_would_fit_and_costs_no_other_measure():
    [[refused], [score]] = score_pairs(
        [Counted(8), Counted(1)], constant(1, 2), [[(0, 1)]] * 2, 200, None
    )
    assert isinstance(refused, MemoryLimitError)
    assert "at least 320 B, or compare at most 6 samples" in str(refused)
    assert score == 30.0


def test_a_pair_without_a_score_does_not_cost_the_others():
    values = [*constant(1, 13), NonFiniteError("bad"), *constant(4)]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (3, 3)]
    [outcomes] = score_pairs([Counted()], values, [pairs], 10**6, None)
    assert [str(o) for o in outcomes] == ["unlucky", "bad", "50.0", "unlucky", "80.0"]


def test_a_score_that_is_not_finite_becomes_an_error():
    [[outcome]] = score_pairs([Counted()], constant(0, 0), [[(0, 1)]], 10**6, None)
    assert isinstance(outcome, UndefinedScoreError)
    assert "counted[size=8]@1 came out as nan" in str(outcome)


def test_too_few_samples_are_named():
    [[outcome]] = score_pairs([Counted()], constant(1, 2, n=1), [[(0, 1)]], 10**6, None)
    assert isinstance(outcome, TooFewSamplesError)
    assert str(outcome) == "counted[size=8]@1 needs at least 3 samples, and there is 1"


def test_progress_counts_to_the_total():
    seen = []
    measures = [Counted(16), Counted(17)]
    pairs = [(a, b) for a in range(7) for b in range(a)]
    wanted = [pairs] * len(measures)
    score_pairs(measures, constant(*range(7)), wanted, 700, lambda d, t: seen.append((d, t)))
    assert seen == sorted(seen)
    assert len(seen) > 2
    assert seen[-1] == (42, 42)


def test_pair_loop_keeps_errors_in_place():
    request = Request(get_measure("procrustes"), [torch.eye(3).double()] * 2, [(0, 1), (1, 0)])
    assert pair_loop(request) == pytest.approx([0.0, 0.0], abs=1e-7)


def test_measures_with_a_sweep_equal_their_pair_loop():
    """Every kernel at once, in one sweep, against dense matrices pair by pair."""
    names = [
        "cka", "cka[debiased=false]", "cka[kernel=rbf]", "cka[kernel=laplace,sigma=2]", "rsa",
        "rsa[rdm=euclidean,compare_by=pearson]", "rsa[rdm=cosine,compare_by=cosine]",
        "distance_correlation", "distance_correlation[debiased=false,root=true]",
    ]  # fmt: skip
    generator = torch.Generator().manual_seed(2)
    values = [torch.randn(90, d, generator=generator, dtype=torch.float64) for d in (4, 9, 30)]
    values.append(values[0] + 1e-3 * values[0].roll(1, 0))
    pairs = [(a, b) for a in range(4) for b in range(4)]
    measures = [get_measure(name) for name in names]
    swept = score_pairs(measures, values, [pairs] * len(measures), 10**8, None)
    for measure, row in zip(measures, swept, strict=True):
        states = [measure.prepare(value) for value in values]
        loop = [measure.compare(states[a], states[b]) for a, b in pairs]
        assert row == pytest.approx(loop, rel=1e-10, abs=1e-10)


def test_products_are_held_only_where_the_budget_has_room(monkeypatch):
    from repscape.compute.rows import Rows

    kept = []
    keep = Rows.keep_products
    monkeypatch.setattr(Rows, "keep_products", lambda self: kept.append(self) or keep(self))
    generator = torch.Generator().manual_seed(0)
    values = [torch.randn(700, 5, generator=generator) for _ in range(4)]
    pairs = [(0, 1), (0, 2), (0, 3)]
    scores, made = [], []
    for limit in ("256MiB", "9MiB", "5MiB"):
        kept.clear()
        measures = [get_measure("cka"), get_measure("cka[kernel=rbf]")]
        scores.append(score_pairs(measures, values, [pairs] * 2, parse_bytes(limit), None))
        made.append(len(kept))
    assert made == [4, 2, 1]
    assert np.allclose(scores[1], scores[0], rtol=1e-6)
    assert np.allclose(scores[2], scores[0], rtol=1e-6)
