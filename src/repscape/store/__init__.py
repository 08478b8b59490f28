"""The store: content-addressed artefacts and result tables on disk, safe to kill and to share."""

from repscape.store.manifest import ArraySpec, FileEntry, Manifest
from repscape.store.representations import Columns, columns_of, named_columns
from repscape.store.shards import RepresentationWriter
from repscape.store.store import Problem, Store

__all__ = [
    "ArraySpec",
    "Columns",
    "FileEntry",
    "Manifest",
    "Problem",
    "RepresentationWriter",
    "Store",
    "columns_of",
    "named_columns",
]
