"""Optimal matching of features: assignments, and exact transport between unequal numbers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Integers = npt.NDArray[np.int64]


def best_assignment(gains: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows and columns of the one-to-one matching with the largest sum of gains (a × b).

    min(a, b) pairs, by the Hungarian algorithm, O(ab·min(a, b)).
    """
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(gains.cpu().numpy(), maximize=True)
    place = gains.device
    return torch.from_numpy(rows).to(place), torch.from_numpy(columns).to(place)


def uniform_transport(costs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The cheapest plan that moves the mass 1/a of every row to columns that take 1/b each.

    Exact. Equal numbers of rows and columns are an assignment. Otherwise the masses are whole
    multiples of gcd(a, b)/(ab), and shortest augmenting paths over whole numbers find the plan
    (Ahuja, Magnanti and Orlin 1993, section 9.7).

    Parameters
    ----------
    costs : (a, b) tensor
        Finite.

    Returns
    -------
    rows, columns, masses : (m,) tensors
        The entries of the plan that are not 0; masses are float64 with sum 1.
    """
    a, b = costs.shape
    if a == b:
        rows, columns = best_assignment(-costs)
        return rows, columns, torch.full((a,), 1.0 / a, dtype=torch.float64, device=costs.device)
    from repscape.compute.augmenting_paths import transport_units

    common = math.gcd(a, b)
    plan = transport_units(
        np.ascontiguousarray(costs.cpu().numpy(), dtype=np.float64), b // common, a // common
    )
    row, column = plan.nonzero()
    masses = plan[row, column] * (common / (a * b))
    place = costs.device
    return (
        torch.from_numpy(row).to(place),
        torch.from_numpy(column).to(place),
        torch.from_numpy(masses).to(place),
    )
