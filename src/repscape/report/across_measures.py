"""Sentences about one finding under every measure: all of them named, or the range of many."""

from __future__ import annotations

import pandas as pd

from repscape.report.sources import row_sources, short_sources
from repscape.report.words import counted, leading_factor, listed, percent

_MOST_LISTED = 4
_MOST_NAMED_PAIRS = 5
_CONTEXT = ["data", "split", "measure"]


def describe_agreement(effects: pd.DataFrame) -> list[str]:
    """Say whether all measures put the same factor first; nothing for a single measure."""
    if effects.empty:
        return []
    groups = [rows for _, rows in effects.groupby(_CONTEXT, sort=False, dropna=False)]
    firsts = pd.DataFrame([rows.iloc[0][_CONTEXT] for rows in groups])
    leaders: dict[str, list[str]] = {}
    for rows, label in zip(groups, _labels(firsts), strict=True):
        leading = leading_factor(rows)
        name = "no factor" if leading is None else f"the {leading['factor']}"
        leaders.setdefault(name, []).append(label)
    if len(groups) < 2:
        return []
    many_sources = len(set(row_sources(firsts))) > 1
    cases = f"{len(groups)} cases ({_scope(firsts)})" if many_sources else _scope(firsts)
    if len(leaders) == 1:
        every = "Both measures" if cases == "2 measures" else f"All {cases}"
        return [f"{every} put {next(iter(leaders))} first."]
    many = len(groups) > _MOST_LISTED
    parts = [
        f"{_few(labels) if many else listed(labels)} {'puts' if len(labels) == 1 else 'put'} "
        f"{name} first"
        for name, labels in leaders.items()
    ]
    among = f"of {cases} " if many else ""
    return [f"The measures do not agree: {among}{'; '.join(parts)}."]


def describe_identification(accuracy: pd.DataFrame) -> list[str]:
    """Say how often a layer is found again in the same network under another seed.

    Parameters
    ----------
    accuracy
        Rows of `repscape.analysis.layer_identification.identification_accuracy`, one per measure.
    """
    known = accuracy.dropna(subset=["accuracy"])
    if known.empty:
        return []
    labels = _labels(known)
    if len(known) > _MOST_LISTED:
        found = _range(known["correct"], known["counted"], labels, "cases")
        found = f"in {found} under {_scope(known)}"
    else:
        found = listed(
            [
                f"in {row['correct']} of {row['counted']} cases ({percent(row['accuracy'])}) "
                f"under {label}"
                for row, label in zip(known.to_dict("records"), labels, strict=True)
            ]
        )
    return [
        "For two networks that differ only in their seed, the most similar layer of the other "
        f"network is the same layer {found}; guessing would reach "
        f"{percent(float(known['chance'].iloc[0]))}."
    ]


def describe_chance(summary: pd.DataFrame, what: str, *, brief: bool = False) -> list[str]:
    """Say how many scores can be told from chance under each measure.

    Parameters
    ----------
    summary
        `repscape.analysis.chance.chance_summary`; without rows there is nothing to say.
    what
        What pairs are pairs of.
    brief
        One sentence in all, without what the permutations allow.
    """
    tested = summary[summary["tested"] > 0] if len(summary) else summary
    if tested.empty:
        return []
    level = percent(float(tested["level"].iloc[0]))
    first = (
        f"More alike than chance, at {level} with allowance for their number, are "
        f"{_distinguished(tested, what)}."
    )
    if brief:
        return [first]
    fewest = int(tested["n_permutations"].min())
    smallest = float(tested["smallest_reachable_p"].max())
    reach = (
        f"With {fewest:,} random pairings no p can be below {smallest:.2g}. A score that is not "
        "more than chance does not say that there is no likeness, only that these samples do not "
        "show it."
    )
    return [first, reach, *_undecided(tested, what)]


def _undecided(tested: pd.DataFrame, what: str) -> list[str]:
    """Where permutations are too few for so many tests, say so and how many would do."""
    rows = tested[tested["undecided"] > 0]
    if rows.empty:
        return []
    most = rows.sort_values("undecided", kind="stable").iloc[-1]
    labels = _labels(rows)
    where = listed(labels) if len(labels) <= 2 else f"{len(labels)} measures"
    such = f" (`{most['measure']}`)" if len(labels) > 1 else ""
    return [
        f"Random pairings are too few for so many scores under {where}: none reached "
        f"{int(most['undecided']):,} of the scores of {int(most['tested']):,} pairs of {what}"
        f"{such}, yet it takes {int(rows['enough_permutations'].max()):,} of them to tell such "
        "scores from chance."
    ]


def describe_untested(scores: pd.DataFrame) -> list[str]:
    """Name the measures whose scores have no p-value at all, by the reason.

    Parameters
    ----------
    scores
        The whole table, with a null of other measures.
    """
    labels: dict[str, list[str]] = {}
    for measure, rows in scores[scores["value"].notna()].groupby("measure", sort=False):
        if rows["p_value"].isna().all():
            said = (
                rows["null_reason"].dropna() if "null_reason" in rows else rows["reason"].iloc[:0]
            )
            reason = str(said.iloc[0]) if len(said) else "no null was drawn"
            labels.setdefault(reason, []).append(f"`{measure}`")
    sentences = []
    for reason, names in labels.items():
        which = listed(names) if len(names) <= _MOST_LISTED else f"{len(names)} measures"
        sentences.append(f"Not tested: the scores under {which} ({reason}).")
    return sentences


