"""The 1,797 handwritten digits that ship inside scikit-learn."""

from __future__ import annotations

import numpy as np

from repscape.data.arrays import ArrayData
from repscape.data.subsets import hashed_order
from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

SPLITS = ("train", "held_out", "all")
_LARGEST_PIXEL = 16.0


def digits(split: str = "all", *, held_out: float = 0.25, seed: int = 0) -> ArrayData:
    """Return the handwritten digits as images, or one part of them.

    Parameters
    ----------
    split : {"train", "held_out", "all"}
        The parts are disjoint and together are all. They are drawn from a hash of the data
        set's name, the draw's name, the seed and the sample id, so they are the same on every
        machine; samples keep the order of the data set.
    held_out : float
        The fraction, strictly between 0 and 1, of the samples that is held out.
    seed : int
        Another seed, another draw.

    Returns
    -------
    ArrayData
        `inputs` (n, 1, 8, 8) float32 in [0, 1] (the pixels 0 … 16 divided by 16); `labels`
        0 … 9; `ids` `digits/0000` … `digits/1796`, the position in scikit-learn's order.

    Raises
    ------
    UnknownNameError
        If there is no such split.
    InvalidParameterError
        If `held_out` is not strictly between 0 and 1.

    References
    ----------
    E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository (1998), https://doi.org/10.24432/C50P49 (its test set).
    """
    if split not in SPLITS:
        raise UnknownNameError(f"digits has no split {split!r}: {did_you_mean(split, SPLITS)}")
    if not 0.0 < held_out < 1.0:
        raise InvalidParameterError(
            f"held_out={held_out!r}: give a fraction strictly between 0 and 1, e.g. 0.25"
        )
    everything = _all_digits()
    if split == "all":
        return everything
    order = hashed_order(everything.ids, data="digits", split="held_out", seed=seed)
    count = round(held_out * len(everything))
    chosen = order[:count] if split == "held_out" else order[count:]
    return everything.rows(np.sort(chosen), f"{split}[held_out={held_out},seed={seed}]")


def _all_digits() -> ArrayData:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = (bunch.images / _LARGEST_PIXEL).astype(np.float32)[:, None]
    return ArrayData(
        name="digits",
        split="all",
        ids=np.asarray([f"digits/{row:04d}" for row in range(len(images))]),
        inputs=images,
        labels=bunch.target.astype(np.int64),
        preprocessing="pixels/16",
    )
