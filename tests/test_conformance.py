"""Measures that do not do what they declare are caught: one broken measure for every check."""

from __future__ import annotations

import math
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from repscape.compare import similarity_matrix
from repscape.compute.arrays import as_tensor, check_squares
from repscape.compute.neighbours import NeighbourTable, neighbours
from repscape.errors import ConformanceError, UndefinedScoreError
from repscape.measures.base import INVARIANCES, Measure, MeasureSpec
from repscape.pairwise import pair_loop
from repscape.registry import Citation, parameter
from repscape.testing import check_measure

FRONT_DOOR = sys.modules[similarity_matrix.__module__]


def toy_spec(**changes: Any) -> MeasureSpec:
    spec = MeasureSpec(
        name="toy",
        version=1,
        family="toys",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset({"isotropic_scaling"}),
        minimum_n=2,
        summary="cosine of the raw values",
        formula="<X, Y> / (||X|| ||Y||)",
        cost="n·d",
        citation=Citation("nobody", "@misc{nobody}"),
    )
    return spec.but(**changes)


class Toy(Measure[torch.Tensor]):
    """The cosine of the two matrices as vectors: a measure that keeps its declaration."""

    spec: ClassVar[MeasureSpec] = toy_spec()

    def prepare(self, x):
        check_squares(x)
        x = x.double()
        norm = x.norm()
        if norm == 0:
            raise UndefinedScoreError("all values are 0")
        return x / norm

    def permute(self, state, order):
        return state[order]

    def compare(self, a, b):
        width = min(a.shape[1], b.shape[1])
        return float((a[:, :width] * b[:, :width]).sum())


def broken(method: str, function: Any, **changes: Any) -> Measure[Any]:
    """A toy with one method replaced and another declaration."""
    cls = type("BrokenToy", (Toy,), {method: function, "spec": toy_spec(**changes)})
    return dataclass(frozen=True)(cls)()


def failed_checks(measure: Measure[Any], **options: Any) -> set[str]:
    with pytest.raises(ConformanceError) as caught:
        check_measure(measure, **options)
    lines = str(caught.value).splitlines()[1:]
    return {line.removeprefix("  - ").partition(":")[0] for line in lines}


def toy_formula(x: np.ndarray, y: np.ndarray) -> float:
    return float((x * y).sum() / np.sqrt((x**2).sum() * (y**2).sum()))


def test_a_good_toy_passes_without_being_registered():
    report = check_measure(broken("prepare", Toy.prepare), formula=toy_formula)
    assert report.failures == ()
    assert {f"invariance {name}" for name in INVARIANCES} < {*report.checks}


def test_every_failure_is_reported_not_the_first():
    def compare(self, a, b):
        return Toy.compare(self, a, b) + 2 + 0.1 * float(a[0, 0])

    found = failed_checks(broken("compare", compare), formula=toy_formula)
    assert {"identity", "symmetry", "range", "formula", "row order"} <= found


def test_every_check_is_seen_to_fail():
    """By some test below, which names it."""
    checks = check_measure(broken("prepare", Toy.prepare), formula=toy_formula).checks
    source = Path(__file__).read_text(encoding="utf-8").partition("def test_every_check")[2]
    assert [check for check in checks if f'"{check}"' not in source] == []


def test_a_declaration_that_contradicts_itself_is_caught():
    for changes in ({"range": (1.0, 1.0)}, {"minimum_n": 0}, {"metric": True}):
        assert "declaration" in failed_checks(broken("prepare", Toy.prepare, **changes))


def test_another_formula_is_caught():
    good = broken("prepare", Toy.prepare)
    assert failed_checks(good, formula=lambda x, y: 1.01 * toy_formula(x, y)) == {"formula"}


def test_rows_declared_not_to_be_matched_that_are_are_caught():
    measure = broken("prepare", Toy.prepare, matches_samples=False)
    assert failed_checks(measure) == {"row order"}


def test_a_measure_that_tells_nothing_apart_is_caught():
    assert "identity" in failed_checks(broken("compare", lambda self, a, b: 1.0))


def test_float32_arithmetic_where_float64_is_asked_for_is_caught():
    def prepare(self, x):
        return Toy.prepare(self, x) * (0.999 if x.dtype == torch.float32 else 1.0)

    assert "precision" in failed_checks(broken("prepare", prepare))


