"""`ArtefactDirectory`: the files of one artefact, written so that nothing is ever half there."""

from __future__ import annotations

import hashlib
import itertools
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from repscape.errors import ArtefactMissingError, CorruptArtefactError, StoreError
from repscape.store.arrays import (
    Buffer,
    as_safetensors,
    from_buffer,
    join,
    locate,
    map_rows,
    map_safetensors,
)
from repscape.store.atomic import (
    is_abandoned,
    is_temporary,
    link_or_copy,
    make_directory,
    move_into_place,
    publish_first,
    temporary_file,
    writing,
)
from repscape.store.manifest import MANIFEST_NAME, ArraySpec, FileEntry, Manifest

if TYPE_CHECKING:
    from repscape.representation import Values

ARRAYS_SUFFIX, TABLE_SUFFIX = ".safetensors", ".parquet"
RECORD_STEM = "shard-"
WEEK = 7 * 24 * 3600.0
_NAME_DIGEST_CHARACTERS = 16
_DATA_OR_RECORD = re.compile(
    rf".*-[0-9a-f]{{{_NAME_DIGEST_CHARACTERS}}}({ARRAYS_SUFFIX}|{TABLE_SUFFIX})"
    rf"|{RECORD_STEM}[0-9]+\.json"
)

_Stamp = tuple[int, int, int, int]
# Files whose checksum this process has seen to hold: hashing them again would only cost time.
_VERIFIED: dict[tuple[str, str], _Stamp] = {}


