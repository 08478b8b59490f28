"""`Manifest`: what an artefact consists of; an artefact exists once its manifest does."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import metadata as packages
from typing import Any

from repscape.errors import InvalidParameterError
from repscape.tasks import Recipe

MANIFEST_FORMAT = 1
MANIFEST_NAME = "manifest.json"
_RECORDED_LIBRARIES = ("numpy", "pandas", "pyarrow", "torch")


@dataclass(frozen=True)
class ArraySpec:
    """The type and shape of a stored array, or of a column of a table."""

    dtype: str
    shape: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {"dtype": self.dtype, "shape": list(self.shape)}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> ArraySpec:
        """Inverse of `to_dict`."""
        return cls(str(known["dtype"]), tuple(int(size) for size in known["shape"]))


@dataclass(frozen=True)
class FileEntry:
    """One file of an artefact: its name in the artefact's directory, checksum, size, arrays."""

    name: str
    sha256: str
    size: int
    arrays: Mapping[str, ArraySpec]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        arrays = {name: spec.to_dict() for name, spec in self.arrays.items()}
        return {"name": self.name, "sha256": self.sha256, "bytes": self.size, "arrays": arrays}

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> FileEntry:
        """Inverse of `to_dict`; a name that leaves the artefact's directory is refused."""
        name = str(known["name"])
        if "/" in name or name in ("", ".", ".."):
            raise ValueError(f"file name {name!r} is not a plain name")
        arrays = {str(k): ArraySpec.from_dict(v) for k, v in known["arrays"].items()}
        return cls(name, str(known["sha256"]), int(known["bytes"]), arrays)


@dataclass(frozen=True)
class Manifest:
    """What an artefact is and which files hold it.

    Attributes
    ----------
    recipe : Recipe
        Everything that determines the artefact; its hash is the key.
    files : tuple of FileEntry
        The data files. Shards stand in the order of their rows.
    metadata : mapping
        What belongs to the artefact's content, e.g. the origin of a representation.
    beside : mapping
        How this copy was made (device, plan of batches, …): not part of the key.
    versions : mapping
        The versions of Python and of the libraries that made it.
    """

    recipe: Recipe
    files: tuple[FileEntry, ...]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    beside: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The content-addressed key."""
        return self.recipe.key

    @property
    def kind(self) -> str:
        """What it is: `"representation"`, `"checkpoint"`, `"table"`, …"""
        return self.recipe.kind

    @property
    def size(self) -> int:
        """The bytes of all data files."""
        return sum(entry.size for entry in self.files)

    @property
    def arrays(self) -> dict[str, ArraySpec]:
        """Type and shape of every array; arrays in several shards are joined by rows."""
        total = dict(self.files[0].arrays)
        for entry in self.files[1:]:
            for name, spec in entry.arrays.items():
                rows = total[name].shape[0] + spec.shape[0]
                total[name] = ArraySpec(spec.dtype, (rows, *spec.shape[1:]))
        return total

    def to_json(self) -> bytes:
        """Return the bytes of the manifest file, which end with their own checksum."""
        content = {
            "format": MANIFEST_FORMAT,
            "key": self.key,
            "recipe": self.recipe.to_dict(),
            "files": [entry.to_dict() for entry in self.files],
            "metadata": dict(self.metadata),
            "beside": dict(self.beside),
            "versions": dict(self.versions),
        }
        return json_bytes({**content, "checksum": _checksum(content)})

    @classmethod
    def from_json(cls, text: bytes) -> Manifest:
        """Inverse of `to_json`.

        Raises
        ------
        ValueError
            Saying what is wrong, if these are not the bytes that `to_json` returned.
        """
        content = json.loads(text)
        if not isinstance(content, dict) or "checksum" not in content:
            raise ValueError("it is not a manifest")
        if content["format"] > MANIFEST_FORMAT:
            raise ValueError(f"its format {content['format']} is newer than {MANIFEST_FORMAT}")
        if content.pop("checksum") != _checksum(content):
            raise ValueError("its checksum does not fit its content")
        manifest = cls(
            recipe=Recipe(**content["recipe"]),
            files=tuple(FileEntry.from_dict(entry) for entry in content["files"]),
            metadata=content["metadata"],
            beside=content["beside"],
            versions=content["versions"],
        )
        if manifest.key != content["key"]:
            raise ValueError("its key is not the hash of its recipe")
        return manifest


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Readable JSON, the same bytes for the same content.

    Raises `InvalidParameterError` for anything that JSON cannot say exactly (NaN, objects).
    """
    try:
        text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False)
    except (TypeError, ValueError) as problem:
        raise InvalidParameterError(f"JSON cannot say what should be stored: {problem}") from None
    return text.encode() + b"\n"


def library_versions() -> dict[str, str]:
    """The versions of Python, Repscape and those numerical libraries that are loaded."""
    loaded = [name for name in _RECORDED_LIBRARIES if name in sys.modules]
    return {
        "python": platform.python_version(),
        "repscape": _installed_version(),
        **{name: str(sys.modules[name].__version__) for name in loaded},
    }


@cache
def _installed_version() -> str:
    try:
        return packages.version("repscape")
    except packages.PackageNotFoundError:
        return "not installed"


def _checksum(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(json_bytes(content)).hexdigest()
