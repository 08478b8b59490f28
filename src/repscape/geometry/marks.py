"""What to look at in a profile: its peak, the minimum after it, the second bump."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import pandas as pd

MARKS_VERSION = 2
"""Of the rule of `find_marks`: 2 since a peak must exceed all layers before it."""
_SMALLEST_SHARE = 0.05
_ERRORS = 2.0


@dataclass(frozen=True)
class Marks:
    """Positions in a profile.

    Attributes
    ----------
    peak : int
        The first peak that stands out and is higher than all before it, or the largest value
        where none is.
    minimum : int or None
        The smallest value between the peak and the second bump; without a second bump, the
        smallest after the peak. None where the peak is the last layer.
    bump : int or None
        The next peak that stands out, if there is one; it may be lower than the first.
    """

    peak: int
    minimum: int | None
    bump: int | None


def find_marks(values: Sequence[float], errors: Sequence[float] | None = None) -> Marks | None:
    """Find the marks of a profile along layers; missing values are NaN and are passed over.

    A peak stands out if its prominence exceeds 5 % of the range of the profile and two standard
    errors of a difference (√2 times the mean error). The first and the last layer are no peaks
    unless nothing else is: in a profile that falls from its first layer, a later bump that stays
    below that layer is not its peak.

    Returns None for fewer than three values.
    """
    from scipy.signal import find_peaks  # takes most of a second to import

    profile = np.asarray(values, dtype=float)
    present = np.flatnonzero(np.isfinite(profile))
    if len(present) < 3:
        return None
    known = profile[present]
    peaks, _ = find_peaks(known, prominence=_prominence(known, errors, present))
    risen = [int(at) for at in peaks if known[at] >= known[:at].max()]
    peak = risen[0] if risen else int(known.argmax())
    bump = next((int(at) for at in peaks if at > peak), None)
    stop = len(known) if bump is None else bump
    after = known[peak + 1 : stop]
    minimum = peak + 1 + int(after.argmin()) if len(after) else None
    return Marks(
        int(present[peak]),
        None if minimum is None else int(present[minimum]),
        None if bump is None else int(present[bump]),
    )


def marks_of(table: pd.DataFrame) -> pd.DataFrame:
    """The marks of every model and descriptor of a geometry table with depths.

    Columns: model, descriptor, mark (peak, minimum, bump), layer, rep, depth, value. Only marks
    that exist have a row.
    """
    import pandas as pd

    rows = []
    profiled = table[table["control"].isna() & (table["chosen"] | table["reason"].notna())]
    for (model, descriptor), part in profiled.groupby(
        ["model", "descriptor"], sort=False, dropna=False
    ):
        ordered = part.sort_values("depth", kind="stable")
        marks = find_marks(ordered["value"].to_list(), ordered["standard_error"].to_list())
        if marks is None:
            continue
        for mark, position in vars(marks).items():
            if position is not None:
                at = ordered.iloc[position]
                columns = {c: at[c] for c in ("rep", "layer", "depth", "value")}
                rows.append({"model": model, "descriptor": descriptor, "mark": mark, **columns})
    names = ["model", "descriptor", "mark", "rep", "layer", "depth", "value"]
    return pd.DataFrame.from_records(rows, columns=names)


def _prominence(
    known: npt.NDArray[np.float64],
    errors: Sequence[float] | None,
    present: npt.NDArray[np.intp],
) -> float:
    share = _SMALLEST_SHARE * float(np.ptp(known))
    if errors is None:
        return share
    given = np.asarray(errors, dtype=float)[present]
    given = given[np.isfinite(given)]
    noise = _ERRORS * float(np.sqrt(2) * given.mean()) if len(given) else 0.0
    return max(share, noise, float(np.finfo(float).tiny))
