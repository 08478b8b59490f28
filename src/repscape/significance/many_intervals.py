"""Intervals over samples of many pairs: every replicate scores all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast, get_args

import numpy as np
import torch

from repscape.errors import InvalidParameterError, RepscapeError, did_you_mean
from repscape.measures.base import Measure, Outcome
from repscape.significance.asked import check_confidence
from repscape.significance.intervals import (
    Interval,
    interval_from,
    kept_rows,
)
from repscape.significance.prepared import select_samples
from repscape.tables import INTERVAL_COLUMNS

if TYPE_CHECKING:
    import numpy.typing as npt

Replicated: TypeAlias = Literal["jackknife", "subsampling"]
Values: TypeAlias = "Sequence[torch.Tensor | RepscapeError]"
Labels: TypeAlias = "Sequence[npt.NDArray[Any] | None]"
ScoreAll: TypeAlias = "Callable[[Values, Labels], Sequence[Outcome]]"
"""Scores all pairs of values, given with their labels."""


def check_interval_name(method: str | None, confidence: float) -> None:
    """Refuse a method that does not serve many pairs at once, or an impossible coverage."""
    if method is None:
        return
    if method not in get_args(Replicated):
        raise InvalidParameterError(
            f"interval={method!r}: {did_you_mean(method, get_args(Replicated))}; a bootstrap is "
            "for one pair (repscape.compare)"
        )
    check_confidence(confidence)


def interval_pairs(
    measure: Measure[Any],
    values: Values,
    labels: Labels,
    scores: Sequence[Outcome],
    score_all: ScoreAll,
    method: str,
    confidence: float,
    seed: int,
) -> list[Interval | RepscapeError]:
    """The interval of every score, those of `score_all` of the values, or why there is none.

    The replicates are the same for all pairs, and those of `repscape.compare` with this seed. Each
    costs what the scores cost.
    """
    known = [value for value in values if not isinstance(value, RepscapeError)]
    n, chosen = len(known[0]) if known else 0, cast(Replicated, method)
    try:
        kept = kept_rows(chosen, n, seed, measure.declared.minimum_n)
    except RepscapeError as reason:
        return [score if isinstance(score, RepscapeError) else reason for score in scores]
    replicates = []
    for rows in kept:
        some = [_of(measure, value, rows) for value in values]
        known_labels = [None if column is None else column[rows.numpy()] for column in labels]
        replicates.append(score_all(some, known_labels))
    return [
        _interval(measure, chosen, n, score, [row[index] for row in replicates], confidence)
        for index, score in enumerate(scores)
    ]


def interval_columns(found: Sequence[Interval | RepscapeError]) -> list[dict[str, Any]]:
    """The columns `repscape.tables.INTERVAL_COLUMNS` of every pair."""
    return [_columns(one) for one in found]


def _columns(found: Interval | RepscapeError) -> dict[str, Any]:
    if isinstance(found, RepscapeError):
        return dict.fromkeys(INTERVAL_COLUMNS) | {"interval_reason": str(found)}
    return {
        "interval_low": found.low,
        "interval_high": found.high,
        "standard_error": found.standard_error,
        "interval_method": found.method,
        "confidence": found.confidence,
        "interval_reason": found.reason,
    }


def _of(
    measure: Measure[Any], value: torch.Tensor | RepscapeError, rows: torch.Tensor
) -> torch.Tensor | RepscapeError:
    return value if isinstance(value, RepscapeError) else select_samples(measure, value, rows)


def _interval(
    measure: Measure[Any],
    method: Replicated,
    n: int,
    score: Outcome,
    replicates: list[Outcome],
    confidence: float,
) -> Interval | RepscapeError:
    for outcome in (score, *replicates):
        if isinstance(outcome, RepscapeError):
            return outcome
    numbers = np.array(replicates, dtype=float)
    found = interval_from(method, n, cast(float, score), numbers.tolist(), confidence)
    return found.within(*measure.declared.range)
