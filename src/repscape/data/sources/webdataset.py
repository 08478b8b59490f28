"""`wds:` webdataset tars: the files of one sample share their name up to the first dot."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from repscape.data.digests import files_revision
from repscape.data.images import SUFFIXES, read_image
from repscape.data.load_data import data_scheme
from repscape.data.located import located_files
from repscape.data.source import DataSource, Reader, choose_split
from repscape.errors import InvalidRepresentationError, SampleError, UnreadableFileError

_IMAGES = tuple(suffix.removeprefix(".") for suffix in SUFFIXES)
_TEXT, _CLASS, _JSON = "txt", "cls", "json"
_CLASS_NAMES = "classnames.txt"


@data_scheme("wds", "wds:photos/train", "webdataset tars")
def open_webdataset(location: str, *, split: str | None = None) -> DataSource:
    """Images or texts in uncompressed tars, read where they lie.

    A sample is an image (`.jpg`, `.png`, `.webp`, …), a text (`.txt`), or both: then it has
    the modalities `"image"` and `"text"`. `.cls` (a whole number) is its label; numbers and
    text in a `.json` become metadata, and so does `class_name` where a `classnames.txt` lies
    beside the tars or above them. The id is the name in the tar up to the first dot.

    Parameters
    ----------
    location : str
        A tar; a folder of tars, or of folders of tars, one for each split; a glob; or a range
        `{000..012}.tar`. Order: that of the tars (2 before 10), and in them that of the files.
    split : str, optional

    Raises
    ------
    UnreadableFileError
        If a tar is truncated, compressed or no tar.
    InvalidRepresentationError
        If some samples have an image (a text, a label) and others have none.
    """
    where, part = _choose(location, split)
    files = located_files("wds", where, [".tar"])
    samples = [sample for path in files.values() for sample in _samples(path)]
    if not samples:
        raise UnreadableFileError(f"wds:{location}: its tars hold no images and no .txt")
    _check_alike(samples, f"wds:{location}")
    labels = [sample.label for sample in samples]
    columns = _columns(samples)
    names = _class_names(next(iter(files.values())).parent)
    if names and labels[0] is not None:
        columns["class_name"] = [
            names[x] if 0 <= x < len(names) else "" for x in labels if x is not None
        ]
    return DataSource(
        name=f"wds:{Path(location).expanduser().name}",
        written=f"wds:{location}",
        ids=np.asarray([sample.key for sample in samples], dtype=np.str_),
        readers=_readers(samples, f"wds:{location}"),
        find_revision=files_revision(files),
        split=part,
        labels=None if labels[0] is None else np.asarray(labels),
        columns={name: np.asarray(cells) for name, cells in columns.items()},
    )


@dataclass(frozen=True)
class _Place:
    """Where the bytes of a file lie."""

    path: Path
    start: int
    size: int

    def read(self) -> bytes:
        with self.path.open("rb") as file:
            return os.pread(file.fileno(), self.size, self.start)


@dataclass
class _Sample:
    """The files of one sample; the small ones are read at once."""

    key: str
    image: _Place | None = None
    text: _Place | None = None
    label: int | None = None
    columns: dict[str, Any] = field(default_factory=dict)

    @property
    def kinds(self) -> tuple[bool, ...]:
        return self.image is not None, self.text is not None, self.label is not None


@dataclass(frozen=True)
class _Images:
    places: Sequence[_Place]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> Any:
        return read_image(self.places[row].read())


@dataclass(frozen=True)
class _Texts:
    places: Sequence[_Place]

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, row: int) -> str:
        try:
            return self.places[row].read().decode("utf-8")
        except UnicodeDecodeError as problem:
            raise SampleError(f"its text is not UTF-8 ({problem})") from None


def _choose(location: str, split: str | None) -> tuple[str, str]:
    """The place of the tars, and the name of the split."""
    root = Path(location).expanduser()
    if not root.is_dir():
        return location, split or "all"
    parts = sorted(path.parent.name for path in root.glob("*/*.tar"))
    if list(root.glob("*.tar")) or not parts:
        return location, split or "all"
    part = choose_split(f"wds:{location}", split, list(dict.fromkeys(parts)))
    return str(root / part), part


def _samples(path: Path) -> list[_Sample]:
    found: dict[str, _Sample] = {}
    for member, suffix, key in _members(path):
        sample = found.setdefault(key, _Sample(key))
        place = _Place(path, member.offset_data, member.size)
        if suffix in _IMAGES:
            sample.image = place
        elif suffix == _TEXT:
            sample.text = place
        elif suffix == _CLASS:
            sample.label = _label(place.read(), member.name, path)
        elif suffix == _JSON:
            sample.columns |= _scalars(place.read(), member.name, path)
    return [sample for sample in found.values() if any(sample.kinds[:2])]


def _members(path: Path) -> Iterator[tuple[tarfile.TarInfo, str, str]]:
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                stem, _, suffix = name.partition(".")
                if not member.isfile() or not stem:
                    continue
                if member.offset_data + member.size > size:
                    raise tarfile.ReadError(f"{member.name!r} goes beyond its end")
                yield member, suffix.lower(), f"{folder}/{stem}" if folder else stem
    except (tarfile.TarError, EOFError) as problem:
        raise UnreadableFileError(
            f"{path}: truncated or not an uncompressed tar ({problem}); unpack a .tar.gz first"
        ) from None


def _label(raw: bytes, name: str, path: Path) -> int:
    try:
        return int(raw)
    except ValueError:
        raise UnreadableFileError(
            f"{path}: {name!r} holds {raw[:20]!r}, not a whole number"
        ) from None


def _scalars(raw: bytes, name: str, path: Path) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except ValueError as problem:
        raise UnreadableFileError(f"{path}: {name!r} is not JSON ({problem})") from None
    if not isinstance(content, dict):
        return {}
    return {str(k): v for k, v in content.items() if isinstance(v, str | int | float)}


def _check_alike(samples: list[_Sample], where: str) -> None:
    for place, what in enumerate(("image", "text (.txt)", "label (.cls)")):
        have = [sample.kinds[place] for sample in samples]
        if any(have) and not all(have):
            raise InvalidRepresentationError(
                f"{where}: sample {samples[have.index(False)].key!r} has no {what}, but "
                f"{samples[have.index(True)].key!r} has one: give all of them one, or none"
            )


def _readers(samples: list[_Sample], where: str) -> Mapping[str, Reader]:
    readers: dict[str, Reader] = {}
    if images := [sample.image for sample in samples if sample.image is not None]:
        readers["image"] = _Images(images)
    if texts := [sample.text for sample in samples if sample.text is not None]:
        readers["text"] = _Texts(texts)
    return readers


def _columns(samples: list[_Sample]) -> dict[str, list[Any]]:
    names = dict.fromkeys(name for sample in samples for name in sample.columns)
    return {name: [sample.columns.get(name) for sample in samples] for name in names}


def _class_names(folder: Path) -> list[str]:
    for place in (folder, folder.parent):
        if (place / _CLASS_NAMES).is_file():
            return (place / _CLASS_NAMES).read_text(encoding="utf-8").splitlines()
    return []
