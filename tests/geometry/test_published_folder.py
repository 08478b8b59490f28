"""The results folder of the study's code, and the finished curves of its proteins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute.neighbours import neighbours
from repscape.describe import describe
from repscape.errors import InvalidParameterError, UnreadableFileError
from repscape.geometry.published_folder import find_layers
from repscape.published_profile import published_profile

N = 640
LABELS = np.arange(N) % 5
RANKS = [1, 2, 4, 8]


def layer_values(layer: int) -> np.ndarray:
    width = 5 + 2 * layer
    x = np.random.default_rng(layer).normal(size=(N, width))
    return (x + (layer == 1) * 4 * np.eye(width)[LABELS]).astype(np.float32)


def write_layer(folder, layer: int, kinds: set[str], samples: str = "train_cpt1000") -> None:
    """Files of the documented names, shapes and dtypes."""
    (folder / "distance_matrices").mkdir(parents=True, exist_ok=True)
    (folder / "activations").mkdir(exist_ok=True)
    x = layer_values(layer)
    table = neighbours(torch.from_numpy(x), 50)
    own = np.arange(N, dtype=np.int32)[:, None]
    far = neighbours(torch.from_numpy(x), 2 * RANKS[-1]).distances.numpy()
    arrays = {
        "index": np.hstack([own, table.indices.numpy()]),
        "dist": np.hstack([np.zeros((N, 1)), table.distances.numpy()]).astype(np.float32),
        "mus": np.stack([far[:, 2 * rank - 1] / far[:, rank - 1] for rank in RANKS], axis=1),
        "act": x,
    }
    for kind in kinds:
        place = "activations" if kind == "act" else "distance_matrices"
        name = f"imagenet_small_layer{layer}_{samples}_{kind}.npy"
        np.save(folder / place / name, arrays[kind])


@pytest.fixture
def results(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    np.save(folder / "imagenet_labels.npy", LABELS)
    return folder


def of(profile, start: str) -> list[float]:
    rows = profile.values[profile.values["descriptor"].str.startswith(start)]
    assert rows["depth"].to_list() == [0.0, 0.5, 1.0]
    return rows["value"].to_list()


def direct(name: str) -> list[float]:
    return [
        describe(layer_values(layer), name, labels=LABELS).values["value"][0] for layer in range(3)
    ]


def test_activations_give_the_whole_study(results):
    for layer in range(3):
        write_layer(results, layer, {"act"})
    found = published_profile(results.parent, "small")
    decimated = "twonn[fraction=0.98,decimation=32,subsets=4,disjoint=false]"
    assert of(found, "twonn") == direct(decimated)
    assert of(found, "label_overlap") == direct("label_overlap[k=10]")
    assert len(found.overlaps) == 3
    assert of(published_profile(results, "small"), "twonn") == of(found, "twonn")


def test_neighbours_give_dimensions_at_their_scales_and_overlaps(results):
    for layer in range(3):
        write_layer(results, layer, {"index", "dist"})
    found = published_profile(results.parent, "small")
    assert of(found, "twonn") == pytest.approx(direct("twonn[fraction=0.98]"), rel=1e-5)
    scale = found.values["scale"][found.values["descriptor"].str.startswith("gride")].unique()
    assert len(scale) == 1
    assert of(found, "gride") == pytest.approx(
        direct(f"gride[largest=32,scale={scale[0]:g}]"), rel=1e-5
    )
    assert of(found, "label_overlap") == direct("label_overlap[k=10]")
    assert len(found.overlaps) == 3


def test_ratios_give_the_dimension_at_every_scale(results):
    for layer in range(3):
        write_layer(results, layer, {"mus"})
    found = published_profile(results.parent, "small")
    rows = found.table[found.table["layer"] == "2"]
    assert rows["scale"].to_list() == [2, 4, 8, 16]
    expected = describe(layer_values(2), "gride[largest=16,outliers=keep]").table
    assert rows["value"].to_list() == pytest.approx(expected["value"].to_list(), rel=1e-12)
    assert rows["independent_error"].to_list() == pytest.approx(
        expected["independent_error"].to_list(), rel=1e-12
    )
    assert (rows["n"] == N).all()
    assert found.values["scale"].nunique() == 1
    assert len(found.overlaps) == 0


def test_all_files_together(results):
    for layer in range(3):
        write_layer(results, layer, {"index", "dist", "mus", "act"})
    found = published_profile(results.parent, "small")
    names = found.values["descriptor"].str.partition("[")[0].unique().tolist()
    assert names == ["twonn", "label_overlap", "gride"]
    assert len(found.values) == 9
    assert found.values["reason"].isna().all()


def test_labels_that_are_missing_cost_the_label_overlap_only(results):
    for layer in range(3):
        write_layer(results, layer, {"index", "dist"})
    (results / "imagenet_labels.npy").unlink()
    values = published_profile(results.parent, "small").values
    lacking = values[values["value"].isna()]
    assert set(lacking["descriptor"].str.partition("[")[0]) == {"label_overlap"}
    assert lacking["reason"].str.contains("labels").all()


def test_one_file_of_a_pair_is_asked_for_by_name(results):
    write_layer(results, 0, {"index"})
    with pytest.raises(UnreadableFileError, match=r"layer0_train_cpt1000_dist\.npy is not"):
        published_profile(results.parent, "small")


def test_files_of_several_sets_of_weights_must_be_told_apart(results):
    write_layer(results, 0, {"act"})
    write_layer(results, 0, {"act"}, samples="train_untrained")
    with pytest.raises(InvalidParameterError, match="train_cpt1000, train_untrained"):
        published_profile(results.parent, "small")
    [files] = find_layers(results.parent, "small", "train_untrained")
    assert "untrained" in files.paths["act"].name
    with pytest.raises(UnreadableFileError, match="valid"):
        find_layers(results.parent, "small", "valid")


@pytest.mark.parametrize(
    ("kind", "array", "message"),
    [
        ("act", np.ones((N, 3), dtype=np.int32), "activations are floating-point"),
        ("act", np.ones(N), "expected numbers with 2"),
        ("mus", np.ones((9, N)), "rows are samples"),
        ("mus", np.full((N, 3), 0.5), "at least 1"),
        ("act", np.random.default_rng(0).normal(size=(N + 1, 3)), "641 rows, but there are 640"),
    ],
)
def test_odd_files_are_refused_by_name(results, kind, array, message):
    write_layer(results, 0, {"act"})
    place = results / ("activations" if kind == "act" else "distance_matrices")
    np.save(place / f"imagenet_small_layer1_train_cpt1000_{kind}.npy", array)
    with pytest.raises(UnreadableFileError, match=rf"layer1_train_cpt1000_{kind}\.npy.*{message}"):
        published_profile(results.parent, "small")


def test_labels_of_other_samples_are_refused(results):
    write_layer(results, 0, {"act"})
    np.save(results / "imagenet_labels.npy", LABELS[:100])
    with pytest.raises(UnreadableFileError, match="there are 100 labels"):
        published_profile(results.parent, "small")


def test_the_curves_of_the_proteins(tmp_path):
    dimensions = np.array([14.2, 32.0, 5.1, 6.0, 14.7])
    np.save(tmp_path / "id-esm2-3B.npy", dimensions)
    with pytest.raises(UnreadableFileError, match="no-gt-esm2-3BM"):
        published_profile(tmp_path, "3B")
    np.save(tmp_path / "no-gt-esm2-3BM.npy", np.array([0.05, 0.4, 0.82, 0.8, 0.46]))
    found = published_profile(tmp_path, "3B")
    rows = found.values[found.values["quantity"] == "dimension"]
    assert rows["value"].to_list() == dimensions.tolist()
    assert rows["depth"].to_list() == [0, 0.25, 0.5, 0.75, 1]
    marks = found.marks.set_index(["descriptor", "mark"])["layer"]
    assert marks[rows["descriptor"].iloc[0], "peak"] == "1"
    np.save(tmp_path / "no-gt-esm2-3BM.npy", np.array([0.05, 1.4, 0.82, 0.8, 0.46]))
    with pytest.raises(UnreadableFileError, match="at most 1"):
        published_profile(tmp_path, "3B")
    np.save(tmp_path / "no-gt-esm2-3BM.npy", np.array([0.05, 0.4]))
    with pytest.raises(UnreadableFileError, match=r"2 rows, but there are 5 layers of id-esm2"):
        published_profile(tmp_path, "3B")


def test_an_empty_folder_says_what_could_be_there(tmp_path):
    with pytest.raises(UnreadableFileError, match="imagenet_M_layer") as found:
        published_profile(tmp_path, "M")
    assert "imagenet_train_mus_M_dec32_cpt1000_rep4.npy" in str(found.value)
    assert "id-esm2-M.npy" in str(found.value)
