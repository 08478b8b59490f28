"""The small twins as they ship: run by name, whole, and their outputs written anew."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from installed import COMMAND

pytest.importorskip("transformers", reason="the extra 'hub' is not installed")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

LANGUAGE, GEOMETRY = "llm-similarity-small", "transformer-geometry-small"


def whole(name: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    out = tmp_path_factory.mktemp("whole") / "out"
    done = subprocess.run(
        [COMMAND, "run", name, "--out", str(out)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return out, done.stdout


@pytest.fixture(scope="module")
def language(tmp_path_factory) -> tuple[Path, str]:
    return whole(LANGUAGE, tmp_path_factory)


@pytest.fixture(scope="module")
def geometry(tmp_path_factory) -> tuple[Path, str]:
    return whole(GEOMETRY, tmp_path_factory)


def table(out: Path, name: str) -> pd.DataFrame:
    return pd.read_parquet(out / "tables" / f"{name}.parquet")


def figures(out: Path) -> set[str]:
    return {path.stem for path in (out / "figures").glob("*.png")}


def digests(out: Path) -> dict[str, str]:
    files: dict[str, str] = json.loads((out / "outputs.json").read_text())["files"]
    return files


def test_every_pair_of_language_models_has_every_score(language) -> None:
    out, _ = language
    scores = table(out, "scores")
    pairs, layers = 15, 9
    assert (scores.groupby(["data", "measure"]).size() == pairs * layers).all()
    assert scores["measure"].nunique() == 11
    assert scores.groupby("data")["n"].first().to_dict() == {"code": 71, "prose": 200}
    assert scores["value"].notna().all()
    calibrated = scores[scores["measure"].str.startswith("cka[kernel=linear,debiased=true]")]
    assert calibrated["p_value"].between(1 / 21, 1).all()
    for name in ("prose", "code"):
        assert len(table(out, f"{name}_otis")) == pairs * 4
        assert len(table(out, f"{name}_otistr")) == pairs * 6


def test_the_language_models_learn_and_are_more_alike_than_chance(language) -> None:
    out, _ = language
    losses = table(out, "models").set_index("model")["loss"]
    assert (losses < 5.2).all(), "of a vocabulary of 2,000 tokens an untrained one has log 2000"
    assert losses["gpt2-96/0"] < losses["gpt2-32/0"]
    depth = table(out, "scores_by_depth")
    debiased = depth[depth["measure"].str.startswith("cka[kernel=linear,debiased=true]")]
    assert (debiased["mean"] > 0.3).all()
    wide = table(out, "wide_pairs")
    assert (wide.groupby("data")["wide_pairs"].first() == pd.Series({"code": 9, "prose": 0})).all()


def test_the_figures_of_the_paper_and_the_findings_in_words(language) -> None:
    out, printed = language
    groups = ("otis", "otistr")
    maps = {f"published_{data}_{group}" for data in ("prose", "code") for group in groups}
    assert figures(out) == {*maps, "scores_by_depth"}
    assert "mean rank correlation between prose and code" in printed
    assert "of the variation goes with the width" in printed


def test_training_raises_label_overlap_and_lowers_the_dimension(geometry) -> None:
    out, _ = geometry
    values = table(out, "geometry")
    values["descriptor"] = values["descriptor"].str.split("[").str[0]
    digits = values[(values["data"] == "digits") & values["quantity"].ne("dimension")]
    overlap = digits[digits["descriptor"] == "label_overlap"].groupby("model")["value"].max()
    guessing = 0.1
    for size, gain in (("small", 0.1), ("medium", 0.03)):
        untrained, trained = overlap[f"imagegpt-{size}@0"], overlap[f"imagegpt-{size}@250"]
        assert trained > untrained + gain > 2 * guessing
    gride = values[(values["descriptor"] == "gride") & (values["layer"] == "final_norm")]
    gride = gride[gride["quantity"] == "dimension"].groupby("model")["value"].median()
    assert gride["imagegpt-small@250"] < gride["imagegpt-small@0"] - 2
    assert values["value"].notna().all()


def test_the_claim_of_the_paper_is_tested_on_every_trained_profile(geometry) -> None:
    out, printed = geometry
    claims = table(out, "peak_and_labels")
    assert claims["model"].nunique() == 8
    assert "of 8  profiles have their highest label overlap within a layer" in printed
    layers = {"imagegpt-small@250": 7, "imagegpt-medium@250": 9, "imagegpt-large@250": 13}
    for model, count in layers.items():
        assert (claims.loc[claims["model"] == model, "layers"] == count).all()
    assert {
        *(f"dimension_and_labels_digits_{name}" for name in ("gride", "twonn")),
        *(f"dimension_and_labels_proteins_{name}" for name in ("gride", "twonn_blocks")),
        *(f"layers_mutual_knn_{data}" for data in ("digits", "proteins")),
        *(f"profile_label_overlap_{data}" for data in ("digits", "proteins")),
        "training_digits",
    } <= figures(out)


@pytest.mark.parametrize("name", ["language", "geometry"])
def test_figures_killed_in_drawing_are_drawn_again_to_the_same_bytes(name, request) -> None:
    out, _ = request.getfixturevalue(name)
    before = digests(out)
    for folder in ("figures", "tables"):
        shutil.rmtree(out / folder)
    (out / "outputs.json").unlink()
    command = [sys.executable, "-m", "repscape", "report", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while len(list((out / "figures").glob("*.png"))) < 2:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    subprocess.run(command, check=True, capture_output=True)
    assert digests(out) == before
