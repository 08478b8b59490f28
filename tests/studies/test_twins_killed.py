"""Killed under one executor and resumed under another, the twins leave an untouched run's bytes."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from twins import committed, outputs, run, run_and_kill, shrunk

pytest.importorskip("transformers", reason="the extra 'hub' is not installed")

STUDIES = ("llm-similarity-small", "transformer-geometry-small")


@pytest.fixture(scope="module", params=STUDIES)
def untouched(request, tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("untouched")
    study = shrunk(request.param, folder / f"{request.param}.yaml")
    run(study, folder / "out", "inline")
    return study, outputs(folder / "out")


@pytest.mark.slow
def test_killed_twice_and_resumed(untouched, tmp_path: Path) -> None:
    study, expected = untouched
    out = tmp_path / "out"
    run_and_kill(study, out, "processes", after=3)
    run_and_kill(study, out, "inline", after=13)
    run(study, out, "processes")
    assert_same(out, expected)


@pytest.mark.slow
@pytest.mark.slurm
def test_killed_and_resumed_on_slurm(untouched, tmp_path: Path, slurm: str) -> None:
    """From an empty store; the jobs that run then die, too, and those that wait go on."""
    study, expected = untouched
    kill_and_resume(study, tmp_path / "out", slurm, kill_running_jobs)
    assert_same(tmp_path / "out", expected)


@pytest.mark.slow
@pytest.mark.ray
def test_killed_and_resumed_on_ray(untouched, tmp_path: Path, ray_cluster: str) -> None:
    """From an empty store; the tasks that run then go on without their driver."""
    study, expected = untouched
    kill_and_resume(study, tmp_path / "out", ray_cluster)
    assert_same(tmp_path / "out", expected)


def kill_running_jobs() -> None:
    words = ("--user=root", "--state=RUNNING", "--full", "--signal=KILL")
    subprocess.run(["scancel", *words], check=True)


def kill_and_resume(
    study: Path, out: Path, executor: str, kill_more: Callable[[], None] = lambda: None
) -> None:
    """Kill the driver when models are trained and one has been run on data; run it again."""
    run_and_kill(study, out, executor, after=1, kind="extraction")
    kill_more()
    before = committed(out)
    run(study, out, executor)
    after = committed(out)
    assert {key: after[key] for key in before} == before, "nothing is committed twice"


def assert_same(out: Path, expected: dict[str, bytes]) -> None:
    found = outputs(out)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


TABLES = {
    "llm-similarity-small": (
        "prose_otis",
        "prose_otistr",
        "code_otis",
        "code_otistr",
        "data_agreement",
        "wide_pairs",
        "scores_by_depth",
    ),
    "transformer-geometry-small": ("geometry", "marks", "overlaps", "peak_and_labels"),
}
WORDS = {
    "llm-similarity-small": "mean rank correlation of",
    "transformer-geometry-small": "label overlap is highest within one layer of the minimum",
}


@pytest.mark.slow
def test_every_table_is_there_and_the_report_says_what_was_found(untouched) -> None:
    study, found = untouched
    for table in TABLES[study.stem]:
        assert f"tables/{table}.parquet" in found
    assert WORDS[study.stem] in found["report.html"].decode()
