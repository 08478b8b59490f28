from __future__ import annotations

import pickle

import numpy as np
import pytest

from repscape.data.load_data import load_data
from repscape.errors import InvalidParameterError, UnknownNameError, UnreadableFileError

torchvision = pytest.importorskip("torchvision", reason="needs the vision extra")


@pytest.fixture
def tiny_cifar(tmp_path, monkeypatch):
    """Files as CIFAR-10 has them, of four images a batch."""
    kind = torchvision.datasets.CIFAR10
    folder = tmp_path / kind.base_folder
    folder.mkdir()
    draws = np.random.default_rng(0)
    for name, _ in kind.train_list + kind.test_list:
        batch = {"data": draws.integers(0, 256, (4, 3072), np.uint8), "labels": [3, 1, 2, 0]}
        (folder / name).write_bytes(pickle.dumps(batch))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcd")}))
    monkeypatch.setattr(kind, "_check_integrity", lambda self: True)
    monkeypatch.setattr(torchvision.datasets.cifar, "check_integrity", lambda *args: True)
    return tmp_path


def test_images_labels_and_a_revision_of_the_pixels(tiny_cifar):
    data = load_data("torchvision:CIFAR10", root=str(tiny_cifar), split="test")
    assert data.labels.tolist() == [3, 1, 2, 0]
    assert data.ids.tolist() == [0, 1, 2, 3]
    original = torchvision.datasets.CIFAR10(str(tiny_cifar), train=False)
    np.testing.assert_array_equal(np.asarray(data[2].content), np.asarray(original[2][0]))
    train = load_data("torchvision:CIFAR10", root=str(tiny_cifar), split="train")
    assert len(train) == 20
    assert (
        train.revision
        != data.revision
        == load_data("torchvision:CIFAR10", root=str(tiny_cifar), split="test").revision
    )


def test_errors_say_what_to_do(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'CIFAR10'"):
        load_data("torchvision:CIFAR11")
    with pytest.raises(UnreadableFileError, match="give root=, or download=true"):
        load_data("torchvision:CIFAR10", root=str(tmp_path))
    with pytest.raises(InvalidParameterError, match="no split 'val': it has 'train' and 'test'"):
        load_data("torchvision:CIFAR10", root=str(tmp_path), split="val")
