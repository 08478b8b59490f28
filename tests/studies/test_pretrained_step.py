from __future__ import annotations

from pathlib import Path

import pytest

from repscape.errors import StudyError
from repscape.studies.first_phase import begin
from repscape.studies.load import load_study

TEXT = """
study: s
models:
  - train: pretrained_transformer
    name: "gpt@{step}"
    options: {family: gpt2, layers: 1, width: 8, heads: 2, steps: 4, checkpoints: [0, 2],
              step: "{step}"}
    each: {step: [2, 4]}
    data: [prose]
  - {train: pretrained_transformer, name: image, data: [digits],
     options: {family: imagegpt, layers: 1, width: 8, heads: 2, vocabulary: 4, steps: 2}}
data:
  - {name: prose, data: python-docs}
  - {name: digits, data: digits}
measures: [cka]
"""


def write(folder: Path, text: str) -> str:
    path = folder / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_models_see_the_data_that_they_name_and_share_one_training(tmp_path: Path) -> None:
    found = begin(load_study(write(tmp_path, TEXT)))
    pairs = [(one.model.name, one.data.name) for one in found.extractions]
    assert pairs == [("gpt@2", "prose"), ("gpt@4", "prose"), ("image", "digits")]
    early, late = found.trainings["gpt@2"], found.trainings["gpt@4"]
    assert [task.key for task in late.needs] == [early.key]
    assert found.unresolved == ()


def test_a_checkpoint_that_is_not_there_is_named_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"(?s)study\.yaml:6.*no checkpoint after 9 steps"):
        load_study(write(tmp_path, TEXT.replace("[2, 4]", "[2, 9]")))


def test_data_that_the_study_does_not_have(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no data set called 'digit': did you mean 'digits'"):
        load_study(write(tmp_path, TEXT.replace("data: [digits]", "data: [digit]")))
