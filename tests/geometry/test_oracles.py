"""Golden values of other packages, from the folder that REPSCAPE_ORACLES names."""

from __future__ import annotations

import importlib.util
import json
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
import torch

from repscape.errors import UndefinedScoreError
from repscape.geometry.base import get_descriptor
from repscape.geometry.eigenvalue_rules import dimensions_by_rule
from repscape.geometry.gride import gride_readings
from repscape.geometry.imbalance import information_imbalance
from repscape.geometry.overlap import neighbourhood_overlap
from repscape.geometry.sample import Sample, prepare_sample

METHODS = {"linear": "linear", "mle": "mle", "mle_censored": "censored"}
RULES = {"FO": "fukunaga_olsen", "Kaiser": "kaiser"}


@cache
def inputs(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("oracle_inputs", folder / "inputs.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@cache
def sample(folder: Path, case: str, side: int = 0, duplicates: str = "keep") -> Sample:
    made = inputs(folder)
    if case.partition("@")[0] in made.MANIFOLDS:
        x, labels = made.make_manifold(case), None
    else:
        *pair, labels = made.make(case)
        x = pair[side]
    planned = {"euclidean": min(128, len(x) - 1)}
    return prepare_sample(x, labels, duplicates=duplicates, planned=planned)


def described(name: str, data: Sample) -> float:
    return get_descriptor(name).describe(data).reading.value


def twonn(folder, case, params):
    unique = params.get("duplicates", "").startswith("unique")
    method = METHODS[params["method"]]
    fraction = "" if method == "mle" else f",fraction={params['fraction']}"
    data = sample(folder, case, 0, "drop" if unique else "keep")
    return described(f"twonn[method={method}{fraction}]", data)


def gride(folder, case, params):
    plain = "likelihood" in params
    table = sample(folder, case).neighbours("euclidean", 128)
    return gride_readings(table, [(params["n1"], params["n2"])], not plain, not plain).readings[0]


def mle(folder, case, params):
    average = {"mle": "harmonic"}.get(params["comb"], params["comb"])
    unbiased = str(params["unbiased"]).lower()
    name = f"mle[k={params['k']},average={average},unbiased={unbiased}]"
    return described(name, sample(folder, case))


def lpca(folder, case, params):
    data = sample(folder, case)
    variances = data.axes().variances
    zeros = torch.zeros(data.features().shape[1] - len(variances), dtype=torch.float64)
    rule = RULES.get(params["version"], params["version"])
    all_variances = torch.cat([variances, zeros])[None]
    return float(dimensions_by_rule(all_variances, rule, params.get("alpha", 0.0)))


def label_overlap(folder, case, params):
    k = f"{params['class_fraction']}class" if "class_fraction" in params else params["k"]
    average = "macro" if params["weighted"] else "micro"
    return described(f"label_overlap[k={k},average={average}]", sample(folder, case))


def overlap(folder, case, params):
    tables = [sample(folder, case, side).neighbours("euclidean", params["k"]) for side in (0, 1)]
    return neighbourhood_overlap(*tables, params["k"]).value


def imbalance(folder, case, params):
    a, b = (0, 1) if params["direction"] == "X->Y" else (1, 0)
    table = sample(folder, case, a).neighbours("euclidean", params["k"])
    return information_imbalance(table, sample(folder, case, b).features(), params["k"]).value


ROUTES = {
    "twonn": twonn,
    "gride": lambda *given: gride(*given).value,
    "gride_error": lambda *given: gride(*given).independent_error,
    "gride_scale": lambda *given: gride(*given).distance,
    "mle_levina_bickel": mle,
    "correlation_integral": lambda folder, case, params: described(
        f"correlation_integral[k1={params['k1']},k2={params['k2']}]", sample(folder, case)
    ),
    "mom": lambda folder, case, params: described(
        f"method_of_moments[k={params['k']}]", sample(folder, case)
    ),
    "lpca": lpca,
    "label_overlap": label_overlap,
    "neighbourhood_overlap": overlap,
    "information_imbalance": imbalance,
}
COUNTS = {
    "twonn": 22,
    "gride": 70,
    "gride_error": 35,
    "gride_scale": 35,
    "mle_levina_bickel": 40,
    "correlation_integral": 6,
    "mom": 6,
    "lpca": 34,
    "label_overlap": 78,
    "neighbourhood_overlap": 26,
    "information_imbalance": 104,
}


def records(folder: Path, measure: str, role: str) -> list[dict]:
    every = json.loads((folder / "values.json").read_text())
    return [
        r
        for r in every
        if r["measure"] == measure and r["role"] == role and r["params"].get("version") != "maxgap"
    ]


@pytest.mark.parametrize("measure", ROUTES)
def test_golden_values(oracles, measure):
    wanted = records(oracles, measure, "oracle")
    wrong = []
    for record in wanted:
        found = ROUTES[measure](oracles, record["case"], record["params"])
        if record.get("tie_range"):
            low, high = record["tie_range"]
            close = low - 1e-9 <= found <= high + 1e-9
        else:
            gap = abs(found - record["value"])
            close = gap <= record["atol"] + record["rtol"] * abs(record["value"])
        if not close:
            wrong.append((record["case"], record["params"], found, record["value"]))
    assert wrong == []
    assert len(wanted) >= COUNTS[measure] - 4


def test_duplicates_that_are_kept_have_no_likelihood(oracles):
    for record in records(oracles, "mle_levina_bickel", "undefined"):
        with pytest.raises(UndefinedScoreError, match="distance 0"):
            mle(oracles, record["case"], record["params"])
