from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from repscape.data.load_data import load_data
from repscape.errors import InvalidParameterError, UnreadableFileError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve images of four pixels in three classes of 1000, as they were published."""
    labels = np.array([5, 9, 5, 7, 9, 5, 7, 9, 5, 7, 9, 7])
    np.save(tmp_path / "imagenet_trX.npy", np.arange(48).reshape(12, 4) % 512)
    np.save(tmp_path / "imagenet_trY.npy", np.eye(1000, dtype=np.uint8)[labels])
    return tmp_path


def test_the_first_images_of_each_class_in_the_order_of_the_file(folder: Path) -> None:
    source = load_data(f"igpt-tokens:{folder}", per_class=2)
    assert source.ids.tolist() == [0, 1, 2, 3, 4, 6]
    assert source.labels.tolist() == [5, 9, 5, 7, 9, 7]
    np.testing.assert_array_equal(source[3].content, [12, 13, 14, 15])
    assert source.modality == "image"


def test_the_published_classes_are_taken_if_they_are_there(folder: Path) -> None:
    np.save(folder / "hier_nucl_labels.npy", np.array([5, 7]))
    source = load_data(f"igpt-tokens:{folder}", per_class=None)
    assert source.ids.tolist() == [0, 2, 3, 5, 6, 8, 9, 11]
    named = load_data(f"igpt-tokens:{folder}", per_class=None, classes=[7, 5])
    assert named.ids.tolist() == source.ids.tolist()
    assert named.revision == source.revision
    assert load_data(f"igpt-tokens:{folder}", per_class=3).revision != source.revision


def test_what_cannot_be_read(folder: Path) -> None:
    with pytest.raises(InvalidParameterError, match="class 5 has 4 images, and per_class=300"):
        load_data(f"igpt-tokens:{folder}")
    with pytest.raises(InvalidParameterError, match="class 6 has 0 images"):
        load_data(f"igpt-tokens:{folder}", classes=[6], per_class=1)
    with pytest.raises(UnreadableFileError, match=r"imagenet_vaX\.npy: there is no such file"):
        load_data(f"igpt-tokens:{folder}", split="validation")
    np.save(folder / "imagenet_trY.npy", np.zeros(3, np.int64))
    with pytest.raises(UnreadableFileError, match="12 images but 3 classes"):
        load_data(f"igpt-tokens:{folder}", per_class=1)


def test_proteins_with_their_classes(tmp_path: Path) -> None:
    (tmp_path / "a.fasta").write_text(">one x\nMKV\n>two\nLAG\n")
    (tmp_path / "families.txt").write_text("a.1\nb.2\n")
    source = load_data(f"fasta:{tmp_path / 'a.fasta'}", labels=str(tmp_path / "families.txt"))
    assert source.labels.tolist() == ["a.1", "b.2"]
    assert source.revision != load_data(f"fasta:{tmp_path / 'a.fasta'}").revision
    (tmp_path / "families.txt").write_text("a.1\n")
    with pytest.raises(InvalidParameterError, match=r"it has 1 labels, but .* has 2 sequences"):
        load_data(f"fasta:{tmp_path / 'a.fasta'}", labels=str(tmp_path / "families.txt"))