@dataclass(frozen=True)
class ArtefactDirectory:
    """The directory of one artefact, committed or unfinished.

    Data files carry their checksum in their names, so that several processes that write the
    same artefact, even with different bytes, never write the same file. The manifest decides
    which of them count; it is written last, and only once.
    """

    path: Path
    key: str

    @property
    def is_committed(self) -> bool:
        """Whether the artefact exists."""
        return self._manifest_path.exists()

    def create(self) -> None:
        """Make the directory."""
        make_directory(self.path)

    def manifest(self) -> Manifest:
        """Read the manifest.

        Raises
        ------
        ArtefactMissingError
            If the artefact is not committed.
        CorruptArtefactError
            If the manifest was altered.
        """
        try:
            text = self._manifest_path.read_bytes()
        except FileNotFoundError:
            raise ArtefactMissingError(f"no artefact is committed in {self.path}") from None
        try:
            manifest = Manifest.from_json(text)
        except (ValueError, KeyError, TypeError, AttributeError) as problem:
            raise self.corrupt(MANIFEST_NAME, f"the manifest is broken: {problem}") from problem
        if manifest.key != self.key:
            raise self.corrupt(MANIFEST_NAME, f"the manifest belongs to the key {manifest.key}")
        return manifest

    def write_arrays(
        self, stem: str, buffers: Mapping[str, Buffer], paged: str | None = None
    ) -> FileEntry:
        """Write one safetensors file; it counts once a manifest lists it."""
        specs = {name: buffer.spec for name, buffer in buffers.items()}
        return self.write(stem, ARRAYS_SUFFIX, as_safetensors(buffers, paged), specs)

    def write(
        self,
        stem: str,
        suffix: str,
        pieces: Iterable[bytes | memoryview],
        specs: Mapping[str, ArraySpec],
    ) -> FileEntry:
        """Write one data file, named after its checksum; it counts once a manifest lists it."""
        with temporary_file(self.path, stem + suffix, pieces) as written:
            name = f"{stem}-{written.sha256[:_NAME_DIGEST_CHARACTERS]}{suffix}"
            move_into_place(written, self.path / name)
        return FileEntry(name, written.sha256, written.size, specs)

    def commit(self, manifest: Manifest) -> Manifest:
        """Make the artefact exist; return the manifest of whoever was first to commit.

        Temporary files that processes left here when they were killed are removed.
        """
        won = publish_first(self._manifest_path, manifest.to_json())
        sweep_temporaries(self.path, WEEK)
        if won:
            return manifest
        winner = self.manifest()
        listed = {entry.name for entry in winner.files}
        with writing(self.path):
            for entry in manifest.files:
                if entry.name not in listed:
                    (self.path / entry.name).unlink(missing_ok=True)
        return winner

    def verified(self, entry: FileEntry, fresh: bool = False) -> Path:
        """Return the path of a file after checking its size and checksum.

        A file that this process has checked before, and that has not changed since by its
        size, times and inode, is not hashed again unless `fresh`.

        Raises
        ------
        CorruptArtefactError
            If the file is missing, truncated or altered.
        """
        path = self.path / entry.name
        try:
            stamp = _stamp(path)
        except FileNotFoundError:
            raise self.corrupt(entry.name, "the file is missing") from None
        if stamp[0] != entry.size:
            raise self.corrupt(entry.name, f"the file has {stamp[0]} bytes instead of {entry.size}")
        seen = (str(path.absolute()), entry.sha256)
        if fresh or _VERIFIED.get(seen) != stamp:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if digest != entry.sha256:
                raise self.corrupt(entry.name, "the file was altered: its checksum is another")
            _VERIFIED[seen] = stamp
        return path

    def share(self, entry: FileEntry, other: ArtefactDirectory) -> None:
        """Have a file of another artefact as well, of the same content; it is hashed at most once.

        Follow it by `flush_directory`.
        """
        source, path = other.verified(entry), self.path / entry.name
        link_or_copy(source, path)
        for same in (source, path):  # a link changes the times of both
            _VERIFIED[str(same.absolute()), entry.sha256] = _stamp(same)

    def buffers(self, entry: FileEntry, names: Iterable[str] | None = None) -> dict[str, Buffer]:
        """Map arrays of one verified file into memory."""
        wanted = entry.arrays if names is None else {name: entry.arrays[name] for name in names}
        return map_safetensors(self.verified(entry), wanted)

    def arrays(
        self, manifest: Manifest, names: Iterable[str] | None = None, mmap: bool = False
    ) -> dict[str, Values]:
        """Read arrays; those in several shards are joined by rows into one array in memory."""
        self.expect(manifest, ARRAYS_SUFFIX, "arrays")
        specs = manifest.arrays
        wanted = list(specs if names is None else names)
        if len(manifest.files) > 1:
            whole = {n: join(self.parts(manifest.files, n), specs[n].shape[0]) for n in wanted}
        elif mmap:
            whole = self.buffers(manifest.files[0], wanted)
        else:
            mapped = self.buffers(manifest.files[0], wanted)
            whole = {name: Buffer(b.dtype, np.array(b.data)) for name, b in mapped.items()}
        return {name: from_buffer(buffer) for name, buffer in whole.items()}

    def parts(self, files: Iterable[FileEntry], name: str) -> Iterator[Buffer]:
        """Map the rows of one array, file after file."""
        return (self.buffers(entry, [name])[name] for entry in files)

    def rows(self, manifest: Manifest, name: str) -> Values:
        """Map the rows of an array of numbers, which may lie in several shards.

        Where the shards cannot be mapped one behind the other (rows that do not fill whole
        pages), they are joined in memory.
        """
        self.expect(manifest, ARRAYS_SUFFIX, "arrays")
        spec = manifest.arrays[name]
        mapped = map_rows([locate(self.verified(e), name) for e in manifest.files], spec)
        if mapped is None:
            return self.arrays(manifest, [name], mmap=True)[name]
        return from_buffer(mapped)

    def expect(self, manifest: Manifest, suffix: str, what: str) -> None:
        """Raise `StoreError` if the artefact is not stored as this kind of file."""
        if not all(entry.name.endswith(suffix) for entry in manifest.files):
            raise StoreError(f"the artefact {self.key} is a {manifest.kind}: it holds no {what}")

    def sweep(self, max_age: float) -> list[Path]:
        """Remove what dead processes left here, and return it.

        In a committed artefact that is also every file that the manifest does not list; an
        unfinished one keeps its shards, for whoever resumes it.
        """
        listed: set[str] | None = None
        if self.is_committed:
            try:
                listed = {entry.name for entry in self.manifest().files}
            except CorruptArtefactError:
                return []  # what it listed is unknown; `verify` reports it, `delete` removes it
        removed = sweep_temporaries(self.path, max_age)
        for path in listing(self.path):
            ours = _DATA_OR_RECORD.fullmatch(path.name) is not None
            if ours and listed is not None and path.name not in listed:
                remove(path)
                removed.append(path)
        return removed

    def full_shards(self) -> int:
        """How many full shards of an unfinished representation are there, without a gap."""
        records = {path.name for path in self.path.glob(f"{RECORD_STEM}*[0-9].json")}
        return next(k for k in itertools.count() if f"{RECORD_STEM}{k:06d}.json" not in records)

    def corrupt(self, name: str, what: str) -> CorruptArtefactError:
        """The error that says what is wrong with a file and how to rebuild the artefact."""
        return CorruptArtefactError(
            f"{self.path / name}: {what}. Nothing of this artefact is served; to rebuild it, "
            f"delete the key {self.key} (store.delete({self.key!r}), or remove the directory "
            f"{self.path}) and run again"
        )

    @property
    def _manifest_path(self) -> Path:
        return self.path / MANIFEST_NAME


def sweep_temporaries(folder: Path, max_age: float) -> list[Path]:
    """Remove the temporary files of processes that are gone, and return them.

    Those of another host go when they have not changed for `max_age` seconds.
    """
    stale = [p for p in listing(folder) if is_temporary(p) and is_abandoned(p, max_age)]
    for path in stale:
        remove(path)
    return stale


def listing(path: Path) -> list[Path]:
    """What a directory holds, sorted; nothing if another process has just removed it."""
    try:
        return sorted(path.iterdir())
    except FileNotFoundError:
        return []


def remove(path: Path) -> None:
    """Remove a file or a directory, if it is still there."""
    with writing(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _stamp(path: Path) -> _Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino
