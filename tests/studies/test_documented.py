"""What docs/studies.md says is true."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from repscape.studies.load import load_study
from repscape.studies.schema import STAGES, StudyFile

DOCUMENT = (Path(__file__).parents[2] / "docs/studies.md").read_text(encoding="utf-8")


def example(language: str) -> str:
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)[-1]


def test_the_example_of_a_study_is_fine(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(example("yaml"), encoding="utf-8")
    study = load_study(str(path))
    assert len(study.models) == 6
    assert study.models[0].source == "hf:EleutherAI/pythia-70m-seed1"
    assert study.models[0].tags == {"size": "70m", "seed": "1"}
    assert study.resources("compare").cpus == 8
    assert study.resources("extract").memory == 24 * 2**30


def test_every_key_and_stage_is_described():
    table = DOCUMENT.partition("### Keys")[2].partition("\n## ")[0]
    for key in StudyFile.model_fields:
        assert f"`{key}`" in table, key
    for stage in STAGES:
        assert f"`{stage}`" in table, stage


def test_the_example_of_an_analysis_works(tmp_path, monkeypatch):
    pd = pytest.importorskip("pandas")
    (tmp_path / "my_steps.py").write_text(example("python"), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    study = load_study("micro", ["analyses=['my_steps:STEP']"])
    [chosen] = study.analyses
    scores = pd.DataFrame(
        {"measure": "cka", "rep_a": ["a", "a", "b"], "rep_b": ["b", "c", "c"], "value": [1, 3, 2]}
    )
    found = sys.modules["my_steps"].best_matches({"scores": scores}, chosen.plain)
    assert found["rep_b"].tolist() == ["c", "c"]
