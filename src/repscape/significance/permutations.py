"""Which orders of the samples a permutation null draws, free or restricted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch

from repscape.compute.seeds import checked_count, seeded
from repscape.errors import InvalidParameterError, TooFewSamplesError, UnknownNameError
from repscape.errors import did_you_mean as known_names

if TYPE_CHECKING:
    import numpy.typing as npt

    from repscape.representation import Representation

Partition: TypeAlias = "str | Sequence[Any] | npt.NDArray[Any]"
"""A column of the representations (`"labels"` for their labels), or one value for each sample."""


@dataclass(frozen=True, eq=False)
class Permutations:
    """`count` random orders of n samples, drawn uniformly and independently from a seed.

    Parameters
    ----------
    n, count, seed : int
        Samples, permutations, seed.
    groups : (n,) array, optional
        Samples change places only with samples of the same group: for data whose groups
        differ (classes, subjects), so that only pairings within a group are exchangeable.
    blocks : (n,) array, optional
        Whole blocks change places, with blocks of their size, and keep their inner order: for
        samples that depend on each other (frames of a clip, sentences of a text).

    Raises
    ------
    InvalidParameterError
        count < 1; groups and blocks both given, of another length or with missing entries;
        nothing to permute.
    TooFewSamplesError
        There are no more than `count` different orders; the message says the smallest p-value
        that they can reach.
    """

    n: int
    count: int = 200
    seed: int = 0
    groups: npt.NDArray[Any] | None = None
    blocks: npt.NDArray[Any] | None = None

    def __post_init__(self) -> None:
        checked_count("n_permutations", self.count)
        if self.groups is not None and self.blocks is not None:
            raise InvalidParameterError("groups and blocks were both given: choose one of them")
        for name, column in (("groups", self.groups), ("blocks", self.blocks)):
            if column is not None and len(column) != self.n:
                raise InvalidParameterError(
                    f"{name} has {len(column)} entries, but {self.n} samples are compared: give "
                    "one entry for each, in their order"
                )
            if column is not None:
                _check_known(name, column)
        self._check_enough()

    def _check_enough(self) -> None:
        different = self._different()
        if different == 1:
            if self.groups is not None:
                why = "every group holds a single sample"
            elif self.blocks is not None:
                why = "no two blocks have the same size"
            else:
                why = "there is a single sample"
            raise InvalidParameterError(f"there is nothing to permute: {why}")
        if different is not None and different <= self.count:
            within, mend = self._restriction()
            raise TooFewSamplesError(
                f"{self.n} samples{within} have {different} different orders, so the smallest "
                f"p-value that is reachable is 1/{different} = {1 / different:.3g}: n_permutations="
                f"{self.count} is too many; ask for at most {different - 1}, or {mend}"
            )

    def _restriction(self) -> tuple[str, str]:
        """What leaves so few orders, in words, and what mends it."""
        if self.groups is not None:
            return " that stay within their groups", "use larger groups"
        if self.blocks is not None:
            return " that move in whole blocks", "use more blocks of the same size"
        return "", "use more samples"

    def _different(self) -> int | None:
        """The number of different orders; None if there are more than asked for."""
        different = 1
        for members in self._exchangeable:
            for factor in range(2, len(members) + 1):
                different *= factor
                if different > self.count:
                    return None
        return different

    @cached_property
    def _exchangeable(self) -> list[npt.NDArray[np.int64]]:
        """Sets of units that change places; a unit is a row: the positions of its samples."""
        if self.blocks is not None:
            by_size: dict[int, list[npt.NDArray[np.int64]]] = {}
            for block in _parts(self.blocks):
                by_size.setdefault(len(block), []).append(block)
            return [np.stack(blocks) for blocks in by_size.values()]
        if self.groups is not None:
            return [part[:, None] for part in _parts(self.groups)]
        return [np.arange(self.n)[:, None]]

    @cached_property
    def orders(self) -> torch.Tensor:
        """(count, n) int64: row r puts old sample orders[r, i] at place i."""
        generator = seeded(self.seed)
        orders = torch.empty(self.count, self.n, dtype=torch.int64)
        sets = [torch.from_numpy(units) for units in self._exchangeable]
        for order in orders:
            for units in sets:
                order[units] = units[torch.randperm(len(units), generator=generator)]
        return orders

    @property
    def restricted(self) -> bool:
        """Whether some orders cannot be drawn; closed forms of the null do not hold then."""
        return self.groups is not None or self.blocks is not None


def _check_known(name: str, column: npt.NDArray[Any]) -> None:
    """Refuse missing entries: they say of no two samples that they belong together."""
    missing = [i for i, value in enumerate(column.tolist()) if value is None or value != value]
    if missing:
        raise InvalidParameterError(
            f"{name} has {len(missing)} missing entries, the first at sample {missing[0]}: give "
            "each sample a value, or drop those samples (select)"
        )


def _parts(column: npt.NDArray[Any]) -> list[npt.NDArray[np.int64]]:
    """The positions of each value, in order of first appearance."""
    _, first, inverse = np.unique(column, return_index=True, return_inverse=True)
    return [np.flatnonzero(inverse == value) for value in np.argsort(first)]


def partition(rep: Representation, given: Partition | None, what: str) -> npt.NDArray[Any] | None:
    """Read `groups` or `blocks`: a column's name or the values themselves."""
    if given is None or not isinstance(given, str):
        return None if given is None else np.asarray(given)
    if given == "labels" and rep.labels is not None:
        return np.asarray(rep.labels)
    if given in rep.columns:
        return np.asarray(rep.columns[given])
    columns = [*rep.columns, *([] if rep.labels is None else ["labels"])]
    raise UnknownNameError(
        f"{what}={given!r} is no column of the samples; "
        + (known_names(given, columns) if columns else "they have no columns and no labels")
    )