def describe_undistinguished(scores: pd.DataFrame) -> list[str]:
    """Name the pairs of networks that cannot be told from chance, or say that there are none.

    The first measure with such pairs names them; the others' are in the figure and the table.

    Parameters
    ----------
    scores
        One row per measure and pair of models, judged (`repscape.analysis.chance.judge`).
    """
    tested = scores[scores["p_value"].notna() & (scores["model_a"] != scores["model_b"])]
    lost: dict[str, str] = {}
    alike: dict[str, str] = {}
    for name, rows in tested.groupby("measure", sort=False):
        measure, missing = str(name), rows[~rows["distinguishable"].astype(bool)]
        pairs = counted(len(rows), "pair")
        if missing.empty:
            alike[measure] = f"Under `{measure}` all {pairs} of networks score more than chance."
            continue
        named = "" if lost else f": {_named_pairs(missing)}"
        lost[measure] = (
            f"Under `{measure}` {len(missing)} of {pairs} of networks cannot be told from "
            f"chance{named}."
        )
    count = len(lost) + len(alike)
    if not lost and count > 1:
        return [f"Under each of {count} measures all pairs of networks score more than chance."]
    if count <= _MOST_LISTED:
        return [(lost | alike)[measure] for measure in tested["measure"].unique()]
    sentences = list(lost.values())
    if len(lost) > _MOST_LISTED:
        sentences = [sentences[0], _undistinguished_range(tested, list(lost))]
    if alike:
        others = f"Under the other {counted(len(alike), 'measure')}".replace(" 1 ", " ")
        sentences.append(f"{others} all pairs of networks score more than chance.")
    return sentences


def _undistinguished_range(tested: pd.DataFrame, measures: list[str]) -> str:
    by_measure = tested.groupby("measure", sort=False)["distinguishable"]
    distinguished = by_measure.agg(lambda column: int(column.astype(bool).sum())).loc[measures]
    sizes = by_measure.size().loc[measures]
    labels = [f"`{measure}`" for measure in measures]
    found = _range(sizes - distinguished, sizes, labels, "pairs of networks")
    return f"Under {counted(len(measures), 'measure')} {found} cannot be told from chance."


def _distinguished(tested: pd.DataFrame, what: str) -> str:
    labels = pd.Series(_labels(tested), index=tested.index)
    lost = tested[tested["distinguishable"] < tested["tested"]]
    numbers = tested["distinguishable"].map("{:,}".format) + " of "
    numbers += tested["tested"].map("{:,}".format)
    if len(tested) <= _MOST_LISTED:
        return f"these pairs of {what}: {listed(list(numbers + ' under ' + labels))}"
    if len(lost) > min(_MOST_LISTED, len(tested) // 2):
        pairs = f"pairs of {what}"
        found = _range(tested["distinguishable"], tested["tested"], list(labels), pairs)
        return f"{found} under {_scope(tested)}"
    exceptions = listed(list((labels + " (" + numbers + ")")[lost.index]))
    but = f", except under {exceptions}" if exceptions else ""
    return f"all pairs of {what} under each of {_scope(tested)}{but}"


def _range(parts: pd.Series[int], wholes: pd.Series[int], labels: list[str], nouns: str) -> str:
    """Say the least and the greatest share, and under which measures they are."""
    shares = parts / wholes
    if shares.min() == shares.max():
        return f"{percent(float(shares.min()))} of the {nouns}"
    ends = []
    for end, unit in ((shares.min(), f" {nouns}"), (shares.max(), "")):
        at = [place for place, share in enumerate(shares) if share == end]
        name = labels[at[0]] + (f" and {counted(len(at) - 1, 'other')}" if len(at) > 1 else "")
        part, whole = parts.iloc[at[0]], wholes.iloc[at[0]]
        ends.append(f"{part:,} of {whole:,}{unit} ({percent(float(end))}, {name})")
    return f"{ends[0]} to {ends[1]}"


def _few(labels: list[str]) -> str:
    """Name one or two, count more."""
    return listed(labels) if len(labels) <= 2 else str(len(labels))


def _labels(table: pd.DataFrame) -> list[str]:
    """Return the measure of every row, and its data set where there are several."""
    sources = row_sources(table)
    places = short_sources(sources)
    names = [f"`{measure}`" for measure in table["measure"]]
    if len(places) == 1:
        return names
    return [f"{name} on {places[source]}" for name, source in zip(names, sources, strict=True)]


def _scope(table: pd.DataFrame) -> str:
    """Return ``11 measures``, or ``11 measures on 2 data sets``."""
    measures, sources = counted(table["measure"].nunique(), "measure"), len(set(row_sources(table)))
    return measures if sources == 1 else f"{measures} on {sources} data sets"


def _named_pairs(pairs: pd.DataFrame) -> str:
    names = [f"{a} with {b}" for a, b in pairs[["model_a", "model_b"]].to_numpy(dtype=str)]
    shown = names[:_MOST_NAMED_PAIRS]
    more = f"; and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return "; ".join(shown) + more
