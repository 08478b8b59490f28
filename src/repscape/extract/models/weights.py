"""Digests of saved weights: the content revision of a model that is no commit."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch

from repscape.errors import UnavailableModelError, UnsafeFileError
from repscape.extract.revision import tensor_bytes, tensor_header

_DIGEST_CHARACTERS = 40
_READ_BYTES = 2**22
WEIGHTS = ("*.safetensors", "*.bin", "*.pt", "*.pth")
SHAPES = ("config.json", "*.index.json")


def digest_of_folder(folder: Path) -> str:
    """Return a digest of the weights and the configuration in a folder, whatever its name."""
    found = {path for pattern in (*WEIGHTS, *SHAPES) for path in folder.glob(pattern)}
    return _digest((path.name, path) for path in sorted(found))


def digest_of_tree(folder: Path) -> str:
    """Return a digest of all weights and settings in a folder and the folders in it."""
    found = {path for pattern in (*WEIGHTS, "*.json") for path in folder.rglob(pattern)}
    return _digest((path.relative_to(folder).as_posix(), path) for path in sorted(found))


def digest_of_file(file: str | Path, *loaded_as: str) -> str:
    """Return a digest of the weights in a file, whatever its format, and of what loads them.

    Raises
    ------
    UnavailableModelError, UnsafeFileError
        See `load_into`.
    """
    digest = hashlib.sha256("\x1d".join(loaded_as).encode())
    for name, value in sorted(_state(Path(file).expanduser()).items()):
        if isinstance(value, torch.Tensor):
            digest.update(f"\x1e{name}\x1f{tensor_header(name, value)}\x1f".encode())
            digest.update(tensor_bytes(value))
        else:
            digest.update(f"\x1e{name}\x1f{value!r}".encode())
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def _digest(named: Iterable[tuple[str, Path]]) -> str:
    digest = hashlib.sha256()
    for name, path in named:
        digest.update(f"\x1e{name}\x1f{path.stat().st_size}\x1f".encode())
        with path.open("rb") as file:
            while block := file.read(_READ_BYTES):
                digest.update(block)
    return digest.hexdigest()[:_DIGEST_CHARACTERS]


def digest_of_text(text: str) -> str:
    """Return a short digest of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:16]


FILES = (".safetensors", ".pt", ".pth", ".bin")


def load_into(module: torch.nn.Module, file: str) -> None:
    """Load a file of weights into a module, without executing code that the file carries.

    The file holds names and tensors, or a dictionary with these under `state_dict` or `model`.

    Raises
    ------
    UnavailableModelError
        If there is no such file, it is damaged, or its weights are not those of this module.
    UnsafeFileError
        If it can only be read by executing code (a pickled object).
    """
    state = _state(Path(file).expanduser())
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as problem:
        raise UnavailableModelError(
            f"{file}: these are not the weights of {type(module).__name__}: {one_line(problem)}"
        ) from problem


def _state(path: Path) -> dict[str, Any]:
    """The names and tensors of a file, also where they stand within another dictionary."""
    state = _read(path)
    if not isinstance(state, dict):
        raise UnavailableModelError(
            f"{path}: it holds a {type(state).__name__}, not the names and tensors of weights: "
            "torch.save(module.state_dict(), file)"
        )
    for wrapped in ("state_dict", "model"):
        if isinstance(state.get(wrapped), dict):
            state = state[wrapped]
    return dict(state)


def _read(path: Path) -> Any:
    if not path.is_file():
        raise UnavailableModelError(f"{path}: there is no such file")
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as problem:
        raise UnsafeFileError(
            f"{path}: reading it would execute code that it carries. Save the weights alone: "
            "torch.save(module.state_dict(), file)"
        ) from problem
    except (OSError, RuntimeError, EOFError, safetensors.SafetensorError) as problem:
        raise UnavailableModelError(f"{path}: it is damaged ({one_line(problem)})") from problem


def one_line(value: Any, most: int = 600) -> str:
    """A printable thing, such as an error or a transform, in one line."""
    text = " ".join(str(value).split())
    return text if len(text) <= most else f"{text[:most]} … {digest_of_text(text)}"
