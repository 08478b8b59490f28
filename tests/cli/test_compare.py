"""`repscape compare`: scores of two files, and everything that can be wrong with them."""

from __future__ import annotations

import json

import numpy as np
import pytest

import repscape as package
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT


def table(text: str) -> dict[str, list[str]]:
    header, *rows = (line.split("\t") for line in text.splitlines())
    assert header == ["measure", "value", "kind", "n"]
    return {row[0]: row[1:] for row in rows}


def test_the_default_is_cka(repscape, files):
    done = repscape("compare", files / "x.npy", files / "rotated.npy")
    assert done.code == 0
    assert table(done.out) == {"cka[kernel=linear,debiased=true]@1": ["1", "similarity", "60"]}
    assert done.err == ""


def test_values_are_those_of_the_python_function(repscape, files):
    x, y = np.load(files / "x.npy"), np.load(files / "noisy.npy")
    names = ["cka[kernel=rbf,sigma=0.4]", "unit_rows|procrustes", "rsa"]
    arguments = [part for name in names for part in ("--measure", name)]
    done = repscape("compare", files / "x.npy", files / "noisy.npy", *arguments, "--json")
    assert done.code == 0
    scores = json.loads(done.out)["scores"]
    expected = [package.compare(x, y, name) for name in names]
    assert [score["measure"] for score in scores] == [score.measure for score in expected]
    assert [score["kind"] for score in scores] == [score.kind for score in expected]
    assert [score["n"] for score in scores] == [60, 60, 60]
    # All measures are computed in one go, which adds up in another order than one by one.
    np.testing.assert_allclose(
        [score["value"] for score in scores], [score.value for score in expected], rtol=1e-12
    )
    assert [score["reason"] for score in scores] == [None] * 3


def test_the_installed_command(command, files):
    done = command("compare", "x.npy", "rotated.npy", "-m", "procrustes", cwd=files)
    assert (done.code, done.err) == (0, "")
    assert float(table(done.out)["procrustes[score=distance,center=true]@1"][0]) < 1e-7


def test_one_measure_by_two_names_is_one_row(repscape, files):
    done = repscape(
        "compare", files / "x.npy", files / "noisy.npy", "-m", "cka", "-m", "linear_cka", "--json"
    )
    assert len(json.loads(done.out)["scores"]) == 1


def test_one_file_with_itself(repscape, files):
    done = repscape("compare", files / "x.npy", files / "x.npy", "-m", "procrustes", "--json")
    assert json.loads(done.out)["scores"][0]["value"] == pytest.approx(0, abs=1e-7)


def test_one_array_of_several(repscape, files):
    done = repscape("compare", f"{files}/several.npz::early", f"{files}/several.npz::late")
    assert done.code == 0
    missing = repscape("compare", f"{files}/several.npz", files / "x.npy")
    assert missing.code == 2
    assert "several.npz::early" in missing.err


def test_all_runs_what_the_input_allows_and_says_why_not(repscape, files):
    done = repscape("compare", files / "x.npy", files / "noisy.npy", "--all")
    assert done.code == 0
    computed = table(done.out)
    assert "cka[kernel=linear,debiased=true]@1" in computed
    assert "procrustes[score=distance,center=true]@1" in computed
    lines = done.err.splitlines()
    assert all(line.startswith("no score for ") for line in lines)
    outputs = [line for line in lines if "'jensen_shannon[values=logits]@1'" in line]
    assert len(outputs) == 1
    assert "compares predictions" in outputs[0]
    known = set(package.measures()["measure"])
    told = {name for name in known if name in done.out or name in done.err}
    assert told == known, "every measure is computed or left out with a reason"


def test_all_of_one_sample_says_each_reason_once(repscape, files):
    np.save(files / "one.npy", np.load(files / "x.npy")[:1])
    done = repscape("compare", files / "one.npy", files / "one.npy", "--all")
    assert done.code == 0
    lines = done.err.splitlines()
    reasons = [line.rpartition(": ")[2] for line in lines]
    assert len(reasons) == len(set(reasons)) <= 8
    assert "needs at least 2 samples, and there is 1" in reasons
    assert all(done.err.count(name) == 1 for name in ("cka[", "mutual_knn[", "gulp["))


def test_all_in_json_has_a_null_and_a_reason_for_what_was_left_out(repscape, files):
    done = repscape("compare", files / "x.npy", files / "noisy.npy", "--all", "--json")
    assert (done.code, done.err) == (0, "")
    scores = {score["measure"]: score for score in json.loads(done.out)["scores"]}
    assert set(scores) == set(package.measures()["measure"])
    for score in scores.values():
        assert (score["value"] is None) == (score["reason"] is not None), score
    assert scores["jensen_shannon[values=logits]@1"]["value"] is None


def test_all_of_nothing_computable_exits_with_2(repscape, files):
    done = repscape("compare", files / "x.npy", files / "nan.npy", "--all")
    assert done.code == 2
    assert done.out == ""
    assert "NaN" in done.err
    assert "row 3, feature 2" in done.err


def test_a_named_measure_without_a_score_exits_with_2_and_the_others_are_kept(repscape, files):
    arguments = ["compare", files / "x.npy", files / "constant.npy", "-m", "cka", "-m"]
    done = repscape(*arguments, "magnitude_difference")
    assert done.code == 2
    assert list(table(done.out)) == ["magnitude_difference@1"]
    assert done.err.startswith("no score for 'cka[kernel=linear,debiased=true]@1': all 60 samples")
    as_json = repscape(*arguments, "magnitude_difference", "--json")
    assert as_json.code == 2
    cka, magnitude = json.loads(as_json.out)["scores"]
    assert cka["value"] is None
    assert cka["reason"].startswith("all 60 samples")
    assert magnitude["value"] > 0


