"""The quickstart, whole, as a user runs it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.run import StudyResult, run_study
from repscape.tables import SIMILARITY_COLUMNS

pytestmark = pytest.mark.slow
LAYERS = 12 * 4
MEASURES = load_study("quickstart").measures


def run(out: Path, store: Path | None = None, tell=None) -> StudyResult:
    kept = Store(out / "store" if store is None else store)
    study = load_study("quickstart")
    return run_study(study, out, kept, tell=tell)


def start(out: Path, store: Path | None = None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "repscape", "quickstart", "--out", str(out)]
    command += [] if store is None else ["--store", str(store)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    )


def finish(process: subprocess.Popen[str]) -> str:
    printed, complaints = process.communicate(timeout=850)
    assert process.returncode == 0, complaints
    return printed


def outputs(folder: Path) -> dict[str, bytes]:
    files = [p for part in ("tables", "figures") for p in (folder / part).iterdir()]
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() for p in [*files, folder / "report.html"]
    }


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("quickstart") / "out"
    return folder, finish(start(folder))


def test_it_ends_with_the_report_and_three_numbers(first_run):
    folder, printed = first_run
    headlines = json.loads((folder / "outputs.json").read_text())["headlines"]
    assert len(headlines) == 3
    tail = printed.strip().splitlines()[-8:]
    assert any(str(folder / "report.html") in line for line in tail)
    for headline in headlines:
        assert any(headline["value"] in t and headline["label"] in t for t in tail)


def test_the_scores_table_holds_every_pair_under_every_measure(first_run):
    folder, _ = first_run
    scores = pd.read_parquet(folder / "tables" / "scores.parquet")
    assert set(SIMILARITY_COLUMNS) < set(scores.columns)
    assert set(scores["measure"]) == set(MEASURES)
    assert (scores.groupby("measure").size() == LAYERS * (LAYERS - 1) // 2).all()
    assert scores["value"].notna().all()
    assert scores["key_a"].str.len().eq(40).all()
    assert (scores["n"] == 449).all()
    same = pd.read_csv(folder / "tables" / "scores.csv")
    pd.testing.assert_series_equal(same["value"], scores["value"])


def test_the_networks_learned(first_run):
    folder, _ = first_run
    networks = pd.read_parquet(folder / "tables" / "models.parquet")
    assert len(networks) == 12
    assert (networks["held_out_accuracy"] > 0.9).all()


def test_the_headlines_follow_from_the_tables(first_run):
    folder, _ = first_run
    measure = MEASURES[0]
    factors = pd.read_parquet(folder / "tables" / "factors.parquet")
    shares = factors[factors["measure"] == measure].set_index("factor")["share"]
    found = pd.read_parquet(folder / "tables" / "layer_identification.parquet")
    accuracy = found.loc[found["measure"] == measure, "accuracy"].iloc[0]
    headlines = json.loads((folder / "outputs.json").read_text())["headlines"]
    assert headlines[0]["value"] == f"{100 * shares.max():.0f}%"
    assert shares.idxmax() in headlines[0]["label"]
    assert headlines[2]["value"] == f"{100 * accuracy:.0f}%"


def test_a_second_run_makes_nothing_and_runs_no_network(first_run, monkeypatch):
    folder, _ = first_run
    before = outputs(folder)
    calls: list[str] = []
    import torch

    forward = torch.nn.Module.__call__
    monkeypatch.setattr(
        torch.nn.Module, "__call__", lambda *a, **k: calls.append("forward") or forward(*a, **k)
    )
    again = run(folder)
    assert again.made == 0
    assert calls == []
    assert outputs(folder) == before


def test_outputs_written_again_from_the_store_or_altered_have_the_same_bytes(first_run, tmp_path):
    folder, _ = first_run
    for _ in range(2):
        run(tmp_path / "again", store=folder / "store")
        assert outputs(tmp_path / "again") == outputs(folder)
        (tmp_path / "again" / "tables" / "scores.csv").write_text("mine now")


def test_two_processes_on_one_store_both_end_with_the_bytes_of_one(first_run, tmp_path):
    folder, _ = first_run
    both = [start(tmp_path / name, tmp_path / "store") for name in ("a", "b")]
    for process in both:
        finish(process)
    for name in ("a", "b"):
        assert outputs(tmp_path / name) == outputs(folder)
    assert Store(tmp_path / "store").verify() == []


def test_a_killed_run_resumes_at_the_last_finished_network(first_run, tmp_path):
    folder, _ = first_run
    process = start(tmp_path / "out")
    store = tmp_path / "out" / "store"
    while not (store / "store.json").exists() or len(Store(store).keys("checkpoint")) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    trained = Store(store).keys("checkpoint")
    assert 3 <= len(trained) < 12
    found: list[str] = []
    run(tmp_path / "out", tell=lambda e: found.append(e.task.key) if e.what == "found" else None)
    assert set(trained) <= set(found)
    assert outputs(tmp_path / "out") == outputs(folder)
