from __future__ import annotations

import json
from typing import Any

import pytest

from repscape.errors import InvalidParameterError
from repscape.store.manifest import (
    ArraySpec,
    FileEntry,
    Manifest,
    json_bytes,
    library_versions,
)
from repscape.tasks import Recipe

FILES = tuple(
    FileEntry(f"shard-{i}.safetensors", "0" * 64, 100 + i, {"values": ArraySpec("float32", (n, 3))})
    for i, n in enumerate((4, 4, 2))
)
MANIFEST = Manifest(
    Recipe("representation", 2, {"layer": "a"}, {"model": "ab"}),
    FILES,
    metadata={"origin": {"model": "m"}},
    beside={"device": "cpu"},
    versions={"numpy": "2.0"},
)


def test_json_roundtrip_gives_an_equal_manifest_and_equal_bytes() -> None:
    text = MANIFEST.to_json()
    again = Manifest.from_json(text)
    assert again == MANIFEST
    assert again.to_json() == text


def test_key_kind_size_and_joined_arrays() -> None:
    assert MANIFEST.key == MANIFEST.recipe.key
    assert MANIFEST.kind == "representation"
    assert MANIFEST.size == 303
    assert MANIFEST.arrays == {"values": ArraySpec("float32", (10, 3))}


def test_what_lies_beside_does_not_change_the_key() -> None:
    other = Manifest(MANIFEST.recipe, FILES, beside={"device": "cuda", "batch": 512})
    assert other.key == MANIFEST.key
    assert json.loads(other.to_json())["beside"] == {"device": "cuda", "batch": 512}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("files", 0, "sha256"), "1" * 64),
        (("files", 0, "bytes"), 99),
        (("recipe", "version"), 3),
        (("metadata", "origin", "model"), "another"),
        (("beside", "device"), "cuda"),
    ],
)
def test_an_altered_manifest_is_noticed(path: tuple[Any, ...], value: Any) -> None:
    content = json.loads(MANIFEST.to_json())
    place = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValueError, match="checksum does not fit"):
        Manifest.from_json(json.dumps(content).encode())


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", MANIFEST.to_json()[:-20], b"\xff\xfe"])
def test_anything_else_is_a_value_error(text: bytes) -> None:
    with pytest.raises(ValueError):
        Manifest.from_json(text)


def test_a_newer_format_says_so() -> None:
    content = {**json.loads(MANIFEST.to_json()), "format": 99}
    with pytest.raises(ValueError, match="format 99 is newer than 1"):
        Manifest.from_json(json.dumps(content).encode())


@pytest.mark.parametrize("name", ["../other/file", "/etc/passwd", "..", ""])
def test_file_names_stay_in_the_directory(name: str) -> None:
    with pytest.raises(ValueError, match="not a plain name"):
        FileEntry.from_dict({"name": name, "sha256": "", "bytes": 1, "arrays": {}})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
def test_what_json_cannot_say_is_refused(value: Any) -> None:
    with pytest.raises(InvalidParameterError, match="JSON cannot say"):
        json_bytes({"loss": value})


def test_versions_name_what_is_loaded() -> None:
    versions = library_versions()
    assert {"python", "repscape", "numpy"} <= versions.keys()
