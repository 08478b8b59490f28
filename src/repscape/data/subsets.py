"""Subsets drawn from a hash: the same on every machine, and nested."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidParameterError, MissingLabelsError, SampleMismatchError
from repscape.sample_ids import digest_ids


class Drawable(Protocol):
    """What a subset is drawn from: named samples with ids, and possibly labels."""

    @property
    def name(self) -> str:
        """The data set."""

    @property
    def written(self) -> str:
        """What the user calls it, for messages."""

    @property
    def split(self) -> str:
        """The part of it."""

    @property
    def ids(self) -> npt.NDArray[Any]:
        """One distinct id for each sample, (n,)."""

    @property
    def labels(self) -> npt.NDArray[Any] | None:
        """The class of each sample, (n,), if known."""


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


def draw_rows(
    source: Drawable,
    draws: Mapping[str, int | None],
    ids: Sequence[Any] | None,
    rows: Sequence[int] | npt.NDArray[Any] | None,
    seed: int,
) -> tuple[npt.NDArray[np.int64], str]:
    """Return the rows of a subset, and how it is called in the name of a split.

    `draws` holds `first`, `random` and `per_class`; exactly one of all must be given.
    """
    given = {name: count for name, count in draws.items() if count is not None}
    wanted = [
        *given,
        *(["ids"] if ids is not None else []),
        *(["rows"] if rows is not None else []),
    ]
    if len(wanted) != 1:
        said = " and ".join(wanted) or "none"
        raise InvalidParameterError(
            f"a subset of {source.written}: {said} given; give one of first=, random=, per_class=, "
            "ids= or rows="
        )
    if seed < 0:
        raise InvalidParameterError(f"seed={seed}: give a whole number from 0 on")
    if ids is not None:
        return _rows_of_ids(source, ids), f"ids={digest_ids(np.asarray(ids))}"
    if rows is not None:
        return _checked_rows(source, rows)
    ((kind, count),) = given.items()
    if kind == "per_class":
        return _balanced(source, count, seed), f"per_class={count},seed={seed}"
    if not 0 < count <= len(source.ids):
        raise InvalidParameterError(
            f"{kind}={count}: {source.written} has {len(source.ids)} samples; give 1 … "
            f"{len(source.ids)}"
        )
    if kind == "first":
        return np.arange(count, dtype=np.int64), f"first={count}"
    return np.sort(_order(source, seed)[:count]), f"random={count},seed={seed}"


def _order(source: Drawable, seed: int) -> npt.NDArray[np.int64]:
    return hashed_order(source.ids, data=source.name, split=source.split, seed=seed)


def _balanced(source: Drawable, count: int, seed: int) -> npt.NDArray[np.int64]:
    if source.labels is None:
        raise MissingLabelsError(f"per_class={count}: {source.written} has no labels")
    classes, sizes = np.unique(source.labels, return_counts=True)
    if not 0 < count <= sizes.min():
        smallest = classes[sizes.argmin()].item()
        raise InvalidParameterError(
            f"per_class={count}: class {smallest!r} of {source.written} has {sizes.min()} samples; "
            f"give 1 … {sizes.min()}"
        )
    order = _order(source, seed)
    labels = source.labels[order]
    return np.sort(np.concatenate([order[labels == label][:count] for label in classes]))


def _rows_of_ids(source: Drawable, ids: Sequence[Any]) -> npt.NDArray[np.int64]:
    place = {identity: row for row, identity in enumerate(source.ids.tolist())}
    wanted = np.asarray(ids).tolist()
    if missing := [identity for identity in wanted if identity not in place]:
        raise SampleMismatchError(
            f"{source.written} has no sample {missing[0]!r}"
            + (f" (and {len(missing) - 1} others of the list)" if len(missing) > 1 else "")
            + f"; its {len(place)} ids begin with {source.ids[:3].tolist()}"
        )
    return np.asarray([place[identity] for identity in wanted], dtype=np.int64)


def _checked_rows(
    source: Drawable, rows: Sequence[int] | npt.NDArray[Any]
) -> tuple[npt.NDArray[np.int64], str]:
    chosen = np.asarray(rows)
    if chosen.ndim != 1 or not chosen.size or chosen.dtype.kind not in "iu":
        raise InvalidParameterError(f"rows={rows!r}: give a list of row numbers")
    if chosen.min() < 0 or chosen.max() >= len(source.ids):
        raise InvalidParameterError(
            f"rows from {chosen.min()} to {chosen.max()}: {source.written} has the rows 0 … "
            f"{len(source.ids) - 1}"
        )
    chosen = chosen.astype(np.int64)
    return chosen, f"rows={digest_ids(chosen)}"
