"""Samples at which the network itself fails, found among those of the windows that raise.

A batch that raises does not say which of its samples is to blame. So its samples are run one by
one, and those that raise by themselves are at fault, provided that the network still takes
samples that it took before; otherwise it is the network, or its device, that is broken.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np

from repscape.extract.forward import is_out_of_memory
from repscape.extract.windows import Pass, Prepared, Window

_MOST_TRIED = 16

Run: TypeAlias = Callable[[Pass], object]


class FailingSamplesError(Exception):
    """Leaves a pass over the data in which the network fails at some samples.

    Attributes
    ----------
    problems : dict of id to Exception
    start : int
        The number of samples before the first window with such a sample.
    until : str or int
        The id of the first sample of that window.
    """

    def __init__(self, problems: dict[Any, Exception], window: Window) -> None:
        super().__init__(f"the network fails at {list(problems)}")
        self.problems = problems
        self.start = window.start
        self.until = window.ids[0].item()


def raise_failing(
    windows: Iterable[tuple[Window, Prepared]],
    shard_rows: int,
    size: int,
    run: Run,
    takes_any: Callable[[Run], bool],
) -> None:
    """Raise `FailingSamplesError` if samples of the first window make the network fail.

    Then the windows that follow within one shard are looked through as well, so that many bad
    samples end few passes over the data.

    Parameters
    ----------
    windows : iterable of (Window, Prepared)
        The window that raised, and those that follow.
    shard_rows : int
    size : int
        Samples of a batch.
    run : callable
        Runs a pass, or raises.
    takes_any : callable
        Whether the network, run so, takes any sample at all.
    """
    first: Window | None = None
    problems: dict[Any, Exception] = {}
    for window, prepared in windows:
        if first is not None and window.start // shard_rows > first.start // shard_rows:
            break
        found, works = _failing(prepared, size, run)
        if (first is None and not found) or not (works or takes_any(run)):
            break
        first = first or window
        problems |= {window.ids[place].item(): found[place] for place in found}
    if first is not None:
        raise FailingSamplesError(problems, first)


def raise_failing_first(windows: Iterator[Window], few: int, run: Run) -> None:
    """Raise `FailingSamplesError` if some of the first `few` samples make the network fail.

    Nothing is raised if no sample of the first 16 passes: then it is not the samples.
    """
    first: Window | None = None
    problems: dict[Any, Exception] = {}
    for tried, (window, identity, problem) in enumerate(_one_by_one(windows, run), start=1):
        first = first or window
        if problem is not None:
            problems[identity] = problem
        if tried >= few and len(problems) < tried:
            break
    else:
        return
    if problems:
        raise FailingSamplesError(problems, first)


def takes_any(windows: Iterator[Window], run: Run) -> bool:
    """Whether the network takes any of the first 16 samples."""
    return any(problem is None for *_, problem in _one_by_one(windows, run))


def _one_by_one(
    windows: Iterator[Window], run: Run
) -> Iterator[tuple[Window, Any, Exception | None]]:
    """The first samples by themselves: window, id and what running them raises."""
    tried = 0
    for window in windows:
        prepared = window.prepare()
        for place, identity in enumerate(window.ids.tolist()):
            if tried == _MOST_TRIED:
                return
            tried += 1
            yield window, identity, _error_at(run, prepared, [place])


def _failing(prepared: Prepared, size: int, run: Run) -> tuple[dict[int, Exception], bool]:
    """The samples of a window that raise by themselves, and whether the last one did not."""
    suspects = [
        place
        for places in (batch.tolist() for batch in prepared.places(size))
        if _error_at(run, prepared, places) is not None
        for place in places
    ]
    found = {}
    works = True
    for place in sorted(suspects):
        problem = _error_at(run, prepared, [place])
        works = problem is None
        if problem is not None:
            found[place] = problem
    return found, works


def _error_at(run: Run, prepared: Prepared, places: list[int]) -> Exception | None:
    """What running some samples raises; memory that runs out is no fault of theirs."""
    try:
        run(prepared.batch(np.asarray(places)))
    except Exception as problem:  # a network raises what it likes
        return None if is_out_of_memory(problem) else problem
    return None
