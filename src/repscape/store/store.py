"""`Store`: a directory of artefacts, each under the hash of its recipe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repscape.errors import (
    ArtefactMissingError,
    CorruptArtefactError,
    InvalidParameterError,
    StoreError,
    UnknownNameError,
    did_you_mean,
)
from repscape.representation import Origin
from repscape.store.arrays import as_buffer
from repscape.store.atomic import make_directory, publish_first, remove_tree
from repscape.store.directory import (
    TABLE_SUFFIX,
    WEEK,
    ArtefactDirectory,
    listing,
    sweep_temporaries,
)
from repscape.store.manifest import FileEntry, Manifest, json_bytes, library_versions
from repscape.store.representations import Columns, columns_of, load_representation
from repscape.store.shards import DEFAULT_SHARD_ROWS, RepresentationWriter
from repscape.store.tables import as_parquet, read_parquet
from repscape.tasks import Recipe

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from repscape.representation import Representation, Values
STORE_FORMAT = 1
_STORE_NAME = "store.json"
_STORE_CONTENT = {"format": "repscape store", "version": STORE_FORMAT}
_KIND = re.compile(r"[a-z][a-z0-9_]*")
_KEY = re.compile(r"[0-9a-f]{8,64}")
_SHARD_BYTES = 256 * 2**20
_PAGE_ROWS = 4096
_BESIDE = ("_failures", "_leases", "_seconds", "_tasks")


@dataclass(frozen=True)
class Problem:
    """One thing that `Store.verify` found: the key of the artefact, and what is wrong."""

    key: str
    message: str


class Store:
    """Content-addressed artefacts and result tables in a directory.

    It is safe to share between processes and hosts, to kill at any moment, to move, to copy
    and to delete artefacts from (`KIND/KEY/` is one artefact). An artefact exists once its
    manifest does; the first commit of a key wins, and later ones are discarded.

    Parameters
    ----------
    root : path
        The directory.
    create : bool
        Make an empty store if the directory does not exist or is empty.

    Raises
    ------
    StoreError
        If the directory is something else than a store, or a store of a newer version.
    StoreNotWritableError
        If the store has to be made, and cannot.
    """

    def __init__(self, root: Path | str, create: bool = True) -> None:
        self.root = Path(root).expanduser()
        if not (self.root / _STORE_NAME).exists():
            self._create(create)
        self._check_format()

    def has(self, key: str) -> bool:
        """Whether the artefact is committed."""
        return self._find(key) is not None

    def keys(self, kind: str | None = None) -> list[str]:
        """The keys of all committed artefacts, or of those of one kind, sorted."""
        found = (d for d in self._directories(kind) if d.is_committed)
        return sorted(directory.key for directory in found)

    def unfinished(self, kind: str | None = None) -> dict[str, int]:
        """The keys of what was begun and is not committed, and how many full shards each has."""
        found = (d for d in self._directories(kind) if not d.is_committed)
        return {directory.key: directory.full_shards() for directory in found}

    def manifest(self, key: str) -> Manifest:
        """What the artefact is: recipe, files, shapes, checksums, versions, metadata."""
        return self._existing(key).manifest()

    def write_arrays(
        self,
        recipe: Recipe,
        arrays: Mapping[str, Values | npt.ArrayLike],
        metadata: Mapping[str, Any] | None = None,
        beside: Mapping[str, Any] | None = None,
    ) -> str:
        """Store named arrays or tensors (a checkpoint, a neighbour table, …); return the key.

        Nothing is written if the key is committed already.

        Parameters
        ----------
        recipe : Recipe
            Everything that determines the arrays.
        arrays : mapping of name to array or tensor
            Numbers of any type, bfloat16 included, in any shape; text in one dimension.
        metadata : mapping, optional
            Plain JSON values that belong to the content.
        beside : mapping, optional
            Plain JSON values that say how it was made: device, batch size, …

        Raises
        ------
        InvalidParameterError
            If an array or a value cannot be stored.
        StoreNotWritableError
            If the disk is full or read-only; nothing that is stored is harmed.
        """
        if not arrays:
            raise InvalidParameterError("there are no arrays to store: give at least one")
        buffers = {name: as_buffer(name, array) for name, array in arrays.items()}
        return self._write_one(
            recipe, lambda d: d.write_arrays("arrays", buffers), metadata or {}, beside or {}
        )

    def read_arrays(
        self, key: str, names: Iterable[str] | None = None, mmap: bool = False
    ) -> dict[str, Values]:
        """Read stored arrays after checking their checksums.

        NumPy arrays, except for the types that NumPy lacks (bfloat16), which are torch tensors.
        With `mmap` they are mapped where they lie; writing into them changes only this
        process's copy.

        Raises
        ------
        ArtefactMissingError
            If the key is not committed.
        UnknownNameError
            If it has no array of that name.
        CorruptArtefactError
            If a file is missing, truncated or altered.
        """
        directory = self._existing(key)
        manifest = directory.manifest()
        known = manifest.arrays
        wanted = list(known if names is None else names)
        for name in wanted:
            if name not in known:
                raise UnknownNameError(
                    f"artefact {key} has no array {name!r}: {did_you_mean(name, known)}"
                )
        return directory.arrays(manifest, wanted, mmap)

    def representation_writer(
        self,
        recipe: Recipe,
        origin: Origin,
        shard_rows: int = DEFAULT_SHARD_ROWS,
        plan: Mapping[str, Any] | None = None,
        beside: Mapping[str, Any] | None = None,
    ) -> RepresentationWriter:
        """Open a writer that streams rows into the store, or resumes where the last one ended.

        `plan` (of batches) and `shard_rows` are recorded by the first writer of a key; later
        ones get the recorded ones.
        """
        directory = self._directory(recipe)
        return RepresentationWriter(directory, recipe, origin, shard_rows, plan, beside)

    def carry_over(self, earlier: Recipe, recipe: Recipe, until: Any) -> None:
        """Let a representation begin with the full shards of an earlier one, whole or begun.

        For data that begin with the same samples: what was computed for them is not computed
        again. Shards are taken up to the one that holds the row with the id `until`.
        """
        there = self._directory(earlier)
        if self.has(recipe.key) or not there.path.is_dir():
            return
        nothing = Origin()
        with RepresentationWriter(there, earlier, nothing) as known:
            start = known.plan_at(0)
            with self.representation_writer(recipe, nothing, known.shard_rows, start) as writer:
                writer.take_over(known, until)

    def save_representation(
        self,
        recipe: Recipe,
        representation: Representation,
        beside: Mapping[str, Any] | None = None,
    ) -> Representation:
        """Store a representation that is in memory; return the stored one, with its key."""
        if self.has(recipe.key):
            return self.load_representation(recipe.key)
        values = representation.values
        rows = max(1, _SHARD_BYTES // (representation.d * values.dtype.itemsize))
        rows = rows // _PAGE_ROWS * _PAGE_ROWS or rows  # whole pages can be mapped as one array
        origin = representation.origin
        with self.representation_writer(recipe, origin, rows, beside=beside) as writer:
            step = writer.shard_rows
            for start in range(writer.rows_done, representation.n, step):
                part = slice(start, start + step)
                labels = representation.labels
                writer.append(
                    values[part],
                    representation.sample_ids[part],
                    None if labels is None else labels[part],
                    {name: column[part] for name, column in representation.columns.items()},
                )
            return writer.commit([columns_of(representation)])

    def load_representation(self, key: str, share: Sequence[Columns] = ()) -> Representation:
        """Read a representation after checking its checksums.

        The values are memory-mapped, also where they lie in several shards; only shards whose
        rows do not fill whole pages are joined into one array in memory. Ids, labels and columns
        that equal one of `share` (see `named_columns`) are that very array.

        Raises
        ------
        ArtefactMissingError, CorruptArtefactError
            If the key is not committed; if a file is missing, truncated or altered.
        """
        return load_representation(self._existing(key), share)

    def write_table(
        self,
        recipe: Recipe,
        table: pd.DataFrame,
        metadata: Mapping[str, Any] | None = None,
        beside: Mapping[str, Any] | None = None,
    ) -> str:
        """Store a tidy table as parquet; equal tables give equal bytes. Return the key.

        Nothing is written if the key is committed already. The row index is not stored.
        """
        content, specs = as_parquet(table)
        return self._write_one(
            recipe,
            lambda d: d.write("table", TABLE_SUFFIX, [content], specs),
            metadata or {},
            beside or {},
        )

    def read_table(self, key: str) -> pd.DataFrame:
        """Read a table after checking its checksum; missing numbers are NaN or `pd.NA`."""
        directory = self._existing(key)
        manifest = directory.manifest()
        directory.expect(manifest, TABLE_SUFFIX, "table")
        (entry,) = manifest.files
        return read_parquet(directory.verified(entry))

    def delete(self, key: str) -> None:
        """Remove an artefact, committed or unfinished; nothing else is touched."""
        paths = [folder / key for folder in self._kinds() if (folder / key).is_dir()]
        if not paths or _KEY.fullmatch(key) is None:
            raise self._missing(key)
        for path in paths:
            remove_tree(path)

    def verify(self, key: str | None = None) -> list[Problem]:
        """Hash every file of one artefact, or of all, and return what is wrong."""
        directories = [self._existing(key)] if key is not None else self._directories()
        problems = []
        for directory in directories:
            if not directory.is_committed:
                continue
            try:
                for entry in directory.manifest().files:
                    directory.verified(entry, fresh=True)
            except CorruptArtefactError as problem:
                problems.append(Problem(directory.key, str(problem)))
        return problems

    def clean(self, max_age: float = WEEK) -> list[Path]:
        """Remove what killed processes left behind, and return the paths.

        Temporary files go if their process is no longer running on this host or if they have
        not changed for `max_age` seconds; files that no manifest lists go from committed
        artefacts. Unfinished artefacts stay, so that they can be resumed.
        """
        removed = [path for d in self._directories() for path in d.sweep(max_age)]
        beside = (self.root / name for name in _BESIDE)
        for folder in (self.root, *self._kinds(), *beside):
            removed.extend(sweep_temporaries(folder, max_age))
        return sorted(removed)

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    def _create(self, create: bool) -> None:
        if self.root.exists():
            if not self.root.is_dir():
                raise StoreError(f"{self.root} is a file: a store is a directory")
            # Another process may be about to make the same store.
            others = [p.name for p in self.root.iterdir() if not p.name.startswith(_STORE_NAME)]
            if others:
                raise StoreError(
                    f"{self.root} is not a store: it holds {sorted(others)[0]!r} but no "
                    f"{_STORE_NAME}; give a new or empty directory, or the right one"
                )
        if not create:
            raise StoreError(f"there is no store at {self.root}: check the path")
        make_directory(self.root)
        publish_first(self.root / _STORE_NAME, json_bytes(_STORE_CONTENT))

    def _check_format(self) -> None:
        path = self.root / _STORE_NAME
        try:
            content = json.loads(path.read_bytes())
            known, version = content["format"] == _STORE_CONTENT["format"], int(content["version"])
        except (ValueError, KeyError, TypeError) as problem:
            raise StoreError(f"{path} is not the description of a store: {problem!r}") from problem
        if not known:
            raise StoreError(f"{path} is not the description of a store: {content!r}")
        if version > STORE_FORMAT:
            raise StoreError(
                f"{self.root} is a store of version {version}, but this Repscape reads up to "
                f"{STORE_FORMAT}: install a newer one (pip install --upgrade repscape)"
            )

    def _write_one(
        self,
        recipe: Recipe,
        write: Callable[[ArtefactDirectory], FileEntry],
        metadata: Mapping[str, Any],
        beside: Mapping[str, Any],
    ) -> str:
        directory = self._directory(recipe)
        json_bytes({"metadata": metadata, "beside": beside})  # refuse before anything is written
        if directory.is_committed:
            return directory.key
        directory.create()
        entry: FileEntry = write(directory)
        manifest = Manifest(recipe, (entry,), metadata, beside, library_versions())
        return directory.commit(manifest).key

    def _directory(self, recipe: Recipe) -> ArtefactDirectory:
        if _KIND.fullmatch(recipe.kind) is None:
            raise InvalidParameterError(
                f"kind {recipe.kind!r}: use lower-case letters, digits and underscores"
            )
        as_read = Recipe(**json.loads(json_bytes(recipe.to_dict())))
        if as_read.key != recipe.key:
            raise InvalidParameterError(
                f"the recipe {recipe.to_dict()} does not survive JSON: use text for the keys of "
                "its mappings"
            )
        return ArtefactDirectory(self.root / recipe.kind / recipe.key, recipe.key)

    def _kinds(self) -> list[Path]:
        return [p for p in listing(self.root) if _KIND.fullmatch(p.name) and p.is_dir()]

    def _directories(self, kind: str | None = None) -> Iterator[ArtefactDirectory]:
        for folder in self._kinds():
            if kind is None or folder.name == kind:
                for path in listing(folder):
                    if _KEY.fullmatch(path.name):
                        yield ArtefactDirectory(path, path.name)

    def _find(self, key: str) -> ArtefactDirectory | None:
        if _KEY.fullmatch(key) is None:
            return None
        for folder in self._kinds():
            directory = ArtefactDirectory(folder / key, key)
            if directory.is_committed:
                return directory
        return None

    def _existing(self, key: str) -> ArtefactDirectory:
        directory = self._find(key)
        if directory is None:
            raise self._missing(key)
        return directory

    def _missing(self, key: str) -> ArtefactMissingError:
        return ArtefactMissingError(f"the store {self.root} has no committed artefact {key!r}")
