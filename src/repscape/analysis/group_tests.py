"""Do groups differ? A test for every factor of a table, by handing its values to other models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from repscape.analysis.groups import checked_tags, grouping_factors
from repscape.analysis.matrices import ScoreMatrix, square_matrix
from repscape.analysis.model_resampling import groups_differ
from repscape.analysis.multiple_testing import adjust
from repscape.analysis.tidy import model_tags, slices
from repscape.errors import RepscapeError

_COLUMNS = ["data", "split", "measure", "kind", "factor", "models", "difference"]
_TESTED = ["p_value", "p_value_holm", "smallest_p", "n_permutations", "reason"]


def group_tests(
    scores: pd.DataFrame,
    factors: Sequence[str] | None = None,
    *,
    symmetric: bool = True,
    n_permutations: int = 999,
    seed: int = 0,
) -> pd.DataFrame:
    """Test, for each measure and factor, whether models that share the factor are more alike.

    `repscape.analysis.model_resampling.groups_differ`: models change places, never pairs, since
    pairs that share a model are not independent.

    Parameters
    ----------
    scores
        One row per measure and pair of models (`repscape.analysis.model_scores.model_scores`).
    factors
        Tags; None takes `repscape.analysis.groups.grouping_factors`.
    symmetric
        Whether a pair given in one direction stands for both; otherwise the two are averaged.
    n_permutations, seed
        As in `groups_differ`.

    Returns
    -------
    DataFrame
        One row per measure and factor: ``difference`` (mean score within groups less that between
        them, positive where sharing brings likeness), ``p_value``, ``p_value_holm`` (over the
        factors of one measure), ``smallest_p`` (the least that was reachable, unadjusted),
        ``models``, ``n_permutations``, and ``reason`` where there is no test.

    Raises
    ------
    UnknownNameError
        A factor is no tag of the table, or one that a model lacks.
    """
    names = grouping_factors(scores) if factors is None else checked_tags(scores, factors)
    rows = []
    for piece in slices(scores):
        matrix = _both_ways(square_matrix(piece.table, symmetric=symmetric))
        tags = model_tags(piece.table)
        for name in names:
            row: dict[str, object] = {**piece.context, "factor": name}
            row["models"] = len(matrix.labels)
            groups = list(tags[name].reindex(matrix.labels))
            try:
                found = groups_differ(matrix, groups, n_permutations=n_permutations, seed=seed)
                row |= {"difference": found.value, "p_value": found.p_value}
                row |= {"smallest_p": found.smallest_p, "n_permutations": found.n_permutations}
            except RepscapeError as reason:
                row |= {"reason": str(reason)}
            rows.append(row)
    present = [name for name in _TESTED if name != "p_value_holm"]
    table = pd.DataFrame(rows).reindex(columns=[*_COLUMNS, *present])
    table = table.astype({"difference": "float64", "p_value": "float64"})
    return adjust(table, "holm", ("data", "split", "measure"))[[*_COLUMNS, *_TESTED]]


def _both_ways(matrix: ScoreMatrix) -> ScoreMatrix:
    """The mean of the two directions."""
    return replace(matrix, values=(matrix.values + matrix.values.T) / 2.0)
