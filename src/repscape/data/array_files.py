"""Readers of array files: `.npy`, `.npz`, `.safetensors`, `.pt`; none unpickles objects."""

from __future__ import annotations

import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from repscape.data.contents import (
    ID_NAMES,
    LABEL_NAMES,
    Contents,
    choose_array,
    first_known,
    refuse_choice,
)
from repscape.errors import InvalidRepresentationError, UnreadableFileError, UnsafeFileError

if TYPE_CHECKING:
    import torch

_PICKLE_START = b"\x80"
_ZIP_START = b"PK\x03\x04"
_HEADER_READERS = {
    (1, 0): npy_format.read_array_header_1_0,
    (2, 0): npy_format.read_array_header_2_0,
}


def read_npy(path: Path, choice: str | None) -> Contents:
    """Memory-map the array of a `.npy` file."""
    refuse_choice(path, choice, "a .npy file holds one array")
    with path.open("rb") as file:
        shape, _, dtype = npy_header(file, str(path))
    if 0 in shape:
        return Contents(np.empty(shape, dtype))
    try:
        return Contents(np.load(path, mmap_mode="r", allow_pickle=False))
    except (ValueError, OSError) as problem:
        raise _truncated(str(path), problem) from None


def read_npz(path: Path, choice: str | None) -> Contents:
    """Read the arrays of a `.npz` file, refusing object arrays."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {m.removesuffix(".npy"): m for m in archive.namelist() if m.endswith(".npy")}

            def read(name: str) -> npt.NDArray[Any]:
                with archive.open(members[name]) as file:
                    return _read_npy_member(file, f"{path}::{name}")

            return _named_contents(path, members, choice, read)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError) as problem:
        raise _wrong_or_unsafe(path, "a .npz archive", problem) from None


def read_safetensors(path: Path, choice: str | None) -> Contents:
    """Read the tensors of a `.safetensors` file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            return _named_contents(path, file.keys(), choice, file.get_tensor)
    except (SafetensorError, OSError) as problem:
        raise UnreadableFileError(
            f"{path}: truncated or not a safetensors file ({problem})"
        ) from None


def read_torch(path: Path, choice: str | None) -> Contents:
    """Read the tensor, or the dictionary of tensors, of a `.pt` file; it executes nothing."""
    loaded = _load_torch(path)
    if _is_tensor(loaded):
        refuse_choice(path, choice, "the file holds one tensor")
        return Contents(_dense(loaded, path))
    if not isinstance(loaded, Mapping):
        raise InvalidRepresentationError(
            f"{path}: holds an object of type {type(loaded).__name__}; save one tensor, or a "
            "dictionary {'values': tensor, 'sample_ids': [...], 'labels': tensor}"
        )
    beside = ID_NAMES + LABEL_NAMES
    names = [name for name, value in loaded.items() if _is_tensor(value) or name in beside]

    def read(name: str) -> Any:
        value = loaded[name]
        return _dense(value, path) if _is_tensor(value) else list(value)

    return _named_contents(path, names, choice, read)


def _named_contents(
    path: Path, names: Iterable[str], choice: str | None, read: Callable[[str], Any]
) -> Contents:
    names = list(names)
    values = read(choose_array(path, names, choice))
    ids, labels = first_known(names, ID_NAMES), first_known(names, LABEL_NAMES)
    return Contents(
        values,
        sample_ids=None if ids is None else np.asarray(read(ids)),
        labels=None if labels is None else np.asarray(read(labels)),
    )


def npy_header(file: IO[bytes], where: str) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """The shape, whether columns are contiguous, and the dtype; leaves `file` at the values."""
    start = file.read(1)
    file.seek(0)
    if start == _PICKLE_START:
        raise _pickled(where, "it is a pickle, not an array")
    try:
        version = npy_format.read_magic(file)
        shape, by_columns, dtype = _HEADER_READERS[version](file)
    except (ValueError, KeyError, EOFError) as problem:
        raise UnreadableFileError(f"{where}: not a .npy array ({problem})") from None
    if dtype.hasobject:
        raise _pickled(where, "it is an array of Python objects")
    return shape, by_columns, dtype


def _read_npy_member(file: IO[bytes], where: str) -> npt.NDArray[Any]:
    npy_header(file, where)
    file.seek(0)
    try:
        return npy_format.read_array(file, allow_pickle=False)
    except ValueError as problem:
        raise _truncated(where, problem) from None


def _load_torch(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        raise _wrong_or_unsafe(path, "a file of torch.save", problem) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as problem:
        reason = str(problem).splitlines()[0] if str(problem) else type(problem).__name__
        raise UnreadableFileError(
            f"{path}: truncated or not a file of torch.save ({reason})"
        ) from None


def _is_tensor(value: Any) -> bool:
    import torch

    return isinstance(value, torch.Tensor)


def _dense(tensor: torch.Tensor, path: Path) -> torch.Tensor:
    import torch

    if tensor.layout != torch.strided:
        raise InvalidRepresentationError(
            f"{path}: holds a tensor of layout {tensor.layout}; save tensor.to_dense()"
        )
    return tensor.detach()


def _wrong_or_unsafe(path: Path, what: str, problem: Exception) -> Exception:
    with path.open("rb") as file:
        start = file.read(4)
    torch_archive = start == _ZIP_START and isinstance(problem, pickle.UnpicklingError)
    if start.startswith(_PICKLE_START) or torch_archive:
        return _pickled(str(path), "it is a pickle of other things than tensors")
    return UnreadableFileError(f"{path}: truncated or not {what} ({type(problem).__name__})")


def _pickled(where: str, why: str) -> UnsafeFileError:
    return UnsafeFileError(
        f"{where}: {why}, and reading it would execute code that it carries. Where you trust "
        "it, load it yourself and save plain numbers: np.save('name.npy', "
        "np.asarray(values, dtype=np.float32)); for ids, np.asarray(ids, dtype=str)"
    )


def _truncated(where: str, problem: Exception) -> UnreadableFileError:
    return UnreadableFileError(f"{where}: the array is truncated ({problem})")