def test_half_precision_that_is_not_upcast_is_caught(monkeypatch):
    def careless(values):
        half = isinstance(values, torch.Tensor) and values.dtype.itemsize == 2
        return as_tensor(values) + 0.01 if half else as_tensor(values)

    monkeypatch.setattr(FRONT_DOOR, "as_tensor", careless)
    assert failed_checks(broken("prepare", Toy.prepare)) == {"half precision"}


def test_nan_that_is_let_in_is_caught(monkeypatch):
    monkeypatch.setattr(FRONT_DOOR, "check_finite", lambda x, name: None)
    assert failed_checks(broken("prepare", Toy.prepare)) == {"not finite"}


def test_a_score_of_too_few_samples_is_caught():
    def prepare(self, x):
        return Toy.prepare(self, x) * (math.nan if len(x) == 2 else 1.0)

    assert failed_checks(broken("prepare", prepare)) == {"too few samples"}


def test_a_sweep_that_depends_on_the_memory_limit_is_caught():
    def sweep(requests, memory_limit):
        wrong = 1e-6 if memory_limit < 2**18 else 0.0
        return [[score + wrong for score in pair_loop(request)] for request in requests]

    failures = failed_checks(broken("sweep", property(lambda self: sweep)))
    assert failures == {"batches and tiles"}


def test_a_sweep_that_depends_on_the_company_is_caught():
    def sweep(requests, memory_limit):
        several = 1e-6 * (len(requests[0].states) > 2)
        return [[score + several for score in pair_loop(request)] for request in requests]

    assert "all pairs" in failed_checks(broken("sweep", property(lambda self: sweep)))


def test_a_state_that_does_not_move_with_its_samples_is_caught():
    def permute(self, state, order):
        return state

    assert failed_checks(broken("permute", permute)) == {"permuted states"}


def test_scores_of_many_orders_that_differ_from_one_by_one_are_caught():
    def permuted_scores(self, a, b, orders, memory_limit):
        return Toy.permuted_scores(self, a, b, orders, memory_limit) + 1e-6

    assert failed_checks(broken("permuted_scores", permuted_scores)) == {"permuted states"}


def test_a_part_that_remembers_the_whole_is_caught():
    def subset(self, state, rows):
        return state[rows]  # still divided by the norm of all samples

    assert failed_checks(broken("subset", subset)) == {"subsets of states"}


def test_wrong_invariances_are_caught_one_by_one():
    """Declared ones that do not hold, and the one that holds and is not declared."""
    wrong = frozenset(INVARIANCES) - {"isotropic_scaling"}
    assert failed_checks(broken("prepare", Toy.prepare, invariances=wrong)) == {
        "invariance orthogonal",
        "invariance permutation",
        "invariance isotropic_scaling",
        "invariance translation",
        "invariance invertible_linear",
    }


def test_an_asymmetric_measure_is_caught():
    def compare(self, a, b):
        return Toy.compare(self, a, b) * float(1 - 0.1 * a[0, 0].abs())

    assert "symmetry" in failed_checks(broken("compare", compare, self_is_best=False))


def test_asymmetry_that_only_different_widths_show_is_caught():
    def compare(self, a, b):
        return Toy.compare(self, a, b) * (0.5 if a.shape[1] > b.shape[1] else 1.0)

    assert "symmetry" in failed_checks(broken("compare", compare))


def test_declared_asymmetry_that_is_none_is_caught():
    assert failed_checks(broken("prepare", Toy.prepare, symmetric=False)) == {"symmetry"}


def test_a_biased_score_leaves_its_range_and_misses_identity():
    def compare(self, a, b):
        return Toy.compare(self, a, b) + 0.1

    assert {"identity", "range"} <= failed_checks(broken("compare", compare))


def test_nan_is_caught_although_the_front_door_would_hide_it():
    def prepare(self, x):
        return x.double() / x.double().norm()

    failures = failed_checks(broken("prepare", prepare))
    assert failures == {"hostile input"}


def test_a_missing_error_type_is_caught():
    def prepare(self, x):
        if (x == 0).all(dim=1).any():
            raise ValueError("a row of zeros")
        return Toy.prepare(self, x)

    assert failed_checks(broken("prepare", prepare)) == {"hostile input"}


