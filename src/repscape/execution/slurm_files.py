"""What submitit leaves in its folder: removed when nobody needs it any more."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable
from pathlib import Path

from repscape.errors import StoreNotWritableError
from repscape.store.atomic import writing

WEEK = 7 * 24 * 3600.0
_ITS_OWN = re.compile(r"(\d+)(_\d+)*_(submitted\.pkl|result\.pkl|log\.(out|err)|submission\.sh)")


def forget(paths: Iterable[Path]) -> None:
    """Remove files of a job that has ended; where they cannot be, they may stay."""
    for path in paths:
        try:
            with writing(path):
                path.unlink(missing_ok=True)
        except StoreNotWritableError:
            return


def clean(folder: Path, listed: Iterable[str], max_age: float = WEEK) -> list[Path]:
    """Remove what is older than `max_age` seconds, and return the paths.

    `listed` are the jobs that wait or run: their files stay, and so does all that submitit did
    not write.
    """
    at_work = {job.partition("_")[0] for job in listed}
    oldest = time.time() - max_age
    old = [
        path
        for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
        if (its := _ITS_OWN.fullmatch(path.name))
        and its[1] not in at_work
        and path.stat().st_mtime < oldest
    ]
    forget(old)
    return old
