"""The order in which models stand in a figure: hierarchical clustering."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from repscape.analysis.matrices import ScoreMatrix, complete_labels, dissimilarity


@dataclass(frozen=True)
class Clustering:
    """A hierarchical clustering.

    Attributes
    ----------
    order
        All labels, similar ones next to each other; those left out stand at the end.
    clustered
        The labels that were clustered, in the matrix's order: the leaves 0, 1, … of ``linkage``.
    linkage
        SciPy's linkage matrix, (leaves − 1) × 4; its third column is the dissimilarity at which
        two clusters join.
    """

    order: tuple[str, ...]
    clustered: tuple[str, ...]
    linkage: NDArray[np.float64]

    @property
    def left_out(self) -> tuple[str, ...]:
        """The labels that miss scores and so could not be clustered."""
        return self.order[len(self.clustered) :]


def cluster(matrix: ScoreMatrix) -> Clustering:
    """Cluster the labels of a matrix by average linkage, leaves in optimal order.

    Works on `repscape.analysis.matrices.dissimilarity`. The order of the leaves makes the sum of
    the dissimilarities of neighbours as small as the tree allows; of it and its mirror image,
    that one is taken in which the earlier labels of the matrix come first. Labels with missing
    scores are left out of the tree and stand at the end.

    References
    ----------
    Sokal & Michener 1958 (average linkage); Bar-Joseph, Gifford & Jaakkola 2001, "Fast optimal
    leaf ordering for hierarchical clustering", Bioinformatics 17.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    labels = complete_labels(matrix)
    rest = tuple(label for label in matrix.labels if label not in labels)
    if len(labels) < 2:
        return Clustering((*labels, *rest), tuple(labels), np.empty((0, 4)))
    unlike = dissimilarity(matrix.select(labels))
    tree = linkage(squareform(unlike, checks=False), method="average", optimal_ordering=True)
    leaves = leaves_list(tree)
    half = len(leaves) // 2
    if leaves[:half].mean() > leaves[-half:].mean():
        tree = tree[:, [1, 0, 2, 3]]
        leaves = leaves[::-1]
    ordered = tuple(labels[leaf] for leaf in leaves)
    return Clustering((*ordered, *rest), tuple(labels), tree)
