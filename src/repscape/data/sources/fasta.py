"""`fasta:` protein sequences."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from repscape.data.digests import files_revision
from repscape.data.labels import load_labels
from repscape.data.load_data import data_scheme
from repscape.data.located import located_files
from repscape.data.source import DataSource
from repscape.errors import InvalidParameterError, UnreadableFileError

_SUFFIXES = (".fasta", ".fa", ".faa", ".fasta.gz", ".fa.gz", ".faa.gz")


@data_scheme("fasta", "fasta:proteins.fasta", "protein sequences, also gzipped")
def open_fasta(location: str, *, labels: str | None = None, split: str = "all") -> DataSource:
    """Sequences as they are written, without white space and a final `*`, held in memory.

    The id is the first word of the line that begins with `>`; the rest of that line is the
    metadata column `description`. `labels` is a file with one class for each sequence, in their
    order: a text file with one on each line, or a `.npy` file.
    """
    files = located_files("fasta", location, _SUFFIXES)
    records = [record for path in files.values() for record in _records(path)]
    ids, descriptions, sequences = zip(*records, strict=True)
    classes = None if labels is None else load_labels(labels)
    if classes is not None and len(classes) != len(ids):
        raise InvalidParameterError(
            f"labels={labels}: it has {len(classes)} labels, but fasta:{location} has {len(ids)} "
            "sequences: give one each"
        )
    return DataSource(
        name=f"fasta:{Path(location).expanduser().name}",
        written=f"fasta:{location}",
        ids=np.asarray(ids, dtype=np.str_),
        readers={"protein": sequences},
        find_revision=files_revision(
            files if labels is None else {**files, "labels": Path(labels)}
        ),
        split=split,
        labels=classes,
        columns={"description": np.asarray(descriptions, dtype=np.str_)},
    )


def _records(path: Path) -> list[tuple[str, str, str]]:
    records: list[tuple[str, str, str]] = []
    header, parts = "", list[str]()
    for line in _lines(path):
        if line.startswith(">"):
            if header:
                records.append(_record(header, parts))
            header, parts = line, []
            if not header[1:].split():
                raise UnreadableFileError(f"{path}: sequence {len(records) + 1} has no name")
        elif not header:
            raise UnreadableFileError(f"{path}: not a FASTA file (it begins with {line[:20]!r})")
        else:
            parts.append(line)
    if not header:
        raise UnreadableFileError(f"{path}: there is no sequence in it")
    return [*records, _record(header, parts)]


def _record(header: str, parts: list[str]) -> tuple[str, str, str]:
    name, _, description = header[1:].strip().partition(" ")
    return name, description.strip(), "".join("".join(parts).split()).removesuffix("*")


def _lines(path: Path) -> Iterator[str]:
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8") as file:
            yield from (line.strip() for line in file if line.strip())
    except (UnicodeDecodeError, gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise UnreadableFileError(f"{path}: truncated or not a text file ({problem})") from None
