"""The subsets of the similarity-consistency study, drawn as its code drew them.

They follow Python's and NumPy's old generators to the bit, so that published numbers can be
reproduced. For anything new use `DataSource.subset`, whose draws are nested and do not depend
on which other data sets there are.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidParameterError

_SEED = 42
_LIMIT = 10_000


def consistency_imagenet_rows(
    labels: npt.ArrayLike, per_class: int
) -> dict[int, npt.NDArray[np.int64]]:
    """Draw k samples of each class of one split of ImageNet.

    A new stream begins for each number per class and each split: `random.seed(42)`; then, for
    each class in ascending order, `random.sample` of its rows in ascending order.

    Parameters
    ----------
    labels : (n,) array of int
        The class of each row of the split.
    per_class : int
        k; the study used 1, 5, 10, 20, 30 and 40.

    Returns
    -------
    dict of class to (k,) int64 array
        In the order in which they were sampled. The study's features stand class after class:
        `source.subset(rows=np.concatenate(list(rows.values())))`.

    References
    ----------
    Ciernik et al., Objective drives the consistency of representational similarity across
    datasets (2025), https://arxiv.org/abs/2411.05561.
    """
    given = np.asarray(labels)
    stream = random.Random(_SEED)
    drawn = {}
    for label in np.unique(given).tolist():
        rows = np.flatnonzero(given == label).tolist()
        if len(rows) < per_class:
            raise InvalidParameterError(
                f"per_class={per_class}: class {label!r} has {len(rows)} samples"
            )
        drawn[label] = np.asarray(stream.sample(rows, per_class), dtype=np.int64)
    return drawn


def consistency_wds_rows(
    labels: Mapping[str, npt.ArrayLike], limit: int = _LIMIT
) -> dict[str, npt.NDArray[np.int64]]:
    """Draw about `limit` samples, balanced by class, of each data set that has more.

    One stream serves all data sets: `np.random.seed(42)`; by ascending size; then, for each
    class in ascending order, `np.random.choice(rows, min(size, s), replace=False)` with
    s = ceil(limit / number of classes). So a further data set changes the draws of all larger
    ones.

    Parameters
    ----------
    labels : mapping of data set to (n,) array of int
        The class of each row of the training split; of all data sets of the study.
    limit : int

    Returns
    -------
    dict of data set to int64 array
        The rows in ascending order; data sets of at most `limit` samples are left out, since
        the study used all of theirs.
    """
    stream = np.random.RandomState(_SEED)
    given = {name: np.asarray(values) for name, values in labels.items()}
    drawn = {}
    for name, values in sorted(given.items(), key=lambda pair: len(pair[1])):
        if len(values) <= limit:
            continue
        classes = np.unique(values)
        share = math.ceil(limit / len(classes))
        parts = []
        for label in classes:
            rows = np.flatnonzero(values == label)
            parts.append(stream.choice(rows, min(len(rows), share), replace=False))
        drawn[name] = np.sort(np.concatenate(parts)).astype(np.int64)
    return drawn
