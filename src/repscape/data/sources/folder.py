"""`folder:` images in a folder per class, text files, or images with captions beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from repscape.data.digests import files_revision
from repscape.data.images import SUFFIXES, read_image
from repscape.data.load_data import data_scheme
from repscape.data.source import DataSource, Reader, choose_split
from repscape.errors import SampleError, UnreadableFileError

TEXT_SUFFIXES = (".txt",)
_SPLITS = ("train", "validation", "val", "test")


@dataclass(frozen=True)
class ImageFiles:
    """Reads image files."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> Any:
        return read_image(self.paths[row])


@dataclass(frozen=True)
class TextFiles:
    """Reads text files (UTF-8)."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> str:
        try:
            return self.paths[row].read_text(encoding="utf-8")
        except UnicodeDecodeError as problem:
            raise SampleError(f"{self.paths[row].name} is not UTF-8 text ({problem})") from None


@data_scheme("folder", "folder:photos", "images in a folder per class, or text files")
def open_folder(location: str, *, split: str | None = None, labels: bool = True) -> DataSource:
    """Image files (or, where there are none, `.txt` files) in a folder and those below it.

    An id is the path inside the folder, with `/`. The label is the first folder of the path,
    if all samples have one. Images that all have a `.txt` file of the same name beside them
    also have the modality `"text"`: their captions, under the same ids. Order: sorted by id.

    Parameters
    ----------
    location : str
        The folder. If all it holds are the folders train, validation (val) and test, choose
        one with `split`.
    split : str, optional
    labels : bool
        Whether the first folder is the class.

    Raises
    ------
    UnreadableFileError
        If it is no folder, or holds neither images nor text files.
    """
    root = Path(location).expanduser()
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "there is no such folder"
        raise UnreadableFileError(f"folder:{location}: {what} (looked in {root.absolute()})")
    name, root, part = _choose(root, location, split)
    files = _files(root)
    images = {k: p for k, p in files.items() if p.suffix.lower() in SUFFIXES}
    texts = {k: p for k, p in files.items() if p.suffix.lower() in TEXT_SUFFIXES}
    if not images and not texts:
        raise UnreadableFileError(
            f"folder:{location}: none of its {len(files)} files is an image "
            f"({', '.join(SUFFIXES)}) or a text ({', '.join(TEXT_SUFFIXES)})"
        )
    ids = list(images or texts)
    readers, used = _readers(images, texts)
    classes = [identity.split("/")[0] if "/" in identity else None for identity in ids]
    return DataSource(
        name=name,
        written=f"folder:{location}",
        ids=np.asarray(ids, dtype=np.str_),
        readers=readers,
        find_revision=files_revision(used, labels=labels),
        split=part,
        labels=None if None in classes or not labels else np.asarray(classes, dtype=np.str_),
    )


def _choose(root: Path, location: str, split: str | None) -> tuple[str, Path, str]:
    name = f"folder:{root.resolve().name}"
    below = sorted(path.name for path in root.iterdir() if not path.name.startswith("."))
    parts = [part for part in below if part in _SPLITS]
    if split is None and (not parts or len(parts) < len(below)):
        return name, root, "all"
    part = choose_split(f"folder:{location}", split, parts or below)
    return name, root / part, part


def _files(root: Path) -> dict[str, Path]:
    """All files by their path inside the folder, sorted; hidden ones are left out."""
    found = {path.relative_to(root).as_posix(): path for path in _walk(root)}
    return dict(sorted(found.items()))


def _walk(root: Path) -> Iterator[Path]:
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder) / name for name in names if not name.startswith("."))


def _readers(
    images: Mapping[str, Path], texts: Mapping[str, Path]
) -> tuple[dict[str, Reader], dict[str, Path]]:
    if not images:
        return {"text": TextFiles(list(texts.values()))}, dict(texts)
    readers: dict[str, Reader] = {"image": ImageFiles(list(images.values()))}
    captions = {key: path.with_suffix(".txt") for key, path in images.items()}
    beside = set(texts.values())
    if not all(path in beside for path in captions.values()):
        return readers, dict(images)
    readers["text"] = TextFiles(list(captions.values()))
    return readers, {**images, **{f"{key}.txt": path for key, path in captions.items()}}
