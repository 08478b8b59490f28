"""Which scores of a table are more than chance, and what they are on a calibrated scale.

A table that was asked for a null (`repscape.similarity_matrix(…, null="permutation")`) has the
columns `repscape.tables.NULL_COLUMNS`. Each row is then a test of its own, and a table holds
many, so p-values are adjusted within each data set, split and measure.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from repscape.analysis.multiple_testing import Method, adjust
from repscape.analysis.tidy import as_tidy, slices
from repscape.errors import InvalidParameterError, UnknownNameError

LEVEL = 0.05
EFFECT_OF = "effect of "
_FAMILY = ("data", "split", "measure")
_JUDGED = ("p_adjusted", "distinguishable", "undecided")


def has_null(table: pd.DataFrame) -> bool:
    """Whether the table says of some score how it compares with chance."""
    return "p_value" in table.columns and bool(table["p_value"].notna().any())


def has_effects(table: pd.DataFrame) -> bool:
    """Whether some score of the table has a place on the calibrated scale."""
    return has_null(table) and bool(table["effect"].notna().any())


def judge(
    table: pd.DataFrame, level: float = LEVEL, correction: Method = "benjamini_hochberg"
) -> pd.DataFrame:
    """Say of each score whether it can be told from chance, allowing for how many are tested.

    Parameters
    ----------
    table
        A tidy table of scores with the column ``p_value``.
    level : float
        The false discovery rate (Benjamini and Hochberg) or the probability of any false
        rejection (Holm), in (0, 1), for each data set, split and measure.
    correction
        ``"benjamini_hochberg"`` or ``"holm"``. With R permutations no p-value is below
        1/(R + 1), so Holm's adjustment of m tests cannot go below m/(R + 1).

    Returns
    -------
    DataFrame
        The rows, with ``p_adjusted``, ``distinguishable`` and ``undecided`` (booleans; missing
        where there is no p-value). Undecided are scores that no permutation reached, and that
        more permutations might distinguish: these are too few for so many tests.

    Raises
    ------
    UnknownNameError
        The table has no p-values.
    """
    if not 0.0 < level < 1.0:
        raise InvalidParameterError(f"level={level:g}: it lies between 0 and 1")
    if "p_value" not in table.columns:
        raise UnknownNameError(
            "the table has no column 'p_value': ask for it with "
            "similarity_matrix(…, null='permutation')"
        )
    unjudged = as_tidy(table).drop(columns=[*_JUDGED], errors="ignore")
    judged = adjust(unjudged, correction, _FAMILY)
    judged = judged.rename(columns={f"p_value_{correction}": "p_adjusted"})
    verdict = (judged["p_adjusted"] <= level).astype("boolean")
    judged["distinguishable"] = verdict.mask(judged["p_adjusted"].isna())
    judged["undecided"] = ~judged["distinguishable"] & _unreached(judged)
    return judged


def _unreached(table: pd.DataFrame) -> pd.Series[bool]:
    """Whether no permutation reached the score: its p-value is the smallest that there can be."""
    if "n_permutations" not in table.columns:
        return pd.Series(False, table.index)
    smallest = 1.0 / (table["n_permutations"].astype("float64") + 1.0)
    return table["p_value"].astype("float64") <= smallest * (1.0 + 1e-9)


def calibrated(table: pd.DataFrame) -> pd.DataFrame:
    """The same table with effects in place of the scores: 0 is chance, 1 a perfect match.

    Returns
    -------
    DataFrame
        The rows, with the effect as ``value``, the score as ``raw``, ``measure`` called
        ``effect of …`` and ``kind`` similarity. Where there is no effect, ``reason`` says why.
    """
    effects = as_tidy(table).copy()
    effects["raw"] = effects["value"]
    effects["value"] = effects["effect"].astype("float64")
    effects["measure"] = EFFECT_OF + effects["measure"]
    effects["kind"] = "similarity"
    why = effects["null_reason"] if "null_reason" in effects.columns else effects["reason"]
    effects["reason"] = effects["reason"].where(effects["reason"].notna(), why)
    effects.loc[effects["value"].notna(), "reason"] = None
    return effects


def chance_summary(
    table: pd.DataFrame, level: float = LEVEL, correction: Method = "benjamini_hochberg"
) -> pd.DataFrame:
    """Count, for each data set, split and measure, the scores that can be told from chance.

    Returns
    -------
    DataFrame
        One row for each: ``scores`` (those there are), ``tested`` (those with a p-value),
        ``distinguishable``, ``undecided``, ``enough_permutations`` (how many would distinguish
        the undecided ones, if none reaches these either), ``largest_p`` (adjusted),
        ``smallest_reachable_p`` (the least that the permutations allow, before adjustment),
        ``n_permutations``, ``null_mean`` and ``effect`` (medians), ``lowest_effect``, ``level``
        and ``correction``.
    """
    rows = []
    for piece in slices(judge(table, level, correction)):
        tested = piece.table[piece.table["p_value"].notna()]
        counted = _counted(piece.table, tested)
        rows.append({**piece.context, **counted, "enough_permutations": None})
        if counted["undecided"]:
            # The first of m tests to be rejected by Holm has p ≤ level / m, the last of k equal
            # ones by Benjamini and Hochberg p ≤ level k / m.
            unreached = int(_unreached(tested).sum()) if correction == "benjamini_hochberg" else 1
            needed = math.ceil(len(tested) / (unreached * level) * (1.0 - 1e-9))
            rows[-1]["enough_permutations"] = needed - 1
    summary = pd.DataFrame(rows)
    return summary.assign(level=level, correction=correction)


def _counted(everything: pd.DataFrame, tested: pd.DataFrame) -> dict[str, Any]:
    permutations = tested["n_permutations"].dropna().astype(int)
    fewest = int(permutations.min()) if len(permutations) else None
    effects = tested["effect"].astype("float64")
    return {
        "scores": int(everything["value"].notna().sum()),
        "tested": len(tested),
        "distinguishable": int(tested["distinguishable"].sum()),
        "undecided": int(tested["undecided"].sum()),
        "largest_p": float(tested["p_adjusted"].max()),
        "smallest_reachable_p": None if fewest is None else 1.0 / (fewest + 1),
        "n_permutations": fewest,
        "null_mean": float(tested["null_mean"].astype("float64").median()),
        "effect": float(effects.median()),
        "lowest_effect": float(effects.min()),
    }
