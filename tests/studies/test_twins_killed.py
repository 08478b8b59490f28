"""Killed under one executor and resumed under another, the twins leave an untouched run's bytes."""

from __future__ import annotations

from pathlib import Path

import pytest
from twins import outputs, run, run_and_kill, shrunk

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
    run_and_kill(study, out, "inline", after=16)
    run(study, out, "processes")
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
