"""`torchvision:` a data set of torchvision, from files that are there or downloaded on request."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from repscape.data.digests import value_revision
from repscape.data.images import as_pil
from repscape.data.load_data import data_scheme
from repscape.data.source import DataSource
from repscape.errors import (
    InvalidParameterError,
    UnknownNameError,
    UnreadableFileError,
    did_you_mean,
)
from repscape.extras import import_extra

_EXTRA = "vision"
_LABEL_LISTS = ("targets", "labels", "_labels", "y")
_PAIR_LISTS = ("_samples", "samples", "imgs")


@data_scheme("torchvision", "torchvision:CIFAR10", "a data set of torchvision")
def open_torchvision(
    location: str, *, root: str = "data", split: str = "train", download: bool | str = False
) -> DataSource:
    """Images of a data set of torchvision; ids are its own order, 0, 1, 2, …

    The content revision is a digest of all images, which are decoded once for it, and their
    labels; `revision=` saves that.

    Parameters
    ----------
    location : str
        The name of the class: `CIFAR10`, `Flowers102`, …
    root : str
        Where its files are.
    split : str
        `train` or `test` where the class has a flag `train`, else what its `split` knows.
    download : bool
        Fetch the files if they are not there.
    """
    module = import_extra("torchvision.datasets", _EXTRA, "data by the name torchvision:")
    if location not in module.__all__:
        raise UnknownNameError(
            f"torchvision has no data set {location!r}: {did_you_mean(location, module.__all__)}"
        )
    kind = getattr(module, location)
    data = _make(kind, location, _arguments(kind, location, root, split, download))
    images = _Images(data)
    labels = _labels(data)
    return DataSource(
        name=f"torchvision:{location}",
        ids=np.arange(len(data)),
        readers={"image": images},
        find_revision=_digest(images, labels),
        split=split,
        labels=labels,
    )


@dataclass(frozen=True)
class _Images:
    data: Any

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, row: int) -> Any:
        item = self.data[row]
        return as_pil(item[0] if isinstance(item, tuple) else item)


def _arguments(kind: Any, name: str, root: str, split: str, download: bool | str) -> dict[str, Any]:
    known = inspect.signature(kind).parameters
    arguments: dict[str, Any] = {"root": root} if "root" in known else {}
    if "download" in known:
        arguments["download"] = str(download).lower() in ("true", "1", "yes")
    if "train" in known:
        if split not in ("train", "test"):
            raise InvalidParameterError(
                f"torchvision:{name} has no split {split!r}: it has 'train' and 'test'"
            )
        return {**arguments, "train": split == "train"}
    for option in ("split", "image_set"):
        if option in known:
            return {**arguments, option: split}
    return arguments


def _make(kind: Any, name: str, arguments: dict[str, Any]) -> Any:
    try:
        return kind(**arguments)
    except (RuntimeError, FileNotFoundError, OSError) as problem:
        raise UnreadableFileError(
            f"torchvision:{name}: {problem} (looked in {arguments.get('root')!r}; give root=, or "
            "download=true)"
        ) from None
    except (ValueError, TypeError) as problem:
        raise InvalidParameterError(f"torchvision:{name}: {problem}") from None


def _labels(data: Any) -> npt.NDArray[Any] | None:
    for name in _LABEL_LISTS:
        found = getattr(data, name, None)
        if found is not None and len(found) == len(data):
            return np.asarray(found)
    for name in _PAIR_LISTS:
        found = getattr(data, name, None)
        if found is not None and len(found) == len(data) and len(found[0]) == 2:
            return np.asarray([label for _, label in found])
    return None


def _digest(images: _Images, labels: npt.NDArray[Any] | None) -> Callable[[], str]:
    def raw(row: int) -> bytes:
        image = images[row]
        return f"{image.size}".encode() + bytes(image.tobytes())

    def parts() -> Iterator[bytes | str]:
        yield repr(None if labels is None else labels.tolist())
        with ThreadPoolExecutor(4) as pool:
            for start in range(0, len(images), 1024):
                yield from pool.map(raw, range(start, min(start + 1024, len(images))))

    return lambda: value_revision(parts())
