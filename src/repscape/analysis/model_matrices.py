"""Matrices of scores of models × models, as tests that resample models take them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from repscape.analysis.matrices import ScoreMatrix
from repscape.errors import InvalidParameterError, TooFewSamplesError

Matrix: TypeAlias = NDArray[np.float64]
Scores: TypeAlias = "ScoreMatrix | ArrayLike"
"""Scores of models × models: `analysis.matrices.square_matrix` of a table, or an array."""

FEWEST_MODELS = 4


def kind_of(matrix: Scores, said: str | None) -> str:
    """Whether the scores are similarities or distances: what they know, or what was said."""
    known = matrix.kind if isinstance(matrix, ScoreMatrix) else None
    if known is not None and said not in (None, known):
        raise InvalidParameterError(f"kind={said!r}, but the scores are of kind {known!r}")
    if said not in (None, "similarity", "distance"):
        raise InvalidParameterError(f"kind={said!r}: write 'similarity' or 'distance'")
    return known or said or "similarity"


def checked_matrices(given: Sequence[Scores]) -> list[Matrix]:
    """The matrices as arrays, of the same models and of one kind."""
    _check_labelled([matrix for matrix in given if isinstance(matrix, ScoreMatrix)])
    arrays = [
        _square(matrix.values.to_numpy() if isinstance(matrix, ScoreMatrix) else matrix)
        for matrix in given
    ]
    for one, other in pairwise(arrays):
        if one.shape != other.shape:
            raise InvalidParameterError(
                f"the matrices are of {len(one)} and {len(other)} models: keep the shared ones"
            )
    if not arrays or len(arrays[0]) < FEWEST_MODELS:
        count = len(arrays[0]) if arrays else 0
        raise TooFewSamplesError(
            f"{count} models are too few to resample: at least {FEWEST_MODELS} are needed"
        )
    return arrays


def _check_labelled(matrices: Sequence[ScoreMatrix]) -> None:
    for one, other in pairwise(matrices):
        if one.kind != other.kind:
            raise InvalidParameterError(
                f"{other.measure} is a {other.kind} where a {one.kind} is expected, beside "
                f"{one.measure}: agreement would come out negative; compare measures of one kind"
            )
        if one.labels != other.labels:
            raise InvalidParameterError(
                f"the matrices are of different models, or of another order: {one.labels} and "
                f"{other.labels}; use ScoreMatrix.select with the shared ones"
            )


def _square(matrix: ArrayLike) -> Matrix:
    values = np.asarray(matrix, dtype=float)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise InvalidParameterError(
            f"a matrix of scores is models × models, but the shape given is {values.shape}"
        )
    if not np.allclose(values, values.T, equal_nan=True):
        raise InvalidParameterError(
            "a matrix of scores must be symmetric here: average the two directions first"
        )
    return values


def usable_pairs(matrices: Sequence[Matrix]) -> NDArray[np.bool_]:
    """The pairs of models that no matrix lacks, as a mask (M × M)."""
    usable: NDArray[np.bool_] = np.logical_and.reduce([np.isfinite(m) for m in matrices])
    return usable
