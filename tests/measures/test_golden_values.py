"""Golden values: other packages' numbers on shared inputs, checked there by a second formula.

`REPSCAPE_ORACLES` names the folder that holds `values.json` and the generator of the inputs.
"""

from __future__ import annotations

import importlib.util
import json
from collections import defaultdict
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from golden_names import GOLDEN, UNCOVERED, Golden, Uncovered

from repscape.compare import compare
from repscape.errors import RepscapeError
from repscape.measures.base import get_measure

FLOAT32 = 1e-6
"""Tolerance for inputs rounded to float32, whose own rounding moves the value."""
UNSTATED = 1e-6
"""Tolerance for corrected values that come without one."""


@cache
def inputs(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_inputs", folder / "inputs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def records(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The records by convention; see `key`."""
    found = defaultdict(list)
    for record in json.loads((folder / "values.json").read_text()):
        found[key(record["measure"], record["params"])].append(record)
    return dict(found)


def key(measure: str, params: Any) -> str:
    return json.dumps([measure, dict(params)], sort_keys=True)


@cache
def pair(folder: Path, case: str, what: str) -> tuple[np.ndarray, np.ndarray]:
    generator = inputs(folder)
    if what == "logits":
        return generator.make_logits(case)
    if what.startswith("zoo"):
        _, data, i, j = what.split()
        reps = generator.make_zoo(case)["AB".index(data)]
        return reps[int(i)], reps[int(j)]
    x, y, _ = generator.make(case)
    if what == "float32":
        return x.astype(np.float32), y.astype(np.float32)
    return x, y


def kind_of_input(golden: Golden) -> str:
    if "logits" in golden.params:
        return "logits"
    if golden.measure == "zoo_similarity":
        i, j = golden.params["models"]
        return f"zoo {golden.params['dataset']} {i} {j}"
    return str(golden.params.get("input_dtype", "pair"))


def problem(record: dict[str, Any], golden: Golden, score: float | RepscapeError) -> str | None:
    """What is wrong with our score for a record; None if nothing is."""
    case, role = record["case"], record["role"]
    if role == "undefined" or case.split("@")[0] in golden.refused:
        return None if isinstance(score, RepscapeError) else f"{case}: {score} instead of an error"
    expected = record["value"] if role == "oracle" else record.get("correct_value")
    if isinstance(score, RepscapeError):
        return f"{case} ({role}): {score}"
    unstated = FLOAT32 if "input_dtype" in golden.params else UNSTATED
    relative, absolute = (record.get(name) or unstated for name in ("rtol", "atol"))
    near = absolute + relative * abs(expected)
    low, high = record.get("tie_range") or (expected, expected)
    if not min(low, expected) - near <= score <= max(high, expected) + near:
        return f"{case} ({role}): {score!r} instead of {expected!r}, by {score - expected:.1e}"
    wrong = record["value"] if role == "defect" else None
    if wrong is not None and abs(wrong - expected) > 10 * near and abs(score - wrong) <= near:
        return f"{case}: the defect {wrong!r} itself"
    return None


def label(golden: Golden) -> str:
    extra = "-".join(str(v) for k, v in golden.params.items() if k in ("dataset", "models"))
    dtype = str(golden.params.get("input_dtype", ""))
    return " ".join(filter(None, [golden.name, extra, dtype]))


@pytest.mark.parametrize("golden", GOLDEN, ids=label)
def test_equals_the_golden_values(golden: Golden, oracles: Path) -> None:
    measure = get_measure(golden.name)
    scores: dict[str, float | RepscapeError] = {}
    problems = []
    for record in records(oracles)[key(golden.measure, golden.params)]:
        case = record["case"]
        if case not in scores:
            x, y = pair(oracles, case, kind_of_input(golden))
            try:
                scores[case] = compare(x, y, measure).value
            except RepscapeError as reason:
                scores[case] = reason
        problems.append(problem(record, golden, scores[case]))
    assert [found for found in problems if found] == []


def test_every_record_has_a_name_or_a_reason(oracles: Path) -> None:
    named = {key(golden.measure, golden.params) for golden in GOLDEN}
    left = [convention for convention in records(oracles) if convention not in named]
    assert [c for c in left if not any(_concerns(u, c) for u in UNCOVERED)] == []
    assert named <= set(records(oracles))


def test_no_reason_is_out_of_date(oracles: Path) -> None:
    named = {key(golden.measure, golden.params) for golden in GOLDEN}
    left = [convention for convention in records(oracles) if convention not in named]
    assert [u for u in UNCOVERED if not any(_concerns(u, c) for c in left)] == []


def _concerns(uncovered: Uncovered, convention: str) -> bool:
    measure, params = json.loads(convention)
    return measure == uncovered.measure and all(
        name in params and value in (..., params[name]) for name, value in uncovered.params.items()
    )
