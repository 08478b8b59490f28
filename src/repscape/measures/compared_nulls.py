"""Measures whose permuted scores are approximated where that changes no comparison."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch

from repscape.errors import RepscapeError

NO_OTHERS = torch.empty(0, dtype=torch.float64)
"""The permuted scores of a pair are compared with the first order's only."""


class ComparedNulls:
    """A measure that has to be told what its permuted scores will be compared with.

    `permuted_pairs` takes for granted that it is the score of the first order: each score is then
    greater than that one, less, or tied, as it is by `compare`, but may differ a little. A null of
    the best of many pairs is compared with the scores of all of them.
    """

    @abstractmethod
    def compared_pairs(
        self,
        states: Sequence[torch.Tensor],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
        against: Sequence[torch.Tensor | None],
    ) -> list[torch.Tensor | RepscapeError]:
        """`permuted_pairs` that compare with more than the first order's score as by `compare`.

        `against` has for each pair the other scores, (T,) float64, that its permuted ones will be
        compared with; None where all of them are to be as by `compare`.
        """
