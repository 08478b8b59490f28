"""Scores of many pairs: a tidy table, and its matrices."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from repscape.errors import (
    InvalidParameterError,
    UndefinedScoreError,
    UnknownNameError,
    did_you_mean,
)
from repscape.measures.base import Measure, get_measure

if TYPE_CHECKING:
    import pandas as pd


class MissingScoresWarning(UserWarning):
    """Some of the pairs of a matrix have no score: their cells are NaN."""


@dataclass(frozen=True, eq=False)
class Similarities:
    """Scores of many pairs: `table` is tidy, one row per number (columns: `repscape.tables`)."""

    table: pd.DataFrame
    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    rows_are_columns: bool = True

    def to_matrix(self, measure: str | Measure[Any] | None = None) -> pd.DataFrame:
        """The scores of one measure as rows × columns.

        Where the rows are the columns, a symmetric measure fills both triangles, and the
        diagonal holds the score of a representation with itself where that is known without
        computing it: the best of the measure's range. Pairs that were not asked for are NaN, and
        so are those without a score, with a `MissingScoresWarning` that says why; without any
        score there is no matrix, but an `UndefinedScoreError`.
        """
        import pandas as pd

        chosen = self._choose(measure)
        matrix = pd.DataFrame(np.nan, index=list(self.row_names), columns=list(self.column_names))
        part = self.table[self.table["measure"] == chosen.name]
        _warn_of_missing(chosen, part)
        for a, b, value in zip(part["rep_a"], part["rep_b"], part["value"], strict=True):
            matrix.loc[a, b] = value
            if chosen.declared.symmetric and self.rows_are_columns:
                matrix.loc[b, a] = value
        if chosen.declared.self_is_best and self.rows_are_columns:
            low, high = chosen.declared.range
            best = high if chosen.declared.kind == "similarity" else low
            scored = part.loc[part["value"].notna(), ["rep_a", "rep_b"]].to_numpy().ravel()
            for name in {*scored}:
                matrix.loc[name, name] = best
        return matrix

    def _choose(self, measure: str | Measure[Any] | None) -> Measure[Any]:
        present = list(dict.fromkeys(self.table["measure"]))
        if not present:
            raise InvalidParameterError("the table is empty: no pairs were scored")
        if measure is None:
            if len(present) != 1:
                raise InvalidParameterError(
                    f"the table holds {len(present)} measures: choose one of {', '.join(present)}"
                )
            return get_measure(present[0])
        chosen = get_measure(measure)
        if chosen.name not in present:
            raise UnknownNameError(
                f"the table has no {chosen.name!r}: {did_you_mean(chosen.name, present)}"
            )
        return chosen


def _warn_of_missing(measure: Measure[Any], part: pd.DataFrame) -> None:
    """Say why pairs have no score; refuse if none has one."""
    reasons = part.loc[part["value"].isna(), "reason"]
    if reasons.empty:
        return
    first = f"{measure.name}: {len(reasons)} of {len(part)} pairs have no score, "
    first += f"{'all' if reasons.nunique() == 1 else 'the first'} because: {reasons.iloc[0]}"
    if len(reasons) == len(part):
        raise UndefinedScoreError(first)
    warnings.warn(f"{first} (see the column reason)", MissingScoresWarning, stacklevel=3)
