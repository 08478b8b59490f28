"""The ledger: task files and failures, as JSON beside the artefacts of a store.

`_tasks/` holds the files that executors carry to workers, `_failures/` the last failure of each
task that has no artefact yet, `_seconds/` how long each took that has one. Nothing in the store
depends on them: they can be deleted.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from repscape.errors import StoreNotWritableError, UnreadableFileError
from repscape.execution.outcomes import Failure
from repscape.store import Store
from repscape.store.atomic import make_directory, publish_first, replace_file, writing
from repscape.store.leases import Leases
from repscape.tasks import Task, digest_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TASKS, _FAILURES, _SECONDS = "_tasks", "_failures", "_seconds"
_FORMAT = 1
_DIGEST_CHARACTERS = 8
_WEEK = 7 * 24 * 3600.0


def write_task_file(task: Task, store: Store) -> Path:
    """Write what a worker needs to run a task, unless it stands there already; return the path.

    The name holds a digest of the content, so that two drivers with other arguments for the
    same task do not write the same file. The worker finds the store by the place of the file.
    """
    content = {"format": _FORMAT, **task.to_dict()}
    path = store.root / _TASKS / f"{task.key}-{digest_json(content)[:_DIGEST_CHARACTERS]}.json"
    make_directory(path.parent)
    publish_first(path, _json(content))
    return path


def read_task_file(path: Path) -> tuple[Task, Store]:
    """The task and the store of a task file.

    Raises
    ------
    UnreadableFileError
        If it is not there or is none.
    """
    try:
        known = json.loads(path.read_bytes())
        if known["format"] > _FORMAT:
            raise ValueError(f"its format {known['format']} is newer than {_FORMAT}")
        task = Task.from_dict(known)
    except FileNotFoundError:
        raise UnreadableFileError(f"there is no task file {path}") from None
    except (ValueError, KeyError, TypeError) as problem:
        raise UnreadableFileError(f"{path} is not a task file: {problem!r}") from problem
    return task, Store(path.absolute().parents[1], create=False)


def clean_task_files(store: Store, max_age: float = _WEEK) -> list[Path]:
    """Remove the task files that nobody needs any more, and return their paths.

    Those of tasks whose artefacts are committed: a worker that comes late to one finds the
    artefact by the name of the file. Others may belong to workers that wait or run, also where
    the run that wrote them was killed, so they go only if they are older than `max_age` seconds
    and nobody holds the lease of the task.
    """
    folder = store.root / _TASKS
    removed = []
    leases = Leases(store.root)
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        key = _key_of(path)
        if store.has(key) or (_age(path) > max_age and not leases.is_held(key)):
            with contextlib.suppress(FileNotFoundError), writing(path):
                path.unlink()  # another run may be cleaning, too
            removed.append(path)
    return removed


def is_done(path: Path) -> bool:
    """Whether a task file is gone since the artefact of its task is committed."""
    root = path.absolute().parents[1]
    return not path.exists() and Store(root, create=False).has(_key_of(path))


def _key_of(path: Path) -> str:
    return path.name.partition("-")[0]


def _age(path: Path) -> float:
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def record_failure(failure: Failure, store: Store) -> None:
    """Write down a failure, in place of an older one of the same task."""
    path = _failure_path(failure.key, store)
    make_directory(path.parent)
    replace_file(path, _json(failure.to_dict()))


def forget_failure(key: str, store: Store) -> None:
    """Remove the failure of a task that has its artefact now."""
    path = _failure_path(key, store)
    with contextlib.suppress(FileNotFoundError), writing(path):
        path.unlink(missing_ok=True)


def record_seconds(key: str, seconds: float, store: Store) -> None:
    """Write down how long a task took; where there is no room for that, nothing is lost."""
    path = store.root / _SECONDS / key
    with contextlib.suppress(StoreNotWritableError):
        make_directory(path.parent)
        with writing(path):
            path.write_text(f"{seconds:.3f}\n", encoding="ascii")


def read_seconds(store: Store, keys: Iterable[str]) -> dict[str, float]:
    """How long tasks took, as far as that is known."""
    found = {}
    for key in keys:
        with contextlib.suppress(OSError, ValueError):
            text = (store.root / _SECONDS / key).read_text(encoding="ascii")
            if text.endswith("\n"):  # else it is being written
                found[key] = float(text)
    return found


def read_failures(store: Store) -> dict[str, Failure]:
    """The last failure of every task that has none but failures, by key."""
    folder = store.root / _FAILURES
    paths = sorted(folder.glob("*.json")) if folder.is_dir() else []
    found = (_read_failure(path) for path in paths if not store.has(path.stem))
    return {failure.key: failure for failure in found if failure is not None}


def _read_failure(path: Path) -> Failure | None:
    try:
        return Failure(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None  # a worker has just made the artefact
    except (ValueError, TypeError) as problem:
        raise UnreadableFileError(
            f"{path} is not the record of a failure: {problem!r}; it can be deleted"
        ) from problem


def _failure_path(key: str, store: Store) -> Path:
    return store.root / _FAILURES / f"{key}.json"


def _json(content: Mapping[str, Any]) -> bytes:
    # The order of inputs and arguments is kept: functions may go by it.
    return json.dumps(content, indent=1, allow_nan=False).encode() + b"\n"
