"""`igpt-tokens:` ImageNet as OpenAI published it for ImageGPT: the colour clusters of pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from repscape.data.array_files import npy_header
from repscape.data.digests import files_revision
from repscape.data.load_data import data_scheme
from repscape.data.source import DataSource, choose_split
from repscape.errors import InvalidParameterError, UnreadableFileError

_SPLITS = {"train": "tr", "validation": "va", "test": "te"}
_CLASSES = "hier_nucl_labels.npy"


@dataclass(frozen=True)
class _Tokens:
    """Rows of the mapped array, each the clusters of one image."""

    values: npt.NDArray[Any]
    rows: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, row: int) -> npt.NDArray[np.int64]:
        return np.asarray(self.values[self.rows[row]], dtype=np.int64)


@data_scheme("igpt-tokens", "igpt-tokens:imagenet", "ImageNet as colour clusters, for ImageGPT")
def open_igpt_tokens(
    location: str,
    *,
    split: str = "train",
    classes: str | Sequence[int] | None = None,
    per_class: int | None = 300,
) -> DataSource:
    """The images of `imagenet_{tr,va,te}X.npy` with the classes of `imagenet_{tr,va,te}Y.npy`.

    Ids are the rows of the file, so that they do not depend on what is chosen.

    Parameters
    ----------
    location : str
        The folder with the two files.
    split : {"train", "validation", "test"}
    classes : str or sequence of int, optional
        Only these classes, 0 … 999, or a `.npy` file of them; by default those of
        `hier_nucl_labels.npy` in the folder (the 300 classes of Valeriani et al. 2023) if that
        is there, else all.
    per_class : int, optional
        The first so many images of each class, in the order of the file; None for all.

    Raises
    ------
    UnreadableFileError
        If a file is missing, truncated or of another shape.
    InvalidParameterError
        If a class has fewer images than `per_class`, or there is no such class.
    """
    root = Path(location).expanduser()
    part = _SPLITS[choose_split(f"igpt-tokens:{location}", split, list(_SPLITS))]
    tokens, one_hot = (_mapped(root / f"imagenet_{part}{which}.npy") for which in "XY")
    labels = np.asarray(one_hot.argmax(axis=1) if one_hot.ndim == 2 else one_hot, dtype=np.int64)
    if len(labels) != len(tokens):
        raise UnreadableFileError(
            f"{root}: {len(tokens)} images but {len(labels)} classes in imagenet_{part}X and …Y"
        )
    wanted = _classes(root, classes)
    rows = _rows(labels, wanted, per_class)
    files = {name: root / f"imagenet_{part}{name}.npy" for name in "XY"}
    chosen = None if wanted is None else sorted(wanted.tolist())
    return DataSource(
        name=f"igpt-tokens:{root.name}",
        ids=rows,
        readers={"image": _Tokens(tokens.reshape(len(tokens), -1), rows)},
        find_revision=files_revision(files, classes=chosen, per_class=per_class),
        split=split,
        labels=labels[rows],
    )


def _mapped(path: Path) -> npt.NDArray[Any]:
    if not path.is_file():
        raise UnreadableFileError(f"{path}: there is no such file")
    with path.open("rb") as file:
        npy_header(file, str(path))
    try:
        mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as problem:
        raise UnreadableFileError(f"{path}: the array is truncated ({problem})") from None
    if mapped.ndim < 1 or mapped.dtype.kind not in "iuf" or not len(mapped):
        raise UnreadableFileError(f"{path}: found {mapped.dtype} of shape {mapped.shape}")
    return mapped


def _classes(root: Path, given: str | Sequence[int] | None) -> npt.NDArray[np.int64] | None:
    if given is None:
        path = root / _CLASSES
        return np.asarray(_mapped(path), dtype=np.int64) if path.is_file() else None
    if isinstance(given, str):
        return np.asarray(_mapped(Path(given).expanduser()), dtype=np.int64)
    return np.asarray(given, dtype=np.int64)


def _rows(
    labels: npt.NDArray[np.int64], classes: npt.NDArray[np.int64] | None, per_class: int | None
) -> npt.NDArray[np.int64]:
    """The rows of the first images of each class, ascending."""
    wanted = np.unique(labels) if classes is None else classes
    chosen = []
    for one in wanted.tolist():
        rows = np.flatnonzero(labels == one)
        if not len(rows) or (per_class is not None and len(rows) < per_class):
            raise InvalidParameterError(
                f"class {one} has {len(rows)} images, and per_class={per_class} are asked for"
            )
        chosen.append(rows[:per_class])
    return np.sort(np.concatenate(chosen)).astype(np.int64)
