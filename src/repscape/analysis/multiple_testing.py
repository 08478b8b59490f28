"""Many p-values at once: Holm's and Benjamini and Hochberg's adjustments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean

Method: TypeAlias = Literal["holm", "benjamini_hochberg"]


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values p̃_(i) = max_{j≤i} min(1, (m - j + 1) p_(j)), for ascending p_(1) … p_(m).

    Rejecting p̃ ≤ α keeps the probability of any false rejection at or below α, whatever the
    dependence (Holm 1979). Missing p-values (NaN) stay missing and do not count.
    """
    return _adjusted(p_values, lambda m: m - np.arange(m, dtype=float), _ceilings)


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjusted p-values p̃_(i) = min_{j≥i} min(1, m p_(j) / j), for ascending p_(1) … p_(m).

    Rejecting p̃ ≤ α keeps the expected share of false ones among the rejections at or below α,
    for independent or positively dependent tests (Benjamini and Hochberg 1995). Missing p-values
    (NaN) stay missing and do not count.
    """
    return _adjusted(p_values, lambda m: m / np.arange(1, m + 1), _floors)


def adjust(
    table: pd.DataFrame,
    method: Method = "holm",
    by: Sequence[str] = ("measure",),
    column: str = "p_value",
) -> pd.DataFrame:
    """Return the table with a column of adjusted p-values, `<column>_<method>`.

    Parameters
    ----------
    table
        One test per row.
    method
        "holm" or "benjamini_hochberg".
    by
        The columns that name a family of tests: each family is adjusted on its own.
    column
        The column of p-values.
    """
    if method not in get_args(Method):
        raise InvalidParameterError(
            f"method={method!r}: {did_you_mean(str(method), get_args(Method))}"
        )
    for name in (*by, column):
        if name not in table.columns:
            raise UnknownNameError(
                f"the table has no column {name!r}; {did_you_mean(name, map(str, table.columns))}"
            )
    function = holm if method == "holm" else benjamini_hochberg
    result = table.copy()
    p = table[column].to_numpy(dtype=float)
    adjusted = np.full(len(table), np.nan)
    families = table.groupby(list(by), dropna=False).ngroup() if by else pd.Series(0, table.index)
    for family in families.unique():
        rows = (families == family).to_numpy()
        adjusted[rows] = function(p[rows])
    result[f"{column}_{method}"] = adjusted
    return result


def _adjusted(
    p_values: ArrayLike,
    factors: Callable[[int], NDArray[np.float64]],
    running: Callable[[NDArray[np.float64]], NDArray[np.float64]],
) -> NDArray[np.float64]:
    p = np.asarray(p_values, dtype=float)
    present = ~np.isnan(p)
    if ((p[present] < 0) | (p[present] > 1)).any():
        wrong = p[present][(p[present] < 0) | (p[present] > 1)][0]
        raise InvalidParameterError(f"{wrong:g} is no p-value: they lie between 0 and 1")
    order = np.argsort(p[present], kind="stable")
    scaled = p[present][order] * factors(len(order))
    found = np.empty(len(order))
    found[order] = np.minimum(running(scaled), 1.0)
    adjusted = np.full(p.shape, np.nan)
    adjusted[present] = found
    return adjusted


def _ceilings(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The largest so far."""
    return np.maximum.accumulate(values)


def _floors(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """The smallest from here on."""
    return np.minimum.accumulate(values[::-1])[::-1]
