from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from repscape.data.files import load
from repscape.errors import (
    InvalidParameterError,
    InvalidRepresentationError,
    UnreadableFileError,
    UnsafeFileError,
)

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
IDS = np.asarray(["a", "b", "c", "d"])
LABELS = np.asarray([0, 1, 1, 0])


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return (os.system, (f"touch '{self.trace}'",))


def save_torch(path, **arrays):
    torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, path)


def save_safetensors(path, **arrays):
    save_file({k: torch.from_numpy(v) for k, v in arrays.items()}, path)


def save_npz(path, **arrays):
    np.savez(path, **arrays)


ARCHIVES = [(".npz", save_npz), (".safetensors", save_safetensors), (".pt", save_torch)]
archives = pytest.mark.parametrize(("suffix", "save"), ARCHIVES)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_npy_gives_its_array_and_the_stem_as_model(tmp_path, dtype):
    array = (VALUES * 7).astype(dtype)
    np.save(tmp_path / "resnet.npy", array)
    got = load(tmp_path / "resnet.npy")
    np.testing.assert_array_equal(got.values, array)
    assert got.origin.model == "resnet"
    assert got.origin.data is None
    assert got.origin.dtype == ("float64" if dtype == "int32" else dtype)
    assert got.sample_ids.tolist() == [0, 1, 2, 3]


def test_npy_is_memory_mapped(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    values = load(tmp_path / "a.npy").values
    assert isinstance(values, np.memmap) or isinstance(values.base, np.memmap)


@archives
def test_the_only_array_is_taken_with_ids_and_labels(tmp_path, suffix, save):
    path = tmp_path / f"a{suffix}"
    save(path, layer4=VALUES, ids=np.asarray([9, 8, 7, 6]), labels=LABELS)
    got = load(path)
    np.testing.assert_array_equal(np.asarray(got.values), VALUES)
    assert got.sample_ids.tolist() == [9, 8, 7, 6]
    assert got.labels.tolist() == [0, 1, 1, 0]


@archives
@pytest.mark.parametrize("name", ["values", "representation"])
def test_a_known_name_goes_before_others(tmp_path, suffix, save, name):
    path = tmp_path / f"a{suffix}"
    save(path, other=VALUES + 1, **{name: VALUES})
    np.testing.assert_array_equal(np.asarray(load(path).values), VALUES)


@archives
def test_several_arrays_are_listed_and_one_can_be_chosen(tmp_path, suffix, save):
    path = tmp_path / f"a{suffix}"
    save(path, layer1=VALUES, layer2=VALUES + 1)
    with pytest.raises(UnreadableFileError, match=r"2 arrays \(layer1, layer2\).*::layer1"):
        load(path)
    got = load(f"{path}::layer2")
    np.testing.assert_array_equal(np.asarray(got.values), VALUES + 1)
    assert (got.origin.model, got.origin.layer) == ("a", "layer2")
    with pytest.raises(UnreadableFileError, match="did you mean 'layer"):
        load(f"{path}::layer3")


def test_text_ids_in_npz_and_in_a_dictionary_of_torch(tmp_path):
    np.savez(tmp_path / "a.npz", values=VALUES, sample_ids=IDS)
    torch.save({"values": torch.from_numpy(VALUES), "ids": IDS.tolist()}, tmp_path / "a.pt")
    assert load(tmp_path / "a.npz").sample_ids.tolist() == IDS.tolist()
    assert load(tmp_path / "a.pt").sample_ids.tolist() == IDS.tolist()


@pytest.mark.parametrize("suffix", [".pt", ".pth"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_single_tensor_of_torch(tmp_path, suffix, dtype):
    tensor = torch.from_numpy(VALUES).to(dtype).requires_grad_()
    torch.save(tensor, tmp_path / f"a{suffix}")
    got = load(tmp_path / f"a{suffix}")
    assert torch.equal(got.values, tensor.detach())
    assert not got.values.requires_grad
    assert got.origin.dtype == str(dtype).removeprefix("torch.")


def test_bfloat16_in_safetensors(tmp_path):
    tensor = torch.from_numpy(VALUES).to(torch.bfloat16)
    save_file({"values": tensor}, tmp_path / "a.safetensors")
    assert torch.equal(load(tmp_path / "a.safetensors").values, tensor)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".pt", ".pth", ".safetensors", ".pkl"])
def test_a_pickle_is_refused_and_its_code_does_not_run(tmp_path, suffix):
    trace, path = tmp_path / "executed", tmp_path / f"evil{suffix}"
    path.write_bytes(pickle.dumps(Bomb(trace)))
    expected = UnreadableFileError if suffix == ".safetensors" else UnsafeFileError
    with pytest.raises(expected):
        load(path)
    assert not trace.exists()
    pickle.loads(path.read_bytes())
    assert trace.exists(), "the bomb is a dud, so the test shows nothing"


@pytest.mark.parametrize("holder", [lambda b: b, lambda b: {"values": b}])
def test_code_in_a_file_of_torch_save_does_not_run(tmp_path, holder):
    trace = tmp_path / "executed"
    torch.save(holder(Bomb(trace)), tmp_path / "evil.pt")
    with pytest.raises(UnsafeFileError, match=r"execute code.*np\.save"):
        load(tmp_path / "evil.pt")
    assert not trace.exists()


def test_object_arrays_are_refused_and_their_code_does_not_run(tmp_path):
    trace = tmp_path / "executed"
    objects = np.empty((1, 1), dtype=object)
    objects[0, 0] = Bomb(trace)
    np.save(tmp_path / "evil.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "evil.npz", values=objects)
    np.savez(tmp_path / "ids.npz", values=VALUES, ids=objects)
    for name in ("evil.npy", "evil.npz", "ids.npz"):
        with pytest.raises(UnsafeFileError, match="array of Python objects"):
            load(tmp_path / name)
    assert not trace.exists()


def saved(folder: Path, suffix: str) -> Path:
    path = folder / f"whole{suffix}"
    big = np.random.default_rng(0).standard_normal((300, 40)).astype(np.float32)
    match suffix:
        case ".npy":
            np.save(path, big)
        case ".npz":
            np.savez(path, values=big)
        case ".safetensors":
            save_safetensors(path, values=big)
        case ".pt":
            save_torch(path, values=big)
        case ".parquet":
            pd.DataFrame(big, columns=[f"f{i}" for i in range(40)]).to_parquet(path)
    return path


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".pt", ".parquet"])
@pytest.mark.parametrize("kept", [0, 3, 100, -1])
def test_a_truncated_file_is_named(tmp_path, suffix, kept):
    path = saved(tmp_path, suffix)
    assert load(path).n == 300
    path.write_bytes(path.read_bytes()[: kept if kept >= 0 else -40])
    with pytest.raises(UnreadableFileError, match="whole"):
        load(path)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors", ".pt", ".parquet"])
