"""How a representation lies in the arrays of an artefact, and how it is read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from repscape.errors import InvalidRepresentationError, StoreError
from repscape.representation import Origin, Representation
from repscape.store.arrays import Buffer, as_buffer

if TYPE_CHECKING:
    import numpy.typing as npt

    from repscape.store.directory import ArtefactDirectory

VALUES, IDS, LABELS = "values", "ids", "labels"
_COLUMN = "column/"


def load_representation(directory: ArtefactDirectory) -> Representation:
    """Read a committed representation.

    The values are memory-mapped, also where they lie in several shards; only shards whose rows
    do not fill whole pages are joined in memory. Ids, labels and columns are read.
    """
    manifest = directory.manifest()
    if "origin" not in manifest.metadata or VALUES not in manifest.arrays:
        raise StoreError(f"the artefact {manifest.key} is a {manifest.kind}, not a representation")
    names = [name for name in manifest.arrays if name != VALUES]
    arrays = directory.arrays(manifest, names, mmap=True)
    columns = {k.removeprefix(_COLUMN): v for k, v in arrays.items() if k.startswith(_COLUMN)}
    return Representation(
        directory.rows(manifest, VALUES),
        arrays[IDS],  # type: ignore[arg-type]
        labels=arrays.get(LABELS),  # type: ignore[arg-type]
        columns=columns,  # type: ignore[arg-type]
        origin=Origin.from_dict(manifest.metadata["origin"]),
        key=manifest.key,
    )


def representation_buffers(chunk: Representation) -> dict[str, Buffer]:
    """The arrays that hold these rows: values, ids, labels and columns."""
    buffers = {VALUES: as_buffer(VALUES, chunk.values), IDS: as_buffer(IDS, chunk.sample_ids)}
    if chunk.labels is not None:
        buffers[LABELS] = as_buffer(LABELS, chunk.labels)
    for name, column in chunk.columns.items():
        buffers[_COLUMN + name] = as_buffer(_COLUMN + name, column)
    return buffers


def check_distinct(ids: npt.NDArray[Any]) -> None:
    """Raise `InvalidRepresentationError`, naming the rows, if an id stands twice."""
    ordered = np.sort(ids)
    if (ordered[1:] == ordered[:-1]).any():
        unique, counts = np.unique(ids, return_counts=True)
        repeated = unique[counts > 1][0]
        rows = np.flatnonzero(ids == repeated)[:2].tolist()
        raise InvalidRepresentationError(
            f"sample id {repeated.item()!r} stands at rows {rows[0]} and {rows[1]}: ids must differ"
        )
