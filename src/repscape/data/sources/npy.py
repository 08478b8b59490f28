"""`npy:` an array, one sample along its first axis, mapped into memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from repscape.data.array_files import npy_header
from repscape.data.digests import files_revision
from repscape.data.load_data import data_scheme
from repscape.data.source import DataSource
from repscape.errors import InvalidParameterError, UnreadableFileError


@data_scheme("npy", "npy:images.npy", "an array, one sample along its first axis")
def open_npy(
    location: str,
    *,
    labels: str | None = None,
    ids: str | None = None,
    modality: str = "array",
    split: str = "all",
) -> DataSource:
    """Samples along the first axis of an array; ids are 0 … n-1, or those of another file.

    Parameters
    ----------
    location : str
        A `.npy` file.
    labels, ids : str, optional
        `.npy` files with one class, or one id, for each sample.
    modality : str
        `"image"` for images (n, height, width, channels), (n, channels, height, width) with 1 or
        3 channels, or (n, height, width): floats in [0, 1] or bytes.
    split : str
    """
    files = {"samples": _file(location)}
    files |= {k: _file(v) for k, v in {"labels": labels, "ids": ids}.items() if v is not None}
    arrays = {name: _map(path) for name, path in files.items()}
    values = arrays["samples"]
    if values.ndim == 0 or not len(values):
        raise UnreadableFileError(f"npy:{location}: it has no samples (shape {values.shape})")
    for name in ("labels", "ids"):
        if name in arrays and arrays[name].shape != values.shape[:1]:
            raise InvalidParameterError(
                f"{name}={files[name]}: its shape is {arrays[name].shape}, but npy:{location} has "
                f"{len(values)} samples: give one each"
            )
    return DataSource(
        name=f"npy:{files['samples'].name}",
        written=f"npy:{location}",
        ids=np.array(arrays["ids"]) if "ids" in arrays else np.arange(len(values)),
        readers={modality: _Rows(values)},
        find_revision=files_revision(files),
        split=split,
        labels=np.array(arrays["labels"]) if "labels" in arrays else None,
    )


@dataclass(frozen=True)
class _Rows:
    """Reads one sample; what is handed on is its own, and no part of the file."""

    values: npt.NDArray[Any]

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, row: int) -> npt.NDArray[Any]:
        return np.array(self.values[row])


def _file(location: str) -> Path:
    path = Path(location).expanduser()
    if not path.is_file():
        raise UnreadableFileError(f"npy:{location}: no such file (looked in {path.absolute()})")
    return path


def _map(path: Path) -> npt.NDArray[Any]:
    with path.open("rb") as file:
        shape, _, dtype = npy_header(file, str(path))
    if 0 in shape:
        return np.empty(shape, dtype)
    try:
        mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError) as problem:
        raise UnreadableFileError(f"{path}: the array is truncated ({problem})") from None
    return mapped
