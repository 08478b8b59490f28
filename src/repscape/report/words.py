"""Sentences computed from result tables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from repscape.analysis.tidy import in_order_of_appearance
from repscape.plots.palette import direction
from repscape.report.page import Headline
from repscape.report.sources import plain_source, row_sources, short_sources

_LITTLE = 0.1
"""Factors that explain less of the variation together do not group the networks."""


def number(value: float) -> str:
    """Return a score with two digits after the point."""
    return f"{value:z.2f}".replace("-", "−")


def percent(share: float) -> str:
    """Return a share in whole per cent, without calling a small share none or a large one all."""
    if 0 < share < 0.005:
        return "under 1%"
    if 0.995 <= share < 1:
        return "over 99%"
    return f"{100 * share:.0f}%"


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return names without their parameters, where that tells them apart."""
    short = {name: name.partition("@")[0].partition("[")[0] for name in names}
    every = list(short.values())
    return {name: s if every.count(s) == 1 else name.partition("@")[0] for name, s in short.items()}


def listed(parts: Sequence[str]) -> str:
    """Return ``a``, ``a and b`` or ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def counted(count: int, noun: str) -> str:
    """Return ``1 pair``, ``2 pairs``."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def describe_scope(table: pd.DataFrame) -> str:
    """Say what was compared: networks, layers, data, samples, measures."""
    representations = len(in_order_of_appearance(table, "rep"))
    models = len(in_order_of_appearance(table, "model"))
    subject = counted(representations, "representation")
    if models > 1:
        layers = f" with {representations} layers in all" if representations > models else ""
        subject = counted(models, "network") + layers
    named = {pair: plain_source(*pair) for pair in row_sources(table) if pair[0]}
    apart = len(set(named.values())) == len(named)
    known = list((named if apart else short_sources(named)).values())
    samples = sorted({int(value) for value in table["n"].dropna()})
    data = [counted(samples[0], "sample")] if len(samples) == 1 else []
    data += [listed(known)] if known else []
    on = f" on {' of '.join(data)}" if data else ""
    missing = int(table["value"].isna().sum())
    lacking = f" {missing} of {counted(len(table), 'score')} could not be computed." * bool(missing)
    measures = counted(table["measure"].nunique(), "measure")
    return f"{subject}, compared{on} under {measures}.{lacking}"


def leading_factor(effects: pd.DataFrame) -> pd.Series[Any] | None:
    """Return the row of the factor with the largest share whose sharing makes models more alike.

    Parameters
    ----------
    effects
        The rows of one measure of `repscape.analysis.groups.group_effects`.
    """
    grouping = effects[(effects["share"] > 0) & (effects["difference"] > 0)]
    if grouping.empty:
        return None
    return grouping.sort_values("share", ascending=False, kind="stable").iloc[0]


def describe_groups(effects: pd.DataFrame) -> list[str]:
    """Say which factor groups the networks under one measure, and what changing one factor does.

    Parameters
    ----------
    effects
        The rows of one measure of `repscape.analysis.groups.group_effects`.
    """
    if effects.empty:
        return ["No tag groups the networks of this table."]
    measure, kind = str(effects["measure"].iloc[0]), str(effects["kind"].iloc[0])
    leading = leading_factor(effects)
    if leading is None:
        return [f"Under `{measure}` no factor groups the networks: sharing one brings no likeness."]
    shares = [f"the {leading['factor']} accounts for {percent(leading['share'])}"]
    shares += [
        f"the {row['factor']} for {percent(float(row['share']))}"
        for row in effects.to_dict("records")
        if row["factor"] != leading["factor"] and not pd.isna(row["share"])
    ]
    pairs = int(leading["pairs_same"] + leading["pairs_different"])
    grouped = f"The networks group by {leading['factor']} first"
    if leading["share_all"] < _LITTLE:
        grouped = "What is known of the networks says little about which are alike"
    first = (
        f"{grouped}. Under `{measure}` "
        f"({direction(kind)}), pairs of networks that share the {leading['factor']} score "
        f"{number(leading['mean_same'])} on average, pairs that do not "
        f"{number(leading['mean_different'])}. Of the variation among the "
        f"{counted(pairs, 'pair')}, {listed(shares)}."
    )
    return [first, *_describe_single_changes(effects)]


