"""What a run writes down before it begins: the study, its tasks, where its store is."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.errors import RepscapeError, StudyError, UnreadableFileError
from repscape.store.atomic import replace_file
from repscape.studies.yaml_file import dump_source, read_source

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.studies.study import Study
    from repscape.tasks import Task

NAME = "tasks.json"
STUDY = "study.yaml"


@dataclass(frozen=True)
class Planned:
    """One task of a run."""

    key: str
    kind: str
    stage: str
    label: str


@dataclass(frozen=True)
class Snapshot:
    """The tasks of a run, where their artefacts go, and from where it was started."""

    study: str
    store: Path
    started_in: Path
    tasks: tuple[Planned, ...]


def write_snapshot(out: Path, study: Study, store: Store, tasks: Sequence[Task]) -> None:
    """Write down the study and the tasks of a run; paths as seen from the output folder."""
    out.mkdir(parents=True, exist_ok=True)
    write_study(out, study)
    rows = [[task.key, task.recipe.kind, task.stage, task.label] for task in tasks]
    content = {
        "study": study.name,
        "store": _seen_from(out, store.root),
        "started_in": _seen_from(out, Path.cwd()),
        "tasks": rows,
    }
    replace_file(out / NAME, (json.dumps(content, ensure_ascii=False) + "\n").encode())


def read_snapshot(out: Path) -> Snapshot:
    """Read what `write_snapshot` wrote.

    Raises
    ------
    UnreadableFileError
        If the folder holds no run.
    """
    path = out / NAME
    try:
        known = json.loads(path.read_bytes())
        tasks = tuple(Planned(*row) for row in known["tasks"])
        started_in = out / known.get("started_in", ".")
        return Snapshot(known["study"], out / known["store"], started_in, tasks)
    except FileNotFoundError:
        raise UnreadableFileError(
            f"{out}: no study has been run into this folder; give the folder of `repscape run`"
        ) from None
    except (ValueError, KeyError, TypeError) as problem:
        raise UnreadableFileError(f"{path} does not say what was run: {problem!r}") from None


def write_study(out: Path, study: Study) -> Path:
    """Write the study, with what `--set` changed, as `OUT/study.yaml`, and return the path.

    A file that says the same is left as it is, with its comments.

    Raises
    ------
    StudyError
        If that is the very file that was read, and `--set` has changed the study.
    """
    path = out / STUDY
    if _says(path, study):
        return path
    given = Path(study.source.name)
    if path.exists() and given.exists() and path.samefile(given):
        raise StudyError(
            f"{path}: this is the study file itself, and the study that --set makes of it would "
            "be written over it: give another folder with --out, or change the file"
        )
    replace_file(path, dump_source(study.source.content).encode())
    return path


def _says(path: Path, study: Study) -> bool:
    try:
        return read_source(path).content == study.source.content
    except RepscapeError:
        return False  # there is none, or one that something else wrote


def _seen_from(out: Path, path: Path) -> str:
    return os.path.relpath(path.absolute(), out.absolute())
