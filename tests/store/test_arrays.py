"""Arrays come back bit for bit, and other programs can read the files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import load as safetensors_load
from safetensors.torch import load_file as safetensors_load_torch

from repscape.errors import InvalidParameterError
from repscape.store.arrays import (
    Buffer,
    as_buffer,
    as_safetensors,
    from_buffer,
    join,
    map_safetensors,
)

NUMBERS = st.one_of(
    hnp.floating_dtypes(sizes=(16, 32, 64)),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.boolean_dtypes(),
)
SHAPES = hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
TEXTS = hnp.arrays(
    np.dtype("U8"),
    st.integers(0, 20),
    elements=st.text(st.characters(exclude_categories=[]).filter(lambda c: c != "\0"), max_size=8),
)


def roundtrip(path: Path, arrays: dict[str, Any]) -> dict[str, Any]:
    buffers = {name: as_buffer(name, array) for name, array in arrays.items()}
    path.write_bytes(b"".join(as_safetensors(buffers)))
    specs = {name: buffer.spec for name, buffer in buffers.items()}
    return {name: from_buffer(b) for name, b in map_safetensors(path, specs).items()}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("arrays") / "file.safetensors"


@given(st.dictionaries(st.text("abc/.", min_size=1), hnp.arrays(NUMBERS, SHAPES), max_size=4))
def test_numbers_come_back_bit_for_bit(path: Path, arrays: dict[str, Any]) -> None:
    found = roundtrip(path, arrays)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype.newbyteorder("<")
        assert found[name].shape == array.shape
        little = array.astype(array.dtype.newbyteorder("<"))
        assert found[name].tobytes() == little.tobytes()
    other = safetensors_load(path.read_bytes())
    for name in arrays:
        assert other[name].tobytes() == found[name].tobytes()
        assert other[name].dtype == found[name].dtype


@given(TEXTS)
def test_text_comes_back_with_any_character(path: Path, text: Any) -> None:
    found = roundtrip(path, {"ids": text})["ids"]
    assert found.tolist() == text.tolist()
    assert found.dtype.kind == "U"


@pytest.mark.parametrize(
    "dtype", [torch.bfloat16, torch.float16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float32]
)
@pytest.mark.parametrize("shape", [(5, 3), (4,), (), (0, 2)])
def test_tensors_of_every_precision(path: Path, dtype: torch.dtype, shape: tuple[int]) -> None:
    tensor = torch.linspace(-3, 3, max(1, int(np.prod(shape))))[: int(np.prod(shape))]
    tensor = tensor.to(dtype).reshape(shape)
    found = torch.as_tensor(roundtrip(path, {"w": tensor})["w"])
    assert found.dtype == dtype
    assert found.shape == tensor.shape
    assert torch.equal(found.view(-1).view(torch.uint8), tensor.view(-1).view(torch.uint8))
    other = safetensors_load_torch(path)["w"]
    assert other.dtype == dtype
    assert torch.equal(other.view(-1).view(torch.uint8), tensor.view(-1).view(torch.uint8))


def test_only_what_numpy_lacks_comes_back_as_a_tensor(path: Path) -> None:
    found = roundtrip(path, {"half": torch.ones(2, dtype=torch.float16), "n": torch.arange(3)})
    assert isinstance(found["half"], np.ndarray)
    assert isinstance(found["n"], np.ndarray)
    assert isinstance(roundtrip(path, {"b": torch.ones(2).bfloat16()})["b"], torch.Tensor)


def test_strided_transposed_and_parameter_inputs(path: Path) -> None:
    base = np.arange(24.0).reshape(4, 6)
    weight = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3).T)
    found = roundtrip(path, {"t": base.T, "s": base[::2, ::-3], "w": weight})
    np.testing.assert_array_equal(found["t"], base.T)
    np.testing.assert_array_equal(found["s"], base[::2, ::-3])
    np.testing.assert_array_equal(found["w"], weight.detach().numpy())


def test_equal_arrays_give_equal_bytes_in_any_order() -> None:
    arrays = {"a": np.arange(3), "b": np.ones(2, np.float16), "c": np.asarray(["x", "yz"])}
    forward = {name: as_buffer(name, array) for name, array in arrays.items()}
    backward = dict(reversed(forward.items()))
    assert b"".join(as_safetensors(forward)) == b"".join(as_safetensors(backward))


def test_arrays_are_aligned_to_their_item_size(path: Path) -> None:
    arrays = {"a": np.ones(3, np.uint8), "b": np.ones(3), "c": np.ones(3, np.float16)}
    for array in roundtrip(path, arrays).values():
        assert array.flags.aligned


def test_writing_into_a_mapped_array_leaves_the_file(path: Path) -> None:
    found = roundtrip(path, {"x": np.zeros(4)})["x"]
    before = path.read_bytes()
    found[:] = 7
    assert path.read_bytes() == before


def test_text_is_stored_as_utf8_bytes_and_ends(path: Path) -> None:
    roundtrip(path, {"ids": np.asarray(["a", "", "né"])})
    with safe_open(path, framework="numpy") as file:
        assert file.get_tensor("ids#utf8").tobytes() == "ané".encode()
        assert file.get_tensor("ids#offsets").tolist() == [1, 1, 4]


def test_join_takes_the_widest_text_and_copies() -> None:
    source = np.asarray(["a", "bb"])
    joined = join([as_buffer("ids", source), as_buffer("ids", np.asarray(["cccc"]))], 3)
    source[0] = "z"
    assert joined.data.tolist() == ["a", "bb", "cccc"]
    assert joined.spec.dtype == "str"
    assert isinstance(joined[1:], Buffer)
    assert joined[1:].data.tolist() == ["bb", "cccc"]


@pytest.mark.parametrize(
    ("name", "array", "words"),
    [
        ("x", np.asarray([{}, []], dtype=object), "array 'x' has dtype object"),
        ("x", np.ones(2, complex), "dtype complex128"),
        ("x", np.asarray(["2020-01-01"], dtype="M8[D]"), "cannot be stored"),
        ("x", torch.ones(2, dtype=torch.complex64), "torch.complex64"),
        ("x", np.asarray([["a"]]), "text of shape"),
        ("a#b", np.ones(2), "'a#b': choose another name"),
        ("__metadata__", np.ones(2), "choose another name"),
        ("", np.ones(2), "choose another name"),
    ],
)
def test_what_cannot_be_stored_is_refused(name: str, array: Any, words: str) -> None:
    with pytest.raises(InvalidParameterError, match=words):
        as_buffer(name, array)
