"""Exact transport in whole units by shortest augmenting paths, compiled.

Importing this module imports numba, so its caller does it lazily.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.floating[Any]]
    Integers = npt.NDArray[np.integer[Any]]


@njit(nogil=True, cache=True)
def transport_units(costs: Floats, supply: int, demand: int) -> Integers:
    """Move `supply` units from every row to columns that take `demand` units each, cheapest.

    rows · supply must equal columns · demand. Returns the units moved, (rows, columns) int64.

    Each row in turn sends its units along shortest paths, by reduced costs that dual prices keep
    from being negative, so that the plan so far is always the cheapest of its size.
    """
    rows, columns = costs.shape
    plan = np.zeros((rows, columns), np.int64)
    free = np.full(columns, demand, np.int64)
    row_price = np.zeros(rows)
    column_price = np.zeros(columns)
    via_row = np.empty(columns, np.int64)
    via_column = np.empty(rows, np.int64)
    for source in range(rows):
        left = supply
        while left > 0:
            target = _shortest_path(
                costs, plan, free, row_price, column_price, source, via_row, via_column
            )
            left -= _augment(plan, free, source, target, left, via_row, via_column)
    return plan


@njit(nogil=True, cache=True)
def _shortest_path(
    costs: Floats,
    plan: Integers,
    free: Integers,
    row_price: Floats,
    column_price: Floats,
    source: int,
    via_row: Integers,
    via_column: Integers,
) -> int:
    """Dijkstra from a row to the nearest column with room; updates the prices.

    A row reaches every column; a column reaches back the rows that send to it, at no reduced
    cost. `via_row[column]` and `via_column[row]` record the path.
    """
    rows, columns = costs.shape
    distance = np.full(columns, np.inf)
    column_done = np.zeros(columns, np.bool_)
    row_distance = np.full(rows, np.inf)
    queue = np.empty(rows, np.int64)
    row_distance[source] = 0.0
    queue[0] = source
    waiting, scanned = 1, 0
    while True:
        while scanned < waiting:
            row = queue[scanned]
            scanned += 1
            base = row_distance[row] - row_price[row]
            for column in range(columns):
                if not column_done[column]:
                    length = base + costs[row, column] - column_price[column]
                    if length < distance[column]:
                        distance[column] = length
                        via_row[column] = row
        nearest = -1
        for column in range(columns):
            if not column_done[column] and (nearest < 0 or distance[column] < distance[nearest]):
                nearest = column
        column_done[nearest] = True
        if free[nearest] > 0:
            break
        for row in range(rows):
            if plan[row, nearest] > 0 and row_distance[row] == np.inf:
                row_distance[row] = distance[nearest]
                via_column[row] = nearest
                queue[waiting] = row
                waiting += 1
    reach = distance[nearest]
    for row in queue[:scanned]:
        row_price[row] += reach - row_distance[row]
    for column in range(columns):
        if column_done[column]:
            column_price[column] += distance[column] - reach
    return nearest


@njit(nogil=True, cache=True)
def _augment(
    plan: Integers,
    free: Integers,
    source: int,
    target: int,
    limit: int,
    via_row: Integers,
    via_column: Integers,
) -> int:
    """Send as many units as the path, the target and the limit allow; return how many."""
    units: int = min(limit, free[target])
    column = target
    while via_row[column] != source:
        row = via_row[column]
        column = via_column[row]
        units = min(units, plan[row, column])
    column = target
    while True:
        row = via_row[column]
        plan[row, column] += units
        if row == source:
            break
        column = via_column[row]
        plan[row, column] -= units
    free[target] -= units
    return units
