"""Does a measure order the pairs of models alike on two data sets?"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from repscape.analysis.matrices import ScoreMatrix, square_matrix
from repscape.analysis.model_resampling import Consistency, mantel
from repscape.analysis.tidy import slices
from repscape.errors import RepscapeError

COLUMNS = {
    "measure": "printable name",
    "kind": "similarity or distance",
    "data_a": "the first data set",
    "data_b": "the second",
    "models": "number of models that have scores on both",
    "pairs": "number of pairs of models with a score on both",
    "spearman": "rank correlation over these pairs; null where it is undefined",
    "pearson": "linear correlation over these pairs",
    "p_value": "Mantel test of the rank correlation: models are relabelled, one-sided",
    "reason": "why a number is null",
}
"""The columns of the table of `data_agreement`."""

FEWEST_PAIRS = 3


def data_agreement(
    scores: pd.DataFrame, *, n_permutations: int = 999, seed: int = 0
) -> pd.DataFrame:
    """Correlate the scores of the pairs of models on one data set with those on another.

    The study of Klabunde et al. (2023) correlates the lower triangles over the models that both
    data sets have. A pair without a score on one of them is left out here; it is never 0. Pairs
    share models, so p comes from relabelling models (Mantel test), not from the number of pairs.

    Parameters
    ----------
    scores
        A tidy table with one score for each pair of models (`analysis.model_scores`).
    n_permutations, seed
        Of the Mantel test; all orders of the models where there are no more.

    Returns
    -------
    DataFrame
        One row per measure and pair of data sets; the columns are described in `COLUMNS`.
    """
    matrices: dict[str, dict[str, ScoreMatrix]] = {}
    for piece in slices(scores):
        matrices.setdefault(piece.measure, {})[str(piece.data)] = square_matrix(piece.table)
    rows = [
        _row(measure, (a, b), found[a], found[b], n_permutations, seed)
        for measure, found in matrices.items()
        for a, b in combinations(found, 2)
    ]
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS))


def in_words(agreement: pd.DataFrame) -> list[str]:
    """What the table says, in sentences; nothing for an empty one."""
    sentences = []
    for (a, b), rows in agreement.groupby(["data_a", "data_b"], sort=False):
        known = rows.dropna(subset=["spearman"])
        if known.empty:
            sentences.append(
                f"Between {a} and {b} no measure can be correlated: {rows['reason'].iloc[0]}."
            )
            continue
        ranked = known.sort_values("spearman", kind="stable")
        worst, best = ranked.iloc[0], ranked.iloc[-1]
        sentences.append(
            f"Between {a} and {b} the scores of the {int(known['pairs'].max())} pairs of models "
            f"have a mean rank correlation of {known['spearman'].mean():.2f} over "
            f"{len(known)} measures: highest for `{best['measure']}` ({best['spearman']:.2f}), "
            f"lowest for `{worst['measure']}` ({worst['spearman']:.2f})."
        )
    return sentences


def _row(
    measure: str,
    data: tuple[str, str],
    first: ScoreMatrix,
    second: ScoreMatrix,
    n_permutations: int,
    seed: int,
) -> dict[str, Any]:
    shared = [name for name in first.labels if name in second.labels]
    a, b = first.select(shared), second.select(shared)
    usable = np.isfinite(a.values.to_numpy(float)) & np.isfinite(b.values.to_numpy(float))
    usable = np.triu(usable | usable.T, 1)
    row: dict[str, Any] = {
        "measure": measure,
        "kind": first.kind,
        "data_a": data[0],
        "data_b": data[1],
        "models": len(shared),
        "pairs": int(usable.sum()),
    }
    if row["pairs"] < FEWEST_PAIRS:
        few = f"only {row['pairs']} pairs of models have a score on both"
        return {**row, **dict.fromkeys(("spearman", "pearson", "p_value")), "reason": few}
    arrays = [matrix.values.to_numpy(float) for matrix in (a, b)]
    spearman, pearson = (
        _or_none(Consistency(how)(arrays, usable)) for how in ("spearman", "pearson")
    )
    if spearman is None:
        same = "the scores do not vary on one of them"
        return {**row, "spearman": None, "pearson": None, "p_value": None, "reason": same}
    p_value, reason = _p_value(a, b, n_permutations, seed)
    return {
        **row,
        "spearman": spearman,
        "pearson": pearson,
        "p_value": p_value,
        "reason": reason,
    }


def _p_value(
    a: ScoreMatrix, b: ScoreMatrix, n_permutations: int, seed: int
) -> tuple[float | None, str | None]:
    try:
        test = mantel(a, b, compare="spearman", n_permutations=n_permutations, seed=seed)
    except RepscapeError as problem:
        return None, f"no p: {problem}"
    return test.p_value, None


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None