def describe_group_tests(tests: pd.DataFrame) -> list[str]:
    """Say of which factors it can be shown that sharing them makes networks more alike.

    Parameters
    ----------
    tests
        The rows of one measure of `repscape.analysis.group_tests.group_tests`.
    """
    known = tests.dropna(subset=["p_value"])
    if known.empty:
        return []
    parts = [
        f"the {row['factor']} p = {row['p_value_holm']:.2g}"
        + " (the least that so few networks allow)" * bool(row["p_value"] <= row["smallest_p"])
        for row in known.to_dict("records")
    ]
    return [
        f"Whether networks that share a factor are more alike under `{known['measure'].iloc[0]}`, "
        "tested by handing its values to other networks up to "
        f"{int(known['n_permutations'].max()):,} times: {listed(parts)} (adjusted for the number "
        "of factors after Holm)."
    ]


def headlines(effects: pd.DataFrame, accuracy: pd.DataFrame) -> list[Headline]:
    """Return the three numbers that matter, under the first measure of each table.

    These are the share of the factor that groups the networks, the score that is left when only
    the seed changes, and the accuracy of layer identification; those that there are.
    """
    lines = []
    leading = leading_factor(effects) if len(effects) else None
    if leading is not None:
        lines.append(_group_headline(effects, leading))
    lines += _seed_headline(effects)
    known = accuracy.dropna(subset=["accuracy"])
    if len(known):
        first = known.iloc[0]
        lines.append(
            Headline(
                percent(first["accuracy"]),
                "of layers are found again under another seed",
                f"{first['correct']} of {first['counted']} under `{first['measure']}`; guessing "
                f"would find {percent(first['chance'])}",
            )
        )
    return lines


def _group_headline(effects: pd.DataFrame, leading: pd.Series[Any]) -> Headline:
    """How much goes with the leading factor; with all of them where even that is little."""
    pairs = int(leading["pairs_same"] + leading["pairs_different"])
    where = f"{counted(pairs, 'pair')} of networks under `{leading['measure']}`"
    if leading["share_all"] >= _LITTLE:
        return Headline(
            percent(leading["share"]),
            f"of the variation goes with the {leading['factor']}",
            f"more than with any other factor; {where}",
        )
    alike = effects[effects["measure"] == leading["measure"]].dropna(subset=["share"])
    factors = list(dict.fromkeys(f"the {name}" for name in alike["factor"]))
    return Headline(
        percent(leading["share_all"]),
        f"of the variation goes with {listed(factors)}" + " together" * (len(factors) > 1),
        f"so little that this does not say which networks are alike; {where}",
    )


def _seed_headline(effects: pd.DataFrame) -> list[Headline]:
    seed = effects[(effects["factor"] == "seed") & effects["mean_only"].notna()]
    if seed.empty:
        return []
    first = seed.iloc[0]
    others = [
        f"{number(row['mean_only'])} if only the {row['factor']} differs"
        for row in effects.to_dict("records")
        if row["factor"] != "seed" and not pd.isna(row["mean_only"])
    ]
    detail = f"{listed(others)}; " if others else ""
    return [
        Headline(
            number(first["mean_only"]),
            "mean score of networks that differ only in their seed",
            f"{detail}`{first['measure']}`, {direction(str(first['kind']))}",
        )
    ]


def _describe_single_changes(effects: pd.DataFrame) -> list[str]:
    known = effects.dropna(subset=["mean_only"])
    if known.empty:
        return []
    most_alike_first = str(known["kind"].iloc[0]) == "distance"
    ordered = known.sort_values("mean_only", ascending=most_alike_first, kind="stable")
    parts = [
        f"{number(row['mean_only'])} where only the {row['factor']} differs "
        f"({counted(row['pairs_only'], 'pair')})"
        for row in ordered.to_dict("records")
    ]
    return [f"Changing one thing at a time, the mean score is {listed(parts)}."]
