"""How a representation lies in the arrays of an artefact, and how it is read back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.errors import StoreError
from repscape.representation import Origin, Representation
from repscape.store.arrays import Buffer, as_buffer

if TYPE_CHECKING:
    from repscape.representation import Values
    from repscape.store.directory import ArtefactDirectory
    from repscape.store.manifest import Manifest

Array: TypeAlias = npt.NDArray[Any]
Columns: TypeAlias = Mapping[str, Array]

VALUES, IDS, LABELS = "values", "ids", "labels"
_COLUMN = "column/"


def load_representation(
    directory: ArtefactDirectory, share: Sequence[Columns] = ()
) -> Representation:
    """Read a committed representation.

    The values are memory-mapped, also where they lie in several shards; only shards whose rows
    do not fill whole pages are joined in memory. Ids, labels and columns are read; those that
    equal one of `share` are that very array.
    """
    manifest = directory.manifest()
    if "origin" not in manifest.metadata or VALUES not in manifest.arrays:
        raise StoreError(f"the artefact {manifest.key} is a {manifest.kind}, not a representation")
    arrays: dict[str, Any] = {
        name: _shared(directory, manifest, name, [known[name] for known in share if name in known])
        for name in manifest.arrays
        if name != VALUES
    }
    columns = {k.removeprefix(_COLUMN): v for k, v in arrays.items() if k.startswith(_COLUMN)}
    return Representation(
        directory.rows(manifest, VALUES),
        arrays[IDS],
        labels=arrays.get(LABELS),
        columns=columns,
        origin=Origin.from_dict(manifest.metadata["origin"]),
        key=manifest.key,
    )


def named_columns(
    ids: Array, labels: Array | None = None, columns: Mapping[str, Array] = MappingProxyType({})
) -> Columns:
    """Ids, labels and columns under the names that they have in a store."""
    known = {_COLUMN + name: column for name, column in columns.items()}
    return {IDS: ids, **known, **({} if labels is None else {LABELS: labels})}


def columns_of(representation: Representation) -> Columns:
    """Those of a representation."""
    return named_columns(representation.sample_ids, representation.labels, representation.columns)


def _shared(
    directory: ArtefactDirectory, manifest: Manifest, name: str, share: Sequence[Array]
) -> Values:
    """One array: one of `share` if it holds the same, which is seen part by part."""
    for known in share:
        if manifest.arrays[name].shape == known.shape and _is_same(
            known, directory.parts(manifest.files, name)
        ):
            return known
    return directory.arrays(manifest, [name], mmap=True)[name]


def _is_same(known: Array, parts: Iterable[Buffer]) -> bool:
    start = 0
    for part in parts:
        there = known[start : start + len(part.data)]
        if known.dtype.kind != part.data.dtype.kind or not np.array_equal(there, part.data):
            return False
        start += len(part.data)
    return True


def representation_buffers(chunk: Representation) -> dict[str, Buffer]:
    """The arrays that hold these rows: values, ids, labels and columns."""
    buffers = {VALUES: as_buffer(VALUES, chunk.values), IDS: as_buffer(IDS, chunk.sample_ids)}
    if chunk.labels is not None:
        buffers[LABELS] = as_buffer(LABELS, chunk.labels)
    for name, column in chunk.columns.items():
        buffers[_COLUMN + name] = as_buffer(_COLUMN + name, column)
    return buffers
