"""`Tiled`: what a measure has whose sweep over tiles can be divided among tasks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Generic, TypeVar

import torch

from repscape.compute.tile_groups import Division
from repscape.measures.base import Outcome, Request

State = TypeVar("State")
Sums = Mapping[str, torch.Tensor]


class Tiled(ABC, Generic[State]):
    """A measure whose scores follow from sums over the tiles of n×n matrices.

    The sums of fixed groups of tiles can be formed anywhere and add up to the scores. What is
    fitted to all pairs of samples first (the median distance, bins of ranks) would be fitted
    again for every group, so it is a result of its own.
    """

    @abstractmethod
    def takes_tiles(self, n: int, widths: Sequence[int]) -> bool:
        """Whether many pairs of such representations take a sweep over tiles that can be divided.

        Not where another route is cheaper, or where preparing is most of the work.
        """

    @abstractmethod
    def tile_side(self, n: int, widths: Sequence[int], memory_limit: int) -> int:
        """The side of the tiles that a sweep takes; raises `MemoryLimitError` if none fits."""

    @abstractmethod
    def tile_sums(
        self, request: Request, division: Division, group: int, memory_limit: int
    ) -> dict[str, torch.Tensor]:
        """What one group of tiles adds to the sums of the pairs."""

    @abstractmethod
    def scores_of_sums(self, request: Request, groups: Iterable[Sums]) -> list[Outcome]:
        """The scores of the pairs, from the sums of all groups in order."""

    def is_fitted(self, n: int) -> bool:
        """Whether preparing n samples fits something to all pairs of them."""
        return False

    def fitted(self, state: State) -> dict[str, torch.Tensor]:
        """What was fitted, where `is_fitted`."""
        return {}

    @abstractmethod
    def prepare_fitted(self, x: torch.Tensor, fitted: Sums) -> State:
        """`prepare` with what was fitted before: the same state, bit for bit."""
