"""A tidy table of one measure as a labelled square matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repscape.analysis.tidy import both_directions, in_order_of_appearance, only_slice, text_or_none
from repscape.errors import InvalidParameterError

NOT_IN_TABLE = "not in the table"
BESIDE = ("raw", "effect", "null_mean", "p_value", "p_adjusted", "distinguishable", "undecided")
"""Columns that say what a score means, where a table has them; see `analysis.chance`."""

# Similarities of identical representations exceed 1 by rounding only; more is a wrong measure.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class ScoreMatrix:
    """The scores of one measure as a square matrix.

    Attributes
    ----------
    values
        Scores, float64; entry (a, b) is the score of row a with column b; NaN where missing.
    reasons
        Why an entry is missing, and None where it is not.
    samples
        The number of samples n behind each entry, Int64; missing where not known.
    measure
        The measure's printable name.
    kind
        ``"similarity"`` (higher = more alike) or ``"distance"`` (lower = more alike).
    beside
        What the table says of the scores, by column (those of `BESIDE` that it has).
    """

    values: pd.DataFrame
    reasons: pd.DataFrame
    samples: pd.DataFrame
    measure: str
    kind: str
    beside: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    @property
    def labels(self) -> list[str]:
        """The names of rows and columns."""
        return [str(label) for label in self.values.index]

    def select(self, labels: list[str]) -> ScoreMatrix:
        """Return the matrix of these labels, in this order."""
        return ScoreMatrix(
            self.values.loc[labels, labels],
            self.reasons.loc[labels, labels],
            self.samples.loc[labels, labels],
            self.measure,
            self.kind,
            {name: frame.loc[labels, labels] for name, frame in self.beside.items()},
        )


def square_matrix(
    table: pd.DataFrame,
    measure: str | None = None,
    *,
    by: Literal["model", "rep"] = "model",
    symmetric: bool = True,
) -> ScoreMatrix:
    """Return the table of one measure as a square matrix.

    Parameters
    ----------
    table
        A tidy table. Models are compared by one number per pair: reduce a table of layers with
        `repscape.analysis.model_scores.model_scores` first.
    measure
        The measure to take; None where the table holds only one.
    by
        Whether rows and columns are models or representations, in order of appearance.
    symmetric
        Whether a pair given in one direction stands for both. False leaves the other missing.

    Raises
    ------
    InvalidParameterError
        The rows mix measures, data sets or splits, or hold a pair more than once.
    UnknownNameError
        No row has this measure.
    """
    piece = only_slice(table, measure)
    labels = in_order_of_appearance(piece.table, by)
    rows = both_directions(piece.table, (by,), symmetric=symmetric)
    rows = rows.dropna(subset=[f"{by}_a", f"{by}_b"])
    _refuse_repeated_pairs(rows, by)
    row = pd.Index(labels).get_indexer(pd.Index(rows[f"{by}_a"]))
    column = pd.Index(labels).get_indexer(pd.Index(rows[f"{by}_b"]))
    shape = (len(labels), len(labels))
    values = np.full(shape, np.nan)
    values[row, column] = rows["value"]
    reasons = np.full(shape, NOT_IN_TABLE, dtype=object)
    reasons[row, column] = cell_reasons(rows)
    samples = np.full(shape, np.nan)
    samples[row, column] = pd.to_numeric(rows["n"])
    return ScoreMatrix(
        pd.DataFrame(values, labels, labels),
        pd.DataFrame(reasons, labels, labels, dtype=object),
        pd.DataFrame(samples, labels, labels).astype("Int64"),
        piece.measure,
        piece.kind,
        beside_scores(rows, (row, column), labels, labels),
    )


def beside_scores(
    rows: pd.DataFrame,
    place: tuple[NDArray[np.intp], NDArray[np.intp]],
    index: list[str],
    columns: list[str],
) -> dict[str, pd.DataFrame]:
    """The columns `BESIDE` that the rows have, each as a matrix, the rows being at `place`."""
    found = {}
    for name in BESIDE:
        if name in rows.columns:
            cells = np.full((len(index), len(columns)), np.nan)
            cells[place] = rows[name].astype("float64").to_numpy(na_value=np.nan)
            found[name] = pd.DataFrame(cells, index, columns)
    return found


def at_chance(beside: Mapping[str, pd.DataFrame], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Which cells hold a score that cannot be told from chance; none where nothing is known."""
    if "distinguishable" not in beside:
        return np.zeros(shape, dtype=bool)
    return np.asarray(beside["distinguishable"].to_numpy(dtype=float) == 0.0)


def any_undecided(beside: Mapping[str, pd.DataFrame]) -> bool:
    """Whether some score cannot be told from chance because permutations are too few."""
    return "undecided" in beside and bool((beside["undecided"].to_numpy(dtype=float) == 1.0).any())


def cell_reasons(rows: pd.DataFrame) -> list[str | None]:
    """Return for each row why it has no score, and None where it has one."""
    return [
        None if not pd.isna(value) else text_or_none(reason) or "no reason given"
        for value, reason in zip(rows["value"], rows["reason"], strict=True)
    ]


def dissimilarity(matrix: ScoreMatrix) -> NDArray[np.float64]:
    """Return how unlike any two labels are: a symmetric array with a zero diagonal.

    Distances are taken as they are; a similarity s becomes 1 − s. A score that depends on the
    direction is averaged over the two. The diagonal is 0 by definition, whether or not the table
    compares a label with itself. Missing entries stay NaN.

    Raises
    ------
    InvalidParameterError
        A similarity above 1 or a negative distance, for which this is not a dissimilarity.
    """
    values = matrix.values.to_numpy(dtype=float)
    unlike = 1.0 - values if matrix.kind == "similarity" else values
    unlike = (unlike + unlike.T) / 2
    np.fill_diagonal(unlike, 0.0)
    lowest = float(np.min(unlike, initial=0.0, where=~np.isnan(unlike)))
    if lowest < -_ROUNDING:
        found = (
            f"similarity {1 - lowest:.6g} is above 1"
            if matrix.kind == "similarity"
            else (f"distance {lowest:.6g} is negative")
        )
        raise InvalidParameterError(
            f"{matrix.measure!r} cannot be turned into a dissimilarity: a {found}"
        )
    return np.where(unlike < 0, 0.0, unlike)


def complete_labels(matrix: ScoreMatrix) -> list[str]:
    """Return labels among which no score is missing, in the matrix's order.

    Labels are left out one at a time, that with the most missing scores first (of several the
    last), until the rest is complete.
    """
    missing = np.isnan(dissimilarity(matrix))
    kept = list(range(len(missing)))
    while missing[np.ix_(kept, kept)].any():
        counts = missing[np.ix_(kept, kept)].sum(axis=1)
        kept.pop(len(kept) - 1 - int(np.argmax(counts[::-1])))
    return [matrix.labels[index] for index in kept]


def _refuse_repeated_pairs(rows: pd.DataFrame, by: str) -> None:
    repeated = rows.duplicated([f"{by}_a", f"{by}_b"], keep=False)
    if repeated.any():
        first = rows[repeated].iloc[0]
        a, b = first[f"{by}_a"], first[f"{by}_b"]
        count = int(((rows[f"{by}_a"] == a) & (rows[f"{by}_b"] == b)).sum())
        mend = (
            "reduce the layers to one score per pair of models with model_scores first"
            if by == "model"
            else "a pair may stand there once"
        )
        raise InvalidParameterError(f"the table holds {count} rows for {a!r} with {b!r}: {mend}")