@pytest.mark.parametrize(
    ("a", "b", "more", "message"),
    [
        ("x.npy", "nan.npy", [], "the first is nan at row 3, feature 2"),
        ("x.npy", "constant.npy", [], "all 60 samples have the same values"),
        ("x.npy", "short.npy", [], "60 samples"),
        ("first.npz", "second.npz", [], "intersection"),
        ("x.npy", "absent.npy", [], "there is no such file"),
        ("x.npy", "objects.npy", [], "would execute code"),
        ("x.npy", "x.npy", ["-m", "ckaa"], "did you mean 'cka'"),
        ("x.npy", "x.npy", ["-m", "cka[kernal=rbf]"], "did you mean 'kernel'"),
        ("x.npy", "x.npy", ["-m", "cka[sigma=1]"], "has no effect"),
        ("x.npy", "x.npy", ["-m", "unit_rows"], "put a measure behind it"),
        ("x.npy", "x.npy", ["--memory-limit", "lots"], "lots"),
        ("x.npy", "x.npy", ["--all", "-m", "cka"], "--all and --measure"),
    ],
)
def test_bad_input_is_one_message_and_exit_code_2(repscape, files, a, b, more, message):
    done = repscape("compare", files / a, files / b, *more)
    assert done.code == 2
    assert done.out == ""
    assert done.err.startswith("error: ")
    assert message in done.err
    assert "Traceback" not in done.err


def test_shared_samples_can_be_compared(repscape, files):
    arguments = ["compare", files / "first.npz", files / "second.npz"]
    done = repscape(*arguments, "--align", "intersection")
    assert table(done.out) == {"cka[kernel=linear,debiased=true]@1": ["1", "similarity", "20"]}


def test_the_help_states_the_default_memory_limit(repscape):
    assert DEFAULT_MEMORY_LIMIT in repscape("compare", "--help").out


def test_what_chance_gives(repscape, files):
    arguments = ["-m", "mutual_knn[k=5]", "--null", "permutation", "--permutations", "99"]
    done = repscape(
        "compare", files / "x.npy", files / "noisy.npy", *arguments, "--interval", "jackknife"
    )
    assert done.code == 0
    header, row = (line.split("\t") for line in done.out.splitlines())
    assert header == ["measure", "value", "chance", "p", "effect", "95% interval", "kind", "n"]
    x, y = np.load(files / "x.npy"), np.load(files / "noisy.npy")
    score = package.compare(
        x, y, "mutual_knn[k=5]", null="permutation", n_permutations=99, interval="jackknife"
    )
    low, high = score.interval
    assert row[1:6] == [
        f"{score.value:.6g}",
        f"{score.null_mean:.4g}",
        f"{score.p_value:.3g}",
        f"{score.effect:.3g}",
        f"{low:.4g} … {high:.4g}",
    ]
    assert "99 random pairings, so no p is below 0.01" in done.err
    told = json.loads(
        repscape("compare", files / "x.npy", files / "noisy.npy", *arguments, "--json").out
    )["scores"][0]
    assert told["p_value"] == score.p_value
    assert told["n_permutations"] == 99
    assert told["null_sd"] == pytest.approx(score.null_sd)
    assert "interval_low" not in told


def test_measures_without_a_null_say_so(repscape, files):
    done = repscape(
        "compare", files / "x.npy", files / "noisy.npy", "-m", "cka", "-m", "magnitude_difference",
        "--null", "permutation",
    )  # fmt: skip
    assert done.code == 0
    assert done.out.splitlines()[2].split("\t")[2:5] == ["-", "-", "-"]
    assert "no null (magnitude_difference" in done.err
    refused = repscape("compare", files / "x.npy", files / "noisy.npy", "--permutations", "9")
    assert refused.code == 2
    assert "give --null permutation" in refused.err


def test_is_a_closer_to_b_than_to_c(repscape, files):
    arguments = ["closer", files / "x.npy", files / "rotated.npy", files / "noisy.npy"]
    done = repscape(*arguments)
    assert done.code == 0
    header, row = (line.split("\t") for line in done.out.splitlines())
    assert header[:4] == ["measure", "A, B", "A, C", "B closer by"]
    told = json.loads(repscape(*arguments, "--json").out)
    x, y, z = (np.load(files / f"{name}.npy") for name in ("x", "rotated", "noisy"))
    found = package.closer(x, y, z)
    assert told["difference"] == pytest.approx(found.difference)
    assert told["p_value"] == pytest.approx(found.p_value)
    assert found.p_value < 0.01
    assert row[3] == f"{found.difference:.4g}"


def test_duplicated_samples_are_reported(repscape, files, tmp_path):
    x = np.load(files / "x.npy")
    x[[40, 50]] = x[0]
    np.save(tmp_path / "twice.npy", x)
    done = repscape("compare", files / "x.npy", tmp_path / "twice.npy", "-m", "cka", "-m", "rsa")
    assert done.code == 0
    assert done.err == (
        f"{tmp_path / 'twice.npy'}: 2 of 60 samples equal an earlier one; measures keep them\n"
    )
    done = repscape("compare", files / "x.npy", tmp_path / "twice.npy", "--json")
    assert json.loads(done.out)["scores"][0]["duplicates"] == [0, 2]
