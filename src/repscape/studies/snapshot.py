"""What `repscape status` reads: the tasks of a run, written down before it begins."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.errors import UnreadableFileError

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.studies.study import Study
    from repscape.tasks import Task

NAME = "tasks.json"


@dataclass(frozen=True)
class Planned:
    """One task of a run."""

    key: str
    kind: str
    stage: str
    label: str


@dataclass(frozen=True)
class Snapshot:
    """The tasks of a run, and where their artefacts go."""

    study: str
    store: Path
    tasks: tuple[Planned, ...]


def write_snapshot(out: Path, study: Study, store: Store, tasks: Sequence[Task]) -> None:
    """Write down the tasks of a run."""
    out.mkdir(parents=True, exist_ok=True)
    root = os.path.relpath(store.root.absolute(), out.absolute())
    rows = [[task.key, task.recipe.kind, task.stage, task.label] for task in tasks]
    text = json.dumps({"study": study.name, "store": root, "tasks": rows}, ensure_ascii=False)
    partial = out / f".{NAME}.{os.getpid()}"
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(out / NAME)


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
        return Snapshot(known["study"], out / known["store"], tasks)
    except FileNotFoundError:
        raise UnreadableFileError(
            f"{out}: no study has been run into this folder; give the folder of `repscape run`"
        ) from None
    except (ValueError, KeyError, TypeError) as problem:
        raise UnreadableFileError(f"{path} does not say what was run: {problem!r}") from None
