"""Killed and resumed, on any executor, the twins leave the bytes of a run that nobody touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from twins import outputs, run, run_and_kill, shrunk

pytest.importorskip("transformers", reason="the extra 'hub' is not installed")

STUDIES = ("llm-similarity-small", "transformer-geometry-small")
EXECUTORS = (
    "processes",
    pytest.param("slurm", marks=pytest.mark.slurm),
    pytest.param("ray", marks=pytest.mark.ray),
)


@pytest.fixture(scope="module", params=STUDIES)
def untouched(request, tmp_path_factory) -> tuple[Path, dict[str, bytes]]:
    folder = tmp_path_factory.mktemp("untouched")
    study = shrunk(request.param, folder / f"{request.param}.yaml")
    run(study, folder / "out", "inline")
    return study, outputs(folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize("executor", EXECUTORS)
def test_killed_twice_and_resumed(untouched, tmp_path: Path, executor: str) -> None:
    study, expected = untouched
    out = tmp_path / "out"
    run_and_kill(study, out, executor, after=3)
    run_and_kill(study, out, "inline", after=16)
    run(study, out, executor)
    found = outputs(out)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []
