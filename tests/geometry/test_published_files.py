"""The files of a published study are read, and their faults are told."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute.neighbours import neighbours
from repscape.describe import describe
from repscape.errors import UnreadableFileError
from repscape.geometry.published_files import (
    dimensions_of_ratios,
    read_neighbour_files,
    read_published_labels,
    read_published_ratios,
)
from repscape.geometry.twonn import fit_twonn
from repscape.published_profile import published_profile

N = 320


@pytest.fixture
def points() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(N, 6))


def with_self(x: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    table = neighbours(torch.from_numpy(x), k)
    own = np.arange(len(x), dtype=np.int32)[:, None]
    index = np.hstack([own, table.indices.numpy()])
    return index, np.hstack([np.zeros((len(x), 1)), table.distances.numpy()]).astype(np.float32)


def test_tables_lose_the_samples_themselves(points, tmp_path):
    index, distances = with_self(points, 10)
    index[5, [0, 1]] = index[5, [1, 0]]  # with duplicates the sample itself is not first
    np.save(tmp_path / "a_index.npy", index)
    np.save(tmp_path / "a_dist.npy", distances)
    found = read_neighbour_files(tmp_path / "a_index.npy", tmp_path / "a_dist.npy")
    assert torch.equal(found.indices, neighbours(torch.from_numpy(points), 10).indices)
    assert found.k == 10
    assert read_neighbour_files(tmp_path / "a_index.npy").k == 10


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda i, d: (i + N, d), "outside 0"),
        (lambda i, d: (i, d[:, ::-1]), "do not ascend"),
        (lambda i, d: (i, d[:, :-1]), "has shape"),
        (lambda i, d: (i[0], d), "expected numbers with 2"),
    ],
)
def test_faulty_files_are_refused(points, tmp_path, change, message):
    index, distances = change(*with_self(points, 5))
    np.save(tmp_path / "i.npy", index)
    np.save(tmp_path / "d.npy", distances)
    with pytest.raises(UnreadableFileError, match=message):
        read_neighbour_files(tmp_path / "i.npy", tmp_path / "d.npy")


def test_missing_and_pickled_files_are_refused(tmp_path):
    with pytest.raises(UnreadableFileError, match=r"nothing\.npy"):
        read_published_ratios(tmp_path / "nothing.npy")
    np.save(tmp_path / "p.npy", np.asarray([{}], dtype=object), allow_pickle=True)
    with pytest.raises(UnreadableFileError, match="not a"):
        read_published_labels(tmp_path / "p.npy")
    np.save(tmp_path / "r.npy", np.full((2, 2, 5), 0.5))
    with pytest.raises(UnreadableFileError, match="at least 1"):
        read_published_ratios(tmp_path / "r.npy")


def test_one_hot_labels(tmp_path):
    np.save(tmp_path / "y.npy", np.eye(4)[[2, 0, 3]])
    assert read_published_labels(tmp_path / "y.npy").tolist() == [2, 0, 3]


def published(folder, layers: int, dimension: float) -> np.ndarray:
    rng = np.random.default_rng(1)
    ratios = rng.random((layers, 4, 200)) ** (-1 / dimension)
    np.save(folder / "imagenet_train_mus_S_dec32_cpt1000_rep4.npy", ratios)
    labels = np.arange(N) % 4
    np.save(folder / "imagenet_train_labels.npy", labels)
    for layer in (0, 2, 4):
        x = rng.normal(size=(N, 6)) + (layer == 2) * np.eye(6)[labels] * 5
        index, _ = with_self(x, 10)
        np.save(folder / f"imagenet_train_nb_index_S_layer{layer}_k10_cpt1000.npy", index)
        np.save(folder / f"x{layer}.npy", x)
    return ratios


def test_the_published_figure(tmp_path):
    ratios = published(tmp_path, layers=6, dimension=9.0)
    found = published_profile(tmp_path, "S")
    values = found.values
    dimension = values[values["quantity"] == "dimension"]
    assert dimension["depth"].to_list() == pytest.approx([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    logs = torch.from_numpy(np.log(ratios[0]))
    each = [fit_twonn(log, "linear", 0.98).dimension for log in logs]
    assert dimension["value"].iloc[0] == pytest.approx(np.mean(each))
    assert dimension["standard_error"].iloc[0] == pytest.approx(np.std(each) / 2)
    overlap = values[values["quantity"] == "label overlap"]
    assert overlap["depth"].to_list() == pytest.approx([0, 0.4, 0.8])
    for layer, value in zip((0, 2, 4), overlap["value"], strict=True):
        x = np.load(tmp_path / f"x{layer}.npy")
        expected = describe(x, "label_overlap[k=10]", labels=np.arange(N) % 4).values["value"][0]
        assert value == expected
    assert overlap["value"].to_list()[1] > 0.8
    assert len(found.overlaps) == 3


def test_a_size_that_is_not_there(tmp_path):
    published(tmp_path, layers=6, dimension=9.0)
    with pytest.raises(UnreadableFileError, match="mus_M"):
        published_profile(tmp_path, "M")


def test_dimensions_of_ratios_find_the_dimension():
    ratios = np.random.default_rng(2).random((1, 4, 2000)) ** (-1 / 12.0)
    [reading] = dimensions_of_ratios(ratios)
    assert reading.value == pytest.approx(12, abs=0.8)
