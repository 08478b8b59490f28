"""`recompute_command`: the one command that computes an output again, from where it lies now."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repscape.errors import RepscapeError, UnreadableFileError
from repscape.studies.expand import expand
from repscape.studies.snapshot import STUDY, read_snapshot
from repscape.studies.yaml_file import Source, read_source
from repscape.tasks import digest_json

if TYPE_CHECKING:
    from repscape.studies.provenance import Provenance

IN_THE_FOLDER = f"repscape run {STUDY} --out ."
"""What is written into outputs: true in the output folder, wherever that is moved."""


def recompute_command(file: Path, found: Provenance) -> str:
    """What to type, in any folder, to compute a file of a study again.

    The output folder is found from where the file lies, so it may have been moved. If the study
    names files by paths that are relative to where it was run, the command goes there first.

    Raises
    ------
    UnreadableFileError
        If the file does not lie in the output folder of its study any more; the message says
        what to do.
    """
    out = file.absolute().parents[found.what.count("/")]
    source = _study_of(out, file, found)
    words = ["repscape", "run", str(out / STUDY), "--out", str(out)]
    try:
        snapshot = read_snapshot(out)
    except UnreadableFileError:
        return shlex.join(words)  # written by a version that did not say where it was started
    store = snapshot.store.resolve()
    if store != (out / "store").resolve() and store.is_dir():
        words += ["--store", str(store)]
    started_in = snapshot.started_in.resolve()
    if _names_files_in(started_in, source):
        return f"cd {shlex.quote(str(started_in))} && {shlex.join(words)}"
    return shlex.join(words)


def _study_of(out: Path, file: Path, found: Provenance) -> Source:
    """The study in the output folder, if the file was made by it."""
    path = out / STUDY
    elsewhere = f"run what it says of itself in the folder that it was written to: {found.command}"
    try:
        source = read_source(path)
    except RepscapeError:
        raise UnreadableFileError(
            f"{file}: there is no {path.name} beside it: {elsewhere}"
        ) from None
    if digest_json(source.content) != found.study_digest:
        raise UnreadableFileError(
            f"{file}: {path} is not the study that made it (digest {found.study_digest}), but "
            f"another one (digest {digest_json(source.content)}): {elsewhere}"
        )
    return source


def _names_files_in(folder: Path, source: Source) -> bool:
    """Whether models or data are named by paths that are relative to this folder."""
    return any(
        not Path(text).is_absolute() and (folder / text).exists()
        for place in ("models", "data")
        for position, entry in enumerate(source.content[place])
        for one in expand(source, entry, (place, position))
        for text in _paths(
            {key: one.content.get(key) for key in ("model", "data", "read", "options")}
        )
    )


def _paths(value: Any) -> Iterator[str]:
    """The texts that may name a file: whole, and after the prefix that names a source."""
    if isinstance(value, str):
        yield from {value, value.partition(":")[2]} - {""}
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _paths(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _paths(part)
