"""What other packages compute on the same values, and how their numbers relate to Repscape's.

Every row is tested by `test_peers.py`. A row without a reason says that the numbers are the same;
a row with one says how and why they differ, as far as both sides would agree.

Two differences follow no formula and have tests of their own:

- rsatoolbox's `corr_cov` of squared distances is near debiased CKA (to about 1e-2), but another
  number.
- faiss's exact search (from about 400 rows on) forms float32 distances from norms and inner
  products. With large offsets these cancel and it loses almost all neighbours, where Repscape's
  table is that of float64 brute force. Without offsets the neighbours are the same.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Values: TypeAlias = npt.NDArray[np.float64]
PairFunction: TypeAlias = Callable[[Values, Values], float]


@dataclass(frozen=True)
class Row:
    """One function of a peer beside one measure.

    Attributes
    ----------
    package : str
        What must be importable.
    call : str
        The peer's function, as people call it.
    theirs : callable (x, y) -> float
        It.
    measure : str
        Repscape's name for it.
    relation : callable (score, x, y) -> float
        What the peer's number should be, given Repscape's score; by default the same.
    tolerance : float
        Relative.
    why : str
        Where the numbers are not the same: the reason.
    """

    package: str
    call: str
    theirs: PairFunction
    measure: str
    relation: Callable[[float, Values, Values], float] = lambda score, x, y: score
    tolerance: float = 1e-9
    why: str = ""

    def __str__(self) -> str:
        return f"{self.call} ~ {self.measure}"


def rsatoolbox_rsa(rdm: str, comparison: str) -> PairFunction:
    """RDMs by one of rsatoolbox's methods, compared by another."""

    def theirs(x: Values, y: Values) -> float:
        from rsatoolbox.data import Dataset
        from rsatoolbox.rdm import calc_rdm, compare

        rdms = [calc_rdm(Dataset(side), method=rdm) for side in (x, y)]
        return float(compare(*rdms, method=comparison).item())

    return theirs


def _scipy_procrustes(x: Values, y: Values) -> float:
    from scipy.spatial import procrustes

    width = max(x.shape[1], y.shape[1])
    padded = [np.pad(side, ((0, 0), (0, width - side.shape[1]))) for side in (x, y)]
    return float(procrustes(*padded)[2])


def _columns(x: Values) -> Values:
    centred: Values = x - x.mean(axis=0)
    return centred


def _pot(cost: Callable[[Values, Values], Values]) -> PairFunction:
    def theirs(x: Values, y: Values) -> float:
        import ot

        weights = [np.full(side.shape[1], 1 / side.shape[1]) for side in (x, y)]
        return float(ot.emd2(*weights, cost(_columns(x), _columns(y))))

    return theirs


def _one_less_correlation(x: Values, y: Values) -> Values:
    x, y = (side / np.linalg.norm(side, axis=0) for side in (x, y))
    cost: Values = 1 - x.T @ y
    return cost


def _squared_distances(x: Values, y: Values) -> Values:
    cost: Values = ((x.T[:, None] - y.T[None]) ** 2).sum(axis=2)
    return cost


ROWS = (
    Row(
        "rsatoolbox",
        "rsatoolbox: correlation RDM, spearman",
        rsatoolbox_rsa("correlation", "spearman"),
        "rsa[rdm=correlation,compare_by=spearman]",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: correlation RDM, corr",
        rsatoolbox_rsa("correlation", "corr"),
        "rsa[rdm=correlation,compare_by=pearson]",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: correlation RDM, cosine",
        rsatoolbox_rsa("correlation", "cosine"),
        "rsa[rdm=correlation,compare_by=cosine]",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: euclidean RDM, kendall",
        rsatoolbox_rsa("euclidean", "kendall"),
        "rsa[rdm=euclidean,compare_by=kendall]",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: euclidean RDM, tau-a",
        rsatoolbox_rsa("euclidean", "tau-a"),
        "rsa[rdm=euclidean,compare_by=tau_a]",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: euclidean RDM, spearman",
        rsatoolbox_rsa("euclidean", "spearman"),
        "rsa[rdm=euclidean,compare_by=spearman]",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: euclidean RDM, corr",
        rsatoolbox_rsa("euclidean", "corr"),
        "rsa[rdm=sqeuclidean,compare_by=pearson]",
        why="its `euclidean` is the squared distance over d; ranks do not see it, Pearson does",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: euclidean RDM, cosine_cov",
        rsatoolbox_rsa("euclidean", "cosine_cov"),
        "cka[debiased=false]",
        why="whitened cosine of squared distances is biased linear CKA under another name",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: euclidean RDM, bures",
        rsatoolbox_rsa("euclidean", "bures"),
        "procrustes[score=similarity]",
        tolerance=1e-6,
        why="it takes roots of n×n matrices, so rounding of their zero eigenvalues adds up",
    ),
    Row(
        "rsatoolbox",
        "rsatoolbox: euclidean RDM, bures_metric",
        rsatoolbox_rsa("euclidean", "bures_metric"),
        "size_and_shape[squared=true]",
        relation=lambda score, x, y: _bures_per_feature(score, x, y),
        tolerance=1e-6,
        why="it divides each side by its number of features and returns the square",
    ),
    Row(
        "scipy",
        "scipy.spatial.procrustes: disparity",
        _scipy_procrustes,
        "procrustes[score=similarity]",
        relation=lambda score, x, y: 1 - score**2,
        why="it scales one side optimally, and returns a squared distance: 1 - similarity²",
    ),
    Row(
        "ot",
        "ot.emd2 with 1 - correlation",
        _pot(_one_less_correlation),
        "soft_matching[score=correlation]",
        relation=lambda score, x, y: 1 - score,
        why="a transport cost is a distance; the score is the matched correlation, 1 - cost",
    ),
    Row(
        "ot",
        "ot.emd2 with squared distances",
        _pot(_squared_distances),
        "soft_matching[score=distance]",
        relation=lambda score, x, y: score**2,
        why="emd2 returns W₂²; the score is W₂",
    ),
)


def _bures_per_feature(score: float, x: Values, y: Values) -> float:
    """‖X/√d - Y/√d' Q‖² at the best Q, from the squared distance of X and Y themselves."""
    squares_x, squares_y = ((_columns(side) ** 2).sum() for side in (x, y))
    nuclear = (squares_x + squares_y - score) / 2
    d_x, d_y = x.shape[1], y.shape[1]
    return float(squares_x / d_x + squares_y / d_y - 2 * nuclear / np.sqrt(d_x * d_y))
