"""What is asked of chance and of intervals, checked before anything is computed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repscape.compute.seeds import checked_seed
from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    from repscape.significance.permutations import Partition

PERMUTATIONS = 200
"""How many are drawn unless a number is given."""
CONFIDENCE = 0.95
"""The nominal coverage of an interval unless one is given."""


def check_asked(
    null: str | None,
    interval: str | None,
    n_permutations: int,
    seed: int,
    groups: Partition | None,
    blocks: Partition | None,
    confidence: float,
) -> None:
    """Refuse another null than there is, no seed, and settings of what was not asked for.

    Groups that restrict nothing would leave a user with another score than the one in mind. A
    seed is a setting of many things, and may be given although nothing is drawn.
    """
    if null not in (None, "permutation"):
        raise InvalidParameterError(f"null={null!r}: the only null is 'permutation'")
    checked_seed(seed)
    if null is None:
        given = [] if n_permutations == PERMUTATIONS else [f"n_permutations={n_permutations!r}"]
        columns = (("groups", groups), ("blocks", blocks))
        given += [_shown(name, column) for name, column in columns if column is not None]
        if given:
            raise InvalidParameterError(
                f"{' and '.join(given)} given, but no null was asked for: add null='permutation'"
            )
    if interval is None and confidence != CONFIDENCE:
        raise InvalidParameterError(
            f"confidence={confidence!r}, but no interval was asked for: add interval='jackknife'"
        )


def check_confidence(confidence: float) -> None:
    """Refuse a coverage outside (0, 1)."""
    if not 0.0 < confidence < 1.0:
        raise InvalidParameterError(f"confidence={confidence}: it lies between 0 and 1")


def _shown(name: str, column: Partition) -> str:
    return f"{name}={column!r}" if isinstance(column, str) else name
