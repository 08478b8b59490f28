"""Subsets drawn from a hash: the same on every machine, and nested."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt


def hashed_order(
    ids: npt.NDArray[Any], *, data: str, split: str, seed: int
) -> npt.NDArray[np.int64]:
    """Return the rows of `ids` in an order drawn from a hash of (data, split, seed, id).

    The first m rows of the order are a uniform draw of m samples without replacement. They
    are nested (the first 100 are within the first 1,000), and whether one id stands before
    another does not depend on which other ids there are.

    Parameters
    ----------
    ids : (n,) array of str or int
    data, split : str
        Names of the data set and of the draw: other names, other order.
    seed : int

    Returns
    -------
    (n,) int64 array
        A permutation of 0 … n-1.
    """
    prefix = f"{data}\x1f{split}\x1f{seed}\x1f"
    draws = [hashlib.sha256(f"{prefix}{identity}".encode()).digest() for identity in ids.tolist()]
    return np.asarray(sorted(range(len(draws)), key=draws.__getitem__), dtype=np.int64)