def test_too_little_precision_under_an_offset_is_caught():
    def prepare(self, x):
        rounded = x.bfloat16().double() if x.dtype == torch.float32 else x
        return Toy.prepare(self, rounded - rounded.mean(dim=0))

    assert "offset" in failed_checks(broken("prepare", prepare))


def test_a_squared_distance_is_no_metric():
    def prepare(self, x):
        check_squares(x)
        return x.double()

    def compare(self, a, b):
        width = min(a.shape[1], b.shape[1])
        return float((a[:, :width] - b[:, :width]).square().sum())

    cls = type(
        "Squared",
        (Toy,),
        {
            "prepare": prepare,
            "compare": compare,
            "spec": toy_spec(
                kind="distance", range=(0.0, math.inf), metric=True, invariances=frozenset()
            ),
        },
    )
    assert failed_checks(dataclass(frozen=True)(cls)()) == {"triangle inequality"}


def test_a_measure_that_changes_its_input_or_the_random_state_is_caught():
    def prepare(self, x):
        torch.rand(1)
        return Toy.prepare(self, x.mul_(1.0 + 1e-3))

    assert "purity" in failed_checks(broken("prepare", prepare))


def test_a_sweep_that_differs_from_the_pair_loop_is_caught():
    def sweep(requests, memory_limit):
        return [[0.5 for _ in request.pairs] for request in requests]

    failures = failed_checks(broken("sweep", property(lambda self: sweep)))
    assert "all pairs" in failures


def test_one_order_of_rows_for_both_sides_is_needed():
    def prepare(self, x):
        return Toy.prepare(self, x.sort(dim=0).values)

    assert "row order" in failed_checks(broken("prepare", prepare))


def test_a_measure_without_a_score_is_told_why():
    def prepare(self, x):
        raise UndefinedScoreError("never")

    with pytest.raises(ConformanceError, match="has no score for random input: never"):
        check_measure(broken("prepare", prepare))


@pytest.mark.parametrize("score", ["0.5", None, torch.tensor(0.5), [0.5]], ids=repr)
def test_what_is_no_number_is_reported_and_not_taken_for_a_score(score):
    measure = broken("compare", lambda self, a, b: score)
    message = f"compare gave {score!r}, a {type(score).__name__}: it has to return a float"
    with pytest.raises(ConformanceError, match=re.escape(message)):
        check_measure(measure)
    table = similarity_matrix(np.eye(5)[None].repeat(2, axis=0), [measure, "magnitude_difference"])
    assert table.table["value"].isna().tolist() == [True, False]
    assert message in table.table["reason"][0]


def test_what_is_no_number_for_some_input_only_is_a_failure_among_others():
    def compare(self, a, b):
        return "same" if torch.equal(a, b) else Toy.compare(self, a, b)

    assert {"identity", "range"} <= failed_checks(broken("compare", compare))


def test_a_measure_that_breaks_is_reported_as_what_it_raised():
    measure = broken("prepare", lambda self, x: 1 / 0)
    with pytest.raises(ConformanceError, match="ZeroDivisionError: division by zero"):
        check_measure(measure)


@dataclass(frozen=True)
class FirstColumnSelf(Measure[torch.Tensor]):
    """Mutual neighbours that drop the first column of the search as the sample itself."""

    k: int = parameter(4, "number of neighbours")
    by_index: bool = parameter(False, "mask the sample by its index instead")

    spec: ClassVar[MeasureSpec] = toy_spec(
        name="first_column_self",
        family="neighbours",
        range=(0.0, 1.0),
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=6,
    )

    def prepare(self, x):
        if self.by_index:
            table: NeighbourTable = neighbours(x, self.k, "euclidean")
            return table.indices.long()
        gaps = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist")
        return gaps.sort(dim=1, stable=True).indices[:, 1 : self.k + 1]

    def compare(self, a, b):
        shared = (a[:, :, None] == b[:, None, :]).any(dim=2)
        return float(shared.double().mean())


def test_dropping_the_first_column_as_self_is_caught():
    assert failed_checks(FirstColumnSelf()) == {"self among duplicates"}
    assert check_measure(FirstColumnSelf(by_index=True)).failures == ()
