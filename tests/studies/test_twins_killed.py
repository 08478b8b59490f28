"""Killed under one executor and resumed under another, the twins leave an untouched run's bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from twins import committed, lose, outputs, run, run_and_kill, shrunk

from repscape.store import Store

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


# What is lost before, with all that follows from it: some measures, and the model trained last.
STILL_TO_DO = {
    "llm-similarity-small": ("scores", 5),
    "transformer-geometry-small": ("checkpoint", 1),
}


@pytest.mark.slow
@pytest.mark.slurm
def test_killed_and_resumed_on_slurm(untouched, tmp_path: Path, slurm: str) -> None:
    """Only the end of the study: every job there imports all anew, and the micro-study is whole."""
    study, expected = untouched
    out = tmp_path / "out"
    shutil.copytree(study.parent / "out" / "store", out / "store")
    lose(Store(out / "store"), *STILL_TO_DO[study.stem])
    kill_and_resume(study, out, slurm)
    assert_same(out, expected)


@pytest.mark.slow
@pytest.mark.ray
def test_killed_and_resumed_on_ray(untouched, tmp_path: Path, ray_cluster: str) -> None:
    study, expected = untouched
    kill_and_resume(study, tmp_path / "out", ray_cluster)
    assert_same(tmp_path / "out", expected)


def kill_and_resume(study: Path, out: Path, executor: str) -> None:
    """Kill the driver while tasks run on the cluster, which go on without it; run it again."""
    run_and_kill(study, out, executor, after=3)
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
