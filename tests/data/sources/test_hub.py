"""`hf:` on data sets that were saved to a folder, and what it says without a network."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from repscape.data.load_data import load_data
from repscape.errors import InvalidParameterError, MissingExtraError, UnreadableFileError

datasets = pytest.importorskip("datasets", reason="needs the hub extra")


@pytest.fixture
def saved(tmp_path):
    rows = {
        "question": [f"q{k}" for k in range(5)],
        "choices": [[f"a{k}", f"b{k}"] for k in range(5)],
        "answer": [k % 2 for k in range(5)],
    }
    whole = datasets.Dataset.from_dict(rows)
    parts = datasets.DatasetDict(
        {"test": whole, "validation": whole.select(range(2))},
    )
    parts.save_to_disk(str(tmp_path / "quiz"))
    return tmp_path / "quiz"


def test_a_saved_folder_with_split_template_and_label(saved):
    data = load_data(
        f"hf:{saved}", split="test", template="{question} {choices[1]}", label="answer"
    )
    assert [s.content for s in data] == [f"q{k} b{k}" for k in range(5)]
    assert data.labels.tolist() == [0, 1, 0, 1, 0]
    assert data.ids.tolist() == [0, 1, 2, 3, 4]
    assert (data.name, data.split) == ("hf:quiz", "test")
    other = load_data(f"hf:{saved}", split="validation", column="question")
    assert [s.content for s in other] == ["q0", "q1"]
    assert other.revision != data.revision
    with pytest.raises(InvalidParameterError, match="splits 'test', 'validation': choose one"):
        load_data(f"hf:{saved}")
    with pytest.raises(InvalidParameterError, match="a folder has no revision='main'"):
        load_data(f"hf:{saved}", split="test", revision="main")


def test_images_are_decoded_one_by_one(tmp_path):
    rows = {"image": [Image.new("L", (2, 2), k) for k in range(3)], "label": [0, 1, 2]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path / "pics"))
    data = load_data(f"hf:{tmp_path}/pics")
    assert data.modality == "image"
    shades = [np.asarray(s.content)[0, 0].tolist() for s in data]
    assert shades == [[k] * 3 for k in range(3)]


def test_what_cannot_be_reached_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UnreadableFileError, match="hf:nobody/nothing: it cannot be reached, and"):
        load_data("hf:nobody/nothing")
    with pytest.raises(UnreadableFileError, match="not a folder of save_to_disk"):
        load_data(f"hf:{tmp_path}")


def test_without_the_package_the_extra_is_named(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'repscape\[hub\]'"):
        load_data("hf:some/thing")
