"""What a file holds, and which of its arrays is the representation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from repscape.errors import InvalidParameterError, UnreadableFileError, did_you_mean

if TYPE_CHECKING:
    from repscape.representation import Values

VALUE_NAMES = ("values", "representation")
ID_NAMES = ("sample_ids", "sample_id", "ids", "id")
LABEL_NAMES = ("labels", "label")
_MOST_NAMES_SHOWN = 20


@dataclass(frozen=True)
class Contents:
    """Values with the ids, labels and columns that stand beside them in the file."""

    values: Values
    sample_ids: npt.NDArray[Any] | None = None
    labels: npt.NDArray[Any] | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)


def choose_array(path: Path, names: Iterable[str], choice: str | None) -> str:
    """Return the name of the array to read: the choice, a known name, or the only one.

    Raises
    ------
    UnreadableFileError
        If there is no array, no array of the chosen name, or several and no choice.
    """
    names = list(names)
    if choice is not None:
        if choice not in names:
            raise UnreadableFileError(
                f"{path}: holds no array {choice!r}: {did_you_mean(choice, names)}"
            )
        return choice
    candidates = [name for name in names if name not in ID_NAMES + LABEL_NAMES]
    known = [name for name in VALUE_NAMES if name in candidates]
    if known or len(candidates) == 1:
        return known[0] if known else candidates[0]
    if not candidates:
        raise UnreadableFileError(f"{path}: holds no array of values, only {names}")
    shown = ", ".join(candidates[:_MOST_NAMES_SHOWN])
    hidden = len(candidates) - _MOST_NAMES_SHOWN
    more = f" and {hidden} more" if hidden > 0 else ""
    raise UnreadableFileError(
        f"{path}: holds {len(candidates)} arrays ({shown}{more}); choose one with "
        f'"{path}::{candidates[0]}", or call the right one {VALUE_NAMES[0]!r}'
    )


def first_known(names: Iterable[str], known: tuple[str, ...]) -> str | None:
    """Return the first of the `known` names that is among `names`, or None."""
    names = set(names)
    return next((name for name in known if name in names), None)


def refuse_choice(path: Path, choice: str | None, what: str) -> None:
    """Raise `InvalidParameterError` if `::name` was given for a file with one array."""
    if choice is not None:
        raise InvalidParameterError(f'"{path}::{choice}": {what}, so leave "::{choice}" out')
