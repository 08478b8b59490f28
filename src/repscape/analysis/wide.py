"""Where there are fewer samples than features: what scores of unrelated models would be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from repscape.analysis.tidy import slices

COLUMNS = {
    "data": "data set",
    "split": "its split",
    "measure": "printable name",
    "kind": "similarity or distance",
    "n": "number of samples",
    "d_min": "features of the narrowest representation",
    "d_max": "features of the widest",
    "pairs": "number of pairs with a score",
    "wide_pairs": "pairs of which at least one side has more features than there are samples",
    "mean": "mean score",
    "null_mean": "mean score under random pairing of the samples; null without nulls",
    "mean_effect": "mean of (score - null mean) / (best - null mean); null without nulls",
    "warning": "what to beware of; null where nothing",
}
"""The columns of the table of `wide_pairs`."""

_LOOK_ALIKE = ("procrustes", "aligned_cosine", "size_and_shape", "cca", "svcca", "pwcca")


def wide_pairs(scores: pd.DataFrame, representations: pd.DataFrame) -> pd.DataFrame:
    """Say for every measure how many pairs have fewer samples than features, and what that does.

    With n < d independent representations can be rotated close to each other, and their biased
    CKA is far from 0 (0.96 for normal data with n = 164, d = 4,096), so that raw scores of
    different data sets, or of models of different widths, must not be read against each other.

    Parameters
    ----------
    scores
        A tidy table of scores, with the columns of nulls if there are any.
    representations
        Columns data, model, layer, n, d.

    Returns
    -------
    DataFrame
        One row per data set and measure; the columns are described in `COLUMNS`.
    """
    widths = {
        (str(row["data"]), str(row["model"]), str(row["layer"])): int(row["d"])
        for _, row in representations.iterrows()
    }
    rows = [_row(piece.context, piece.table, widths) for piece in slices(scores)]
    return pd.DataFrame.from_records(rows, columns=list(COLUMNS))


def warning_of(table: pd.DataFrame, data: str | None, measures: Sequence[str]) -> str | None:
    """One line for a figure of these measures on a data set, or None where no pair is wide."""
    rows = table[(table["data"].astype(str) == str(data)) & table["warning"].notna()]
    rows = rows[rows["measure"].isin(list(measures))]
    if rows.empty:
        return None
    first = rows.iloc[0]
    line = f"n = {first['n']:,} < d = {first['d_max']:,} in {first['wide_pairs']} of "
    line += f"{first['pairs']} pairs: alignment and biased CKA are alike for unrelated models too"
    known = rows.dropna(subset=["null_mean"])
    if known.empty:
        return line
    shown = ", ".join(
        f"{row['measure'].partition('[')[0]} {row['null_mean']:.2f}" for _, row in known.iterrows()
    )
    return f"{line}\n(mean under random pairing of the samples: {shown})"


def _row(
    context: dict[str, str | None], table: pd.DataFrame, widths: dict[tuple[str, str, str], int]
) -> dict[str, Any]:
    known = table.dropna(subset=["value"])
    sides = [
        [
            widths.get((str(context["data"]), str(model), str(layer)))
            for model, layer in zip(known[f"model_{s}"], known[f"layer_{s}"], strict=True)
        ]
        for s in "ab"
    ]
    found = [d for side in sides for d in side if d is not None]
    n = int(known["n"].max()) if len(known) else None
    wide = sum(n is not None and max(a or 0, b or 0) > n for a, b in zip(*sides, strict=True))
    return {
        **context,
        "n": n,
        "d_min": min(found, default=None),
        "d_max": max(found, default=None),
        "pairs": len(known),
        "wide_pairs": wide,
        "mean": _mean(known, "value"),
        "null_mean": _mean(known, "null_mean"),
        "mean_effect": _mean(known, "effect"),
        "warning": _warning(str(context["measure"]), wide),
    }


def _mean(table: pd.DataFrame, column: str) -> float | None:
    if column not in table.columns or table[column].isna().all():
        return None
    return float(table[column].mean())


def _warning(measure: str, wide: int) -> str | None:
    core = measure.rpartition("|")[2]
    name = core.partition("[")[0].partition("@")[0]
    biased = name == "cka" and "debiased=false" in core
    if not wide or not (biased or name in _LOOK_ALIKE):
        return None
    return "fewer samples than features: unrelated representations look alike, so read the effect"
