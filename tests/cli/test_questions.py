"""`repscape groups` and `repscape by-n`: what the functions say, and clear errors."""

from __future__ import annotations

import json

import numpy as np
import pytest

import repscape as library
from repscape.representation import Origin, Representation
from repscape.significance.questions import dependence_on_n


def model(rng: np.random.Generator, signal: np.ndarray, name: str, kind: str) -> Representation:
    values = signal @ rng.normal(size=(4, 6)) + 0.3 * rng.normal(size=(60, 6))
    origin = Origin(model=name, layer="0", tags={"kind_of_net": kind})
    return Representation(values, origin=origin)


@pytest.fixture
def scores(tmp_path):
    """Four networks of one kind and four of another, which share nothing."""
    rng = np.random.default_rng(0)
    reps = {}
    for kind in ("cnn", "mlp"):
        signal = rng.normal(size=(60, 4))
        for seed in range(4):
            reps[f"{kind}{seed}"] = model(rng, signal, f"{kind}{seed}", kind)
    path = tmp_path / "scores.csv"
    library.similarity_matrix(reps, "cka").table.to_csv(path, index=False)
    return path


def test_groups_that_differ(repscape, scores):
    done = repscape("groups", scores, "--json")
    assert done.code == 0, done.err
    [row] = json.loads(done.out)["tests"]
    assert (row["factor"], row["models"]) == ("kind_of_net", 8)
    assert row["difference"] > 0.5
    # 35 ways to halve eight models; the observed one is the most extreme.
    assert row["p_value"] == pytest.approx(1 / 35)
    assert row["smallest_p"] == pytest.approx(1 / 35)
    shown = repscape("groups", scores).out
    assert "kind_of_net" in shown
    assert "0.0286" in shown


def test_a_tag_that_there_is_not(repscape, scores):
    done = repscape("groups", scores, "-f", "kind_of_nets")
    assert done.code == 2
    assert "kind_of_nets" in done.err
    assert "kind_of_net" in done.err.replace("kind_of_nets", "")


@pytest.mark.parametrize("option", [("--permutations", "0"), ("--seed", "-1")])
def test_numbers_that_are_too_small(repscape, scores, option):
    done = repscape("groups", scores, *option)
    assert done.code == 2
    assert option[0] in done.err
    assert done.out == ""


def test_by_n_is_what_the_function_says(repscape, tmp_path):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(80, 5))
    y = x @ rng.normal(size=(5, 7)) + rng.normal(size=(80, 7))
    for name, values in (("a", x), ("b", y)):
        np.save(tmp_path / f"{name}.npy", values)
    words = ["by-n", tmp_path / "a.npy", tmp_path / "b.npy", "-m", "mutual_knn[k=5]"]
    options = ["-n", "40", "-n", "80", "--repeats", "3", "--permutations", "19", "--seed", "2"]
    done = repscape(*words, *options, "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)["sizes"]
    wanted = dependence_on_n(
        x, y, "mutual_knn[k=5]", [40, 80], repeats=3, n_permutations=19, seed=2
    )
    assert [row["n"] for row in found] == [40, 80]
    assert [row["value"] for row in found] == pytest.approx(wanted["value"].tolist())
    assert [row["null_mean"] for row in found] == pytest.approx(wanted["null_mean"].tolist())
    assert found[0]["null_mean"] == pytest.approx(5 / 39)


def test_by_n_beyond_the_samples_is_refused(repscape, tmp_path):
    np.save(tmp_path / "a.npy", np.random.default_rng(1).normal(size=(20, 5)))
    done = repscape("by-n", tmp_path / "a.npy", tmp_path / "a.npy", "-n", "40")
    assert done.code == 2
    assert "40" in done.err
    assert "20" in done.err
    assert done.out == ""


@pytest.mark.parametrize("given", ["20,40", "-1", "1.5", "x"])
def test_a_size_that_is_no_number_is_quoted(repscape, tmp_path, given):
    np.save(tmp_path / "a.npy", np.random.default_rng(1).normal(size=(20, 5)))
    done = repscape("by-n", tmp_path / "a.npy", tmp_path / "a.npy", f"--size={given}")
    assert done.code == 2
    [line] = done.err.splitlines()
    assert f"-n {given!r}" in line
    assert "repeat -n" in line
    assert done.out == ""