def test_a_file_of_another_kind_is_named(tmp_path, suffix):
    path = tmp_path / f"poem{suffix}"
    path.write_text("Tiger Tiger, burning bright,\nIn the forests of the night;\n" * 40)
    with pytest.raises(UnreadableFileError, match="poem"):
        load(path)


def test_an_altered_member_of_a_zip_archive_is_noticed(tmp_path):
    path = saved(tmp_path, ".npz")
    content = bytearray(path.read_bytes())
    content[20_000] ^= 255
    path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match="whole"):
        load(path)


def test_an_unknown_suffix_lists_the_known_ones(tmp_path):
    (tmp_path / "a.xyz").write_bytes(b"")
    with pytest.raises(UnreadableFileError, match=r"'\.xyz'.*\.npy, \.npz.*\.parquet"):
        load(tmp_path / "a.xyz")


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(UnreadableFileError, match="no such file"):
        load(tmp_path / "nowhere.npy")
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(UnreadableFileError, match="folder, not a file"):
        load(tmp_path / "folder.npy")


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4), (0, 3)])
def test_other_shapes_are_refused_with_the_file_name(tmp_path, shape):
    np.save(tmp_path / "odd.npy", np.zeros(shape, np.float32))
    with pytest.raises(InvalidRepresentationError, match=r"odd\.npy.*shape"):
        load(tmp_path / "odd.npy")


