"""The golden nulls and intervals: by definition, frozen, and reproduced by permuted states."""

from __future__ import annotations

import json

import make_golden
import make_golden_nulls
import numpy as np
import pytest
import torch

from repscape.measures.base import get_measure
from repscape.significance.intervals import interval_from
from repscape.significance.layers import compare_layers
from repscape.significance.null import null_of
from repscape.significance.permutations import Permutations
from repscape.significance.prepared import PartialScores

GOLDEN = json.loads(make_golden_nulls.GOLDEN.read_text(encoding="utf-8"))
PAIRS = [(case, name) for case in make_golden_nulls.CASES for name in make_golden_nulls.NAMES]
LIMIT = 2**30


def with_orders(orders: np.ndarray, groups: np.ndarray | None = None) -> Permutations:
    """Permutations with the orders of the script in place of their own."""
    found = Permutations(orders.shape[1], len(orders), groups=groups)
    vars(found)["orders"] = torch.from_numpy(orders)
    return found


def tensors(case: str) -> list[torch.Tensor]:
    return [torch.from_numpy(np.ascontiguousarray(v)) for v in make_golden.cases()[case]]


def test_the_script_makes_the_committed_values():
    """Of the smaller case; the whole takes a minute."""
    made = make_golden_nulls.values(("wide",))
    assert len(made) == len(make_golden_nulls.NAMES)
    for pair, parts in made.items():
        for part, numbers in parts.items():
            assert numbers == pytest.approx(GOLDEN["pairs"][pair][part], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("part", ["free", "grouped"])
@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_permuted_states_give_the_golden_null(case, name, part):
    measure = get_measure(name)
    x, y = tensors(case)
    n = len(x)
    if part == "free":
        permutations = with_orders(make_golden_nulls.orders(n))
    else:
        groups = np.repeat(np.arange(4), n // 4)
        permutations = with_orders(make_golden_nulls.grouped_orders(n), groups)
    null = null_of(measure, measure.prepare(x), measure.prepare(y), permutations, LIMIT)
    found = {"value": null.observed} | {
        key: null.fields[key] for key in ("null_mean", "null_sd", "p_value", "effect")
    }
    expected = GOLDEN["pairs"][f"{case} {name}"][part]
    assert found == pytest.approx(expected, rel=1e-8, abs=1e-11)


@pytest.mark.parametrize(("case", "name"), PAIRS)
def test_restricted_states_give_the_golden_interval(case, name):
    measure = get_measure(name)
    x, y = tensors(case)
    partial = PartialScores(measure, [x, y])
    groups = make_golden_nulls.left_out(len(x))
    kept = [torch.from_numpy(np.setdiff1d(np.arange(len(x)), group)) for group in groups]
    value = GOLDEN["pairs"][f"{case} {name}"]["free"]["value"]
    found = interval_from("jackknife", len(x), value, [partial(rows) for rows in kept])
    expected = GOLDEN["pairs"][f"{case} {name}"]["jackknife"]
    assert found.standard_error == pytest.approx(expected["standard_error"], rel=1e-7)
    assert (found.low, found.high) == pytest.approx((expected["low"], expected["high"]), rel=1e-7)


def test_the_best_layer_has_the_golden_null(monkeypatch):
    x, y = make_golden.cases()["tall"]
    drawn = torch.from_numpy(make_golden_nulls.orders(len(x)))
    monkeypatch.setattr(Permutations, "orders", drawn)
    first, second = [x, x[:, :3], np.tanh(x)], [y, y[:, 2:]]
    found = compare_layers(
        first, second, make_golden_nulls.NAMES[0], n_permutations=make_golden_nulls.PERMUTATIONS
    ).best
    assert {name: getattr(found, name) for name in GOLDEN["best layer"]} == pytest.approx(
        GOLDEN["best layer"], rel=1e-9
    )
