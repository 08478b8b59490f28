"""A map of the models: classical multidimensional scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from repscape.analysis.matrices import (
    ScoreMatrix,
    complete_labels,
    dissimilarity,
    square_matrix,
)
from repscape.analysis.tidy import model_tags, slices
from repscape.tables import tag_column


@dataclass(frozen=True)
class Embedding:
    """Points whose Euclidean distances approximate dissimilarities.

    Attributes
    ----------
    coordinates
        One row per label, one column per dimension.
    shares
        The share of the variation that each dimension shows, in [0, 1].
    left_out
        Labels that miss scores and so have no place.
    """

    coordinates: pd.DataFrame
    shares: NDArray[np.float64]
    left_out: tuple[str, ...]


def classical_scaling(matrix: ScoreMatrix, dimensions: int = 2) -> Embedding:
    """Embed the labels of a matrix by classical (Torgerson) multidimensional scaling.

    With D the dissimilarities (`repscape.analysis.matrices.dissimilarity`: distances as they are,
    1 − s for similarities) and J = I − 11ᵀ/m, the coordinates are the eigenvectors of
    B = −½ J D² J, each times the root of its eigenvalue λ. The share of dimension i is
    λᵢ / Σ|λ|, so that it counts what no Euclidean map can show (negative eigenvalues) as not
    shown. Of each dimension and its mirror image that one is taken in which the point farthest
    from the middle (of several the first) is positive. A dimension that does not exist (fewer
    labels, or λ ≤ 0) is zero with share 0.

    References
    ----------
    Torgerson 1952, "Multidimensional scaling: I. Theory and method", Psychometrika 17;
    Mardia 1978 (share of the variation).
    """
    labels = complete_labels(matrix)
    left_out = tuple(label for label in matrix.labels if label not in labels)
    coordinates = np.zeros((len(labels), dimensions))
    shares = np.zeros(dimensions)
    if labels:
        squared = dissimilarity(matrix.select(labels)) ** 2
        # Double centring: subtract the means of rows and columns, add back the mean of all.
        centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
        eigenvalues, vectors = np.linalg.eigh(-0.5 * centred)
        total = np.abs(eigenvalues).sum()
        negligible = total * len(labels) * np.finfo(float).eps
        for axis, index in enumerate(np.argsort(eigenvalues)[::-1][:dimensions]):
            if eigenvalues[index] > negligible:
                coordinates[:, axis] = _signed(vectors[:, index]) * np.sqrt(eigenvalues[index])
                shares[axis] = eigenvalues[index] / total
    frame = pd.DataFrame(coordinates, labels, [f"dimension_{i + 1}" for i in range(dimensions)])
    return Embedding(frame, shares, left_out)


def _signed(vector: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.abs(vector)
    # Points that are equally far but for rounding must not decide the sign by their rounding.
    farthest = int(np.flatnonzero(size > size.max() * (1 - 1e-9))[0])
    return vector if vector[farthest] > 0 else -vector


def model_coordinates(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a two-dimensional map of the models for each measure of a table.

    Parameters
    ----------
    scores
        One row per measure and pair of models (`repscape.analysis.model_scores.model_scores`).

    Returns
    -------
    DataFrame
        One row per measure and model: ``data``, ``split``, ``measure``, ``kind``, ``model``,
        ``x``, ``y``, ``share_x``, ``share_y``, ``reason`` and the models' tags. A model that
        misses scores has null coordinates and a reason.
    """
    pieces = []
    for piece in slices(scores):
        embedding = classical_scaling(square_matrix(piece.table))
        tags = model_tags(piece.table)
        points = embedding.coordinates.set_axis(["x", "y"], axis=1).reindex(tags.index)
        points.insert(0, "model", points.index)
        points["share_x"], points["share_y"] = embedding.shares
        points["reason"] = [
            "some of its scores are missing" if name in embedding.left_out else None
            for name in points["model"]
        ]
        taken = {*points.columns, *piece.context}
        names = {tag: tag_column(tag, taken) for tag in tags.columns}
        points = points.join(tags.rename(columns=names)).reset_index(drop=True)
        for place, (name, value) in enumerate(piece.context.items()):
            points.insert(place, name, value)
        pieces.append(points)
    return pd.concat(pieces, ignore_index=True)