def test_other_things_in_a_file_of_torch(tmp_path):
    torch.save([1, 2], tmp_path / "a.pt")
    with pytest.raises(InvalidRepresentationError, match="type list"):
        load(tmp_path / "a.pt")
    torch.save(torch.eye(3).to_sparse(), tmp_path / "b.pt")
    with pytest.raises(InvalidRepresentationError, match="to_dense"):
        load(tmp_path / "b.pt")


def test_a_choice_within_a_file_of_one_array_is_refused(tmp_path):
    np.save(tmp_path / "a.npy", VALUES)
    with pytest.raises(InvalidParameterError, match="one array"):
        load(f"{tmp_path / 'a.npy'}::values")


FRAME = pd.DataFrame(
    {
        "sample_id": IDS,
        "f0": VALUES[:, 0],
        "label": LABELS,
        "f1": VALUES[:, 1],
        "place": ["x", "y", "x", "y"],
    }
)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_tables_give_numeric_columns_ids_labels_and_text(tmp_path, suffix):
    path = tmp_path / f"table{suffix}"
    if suffix == ".csv":
        FRAME.to_csv(path, index=False)
    else:
        FRAME.to_parquet(path)
    got = load(path)
    np.testing.assert_allclose(np.asarray(got.values), VALUES[:, :2], rtol=1e-7)
    assert got.sample_ids.tolist() == IDS.tolist()
    assert got.labels.tolist() == LABELS.tolist()
    assert got.columns["place"].tolist() == ["x", "y", "x", "y"]


def test_csv_without_a_header_keeps_its_first_sample(tmp_path):
    np.savetxt(tmp_path / "a.csv", VALUES, delimiter=",")
    np.testing.assert_allclose(np.asarray(load(tmp_path / "a.csv").values), VALUES, rtol=1e-7)


def test_csv_of_pandas_with_counted_columns_and_an_index(tmp_path):
    pd.DataFrame(VALUES).to_csv(tmp_path / "plain.csv", index=False)
    pd.DataFrame(VALUES, index=["w", "x", "y", "z"]).to_csv(tmp_path / "indexed.csv")
    for name in ("plain", "indexed"):
        got = load(tmp_path / f"{name}.csv")
        np.testing.assert_allclose(np.asarray(got.values), VALUES, rtol=1e-7)
    assert got.sample_ids.tolist() == ["w", "x", "y", "z"]


def test_a_named_index_of_parquet_gives_the_ids(tmp_path):
    frame = pd.DataFrame(VALUES, index=pd.Index(IDS, name="who"), columns=list("pqr"))
    frame.to_parquet(tmp_path / "a.parquet")
    assert load(tmp_path / "a.parquet").sample_ids.tolist() == IDS.tolist()


@pytest.mark.parametrize(
    ("written", "read"),
    [(["1", "2"], [1, 2]), (["01", "02"], ["01", "02"]), (["1", "b"], ["1", "b"])],
)
def test_ids_of_csv_are_numbers_only_if_nothing_is_lost(tmp_path, written, read):
    (tmp_path / "a.csv").write_text(f"id,f\n{written[0]},0.5\n{written[1]},1.5\n")
    assert load(tmp_path / "a.csv").sample_ids.tolist() == read


def test_one_stray_word_does_not_turn_a_feature_into_text(tmp_path):
    (tmp_path / "a.csv").write_text("f,g\n1,2\n3,oops\n5,6\n")
    with pytest.raises(InvalidRepresentationError, match=r"column 'g'.*'oops' at row 1"):
        load(tmp_path / "a.csv")


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", UnreadableFileError, "not a CSV"),
        ("id,name\n1,x\n", InvalidRepresentationError, "no column of numbers"),
        ("f,g\n1,2\n3,4,5\n", UnreadableFileError, "not a CSV"),
        ("f,g\n1,2,3\n4,5,6\n", UnreadableFileError, "rows have more cells"),
    ],
)
def test_bad_csv(tmp_path, text, error, message):
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(error, match=message):
        load(tmp_path / "a.csv")


def test_csv_that_is_not_text(tmp_path):
    (tmp_path / "a.csv").write_bytes(bytes(range(256)) * 4)
    with pytest.raises(UnreadableFileError, match="not a CSV"):
        load(tmp_path / "a.csv")
