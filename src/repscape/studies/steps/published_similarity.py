"""The tables and figures of Klabunde et al. (2023), and what they lack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import Field

from repscape.analysis import by_depth, data_agreement, wide
from repscape.analysis.model_scores import as_model_scores
from repscape.analysis.published_similarity import (
    GROUPS,
    of_group,
    order_of_models,
    published_table,
    short_names,
)
from repscape.measures.base import get_measure
from repscape.report.page import Headline, ReportTable, Section
from repscape.report.sources import by_measure
from repscape.studies.steps.base import (
    ANALYSES,
    FIGURES,
    SECTIONS,
    Analysis,
    FigureStep,
    NoOptions,
    Options,
    Part,
    SectionStep,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_GROUP_NAMES = {
    "otis": "Invariant to rotation and scale",
    "otistr": "Invariant to rotation, scale and shift",
}
_AGREED = {
    "measure": "measure",
    "data_a": "one data set",
    "data_b": "the other",
    "models": "models",
    "pairs": "pairs",
    "spearman": "Spearman",
    "pearson": "Pearson",
    "p_value": "p",
}
_WIDE = {
    "measure": "measure",
    "n": "n",
    "d_max": "largest d",
    "pairs": "pairs",
    "wide_pairs": "with n < d",
    "mean": "mean",
    "null_mean": "chance",
    "mean_effect": "effect",
}


class PublishedOptions(Options):
    """What the published column `strategy` says."""

    strategy: str = Field(default="final_token", description="final_token or mean")


class AgreementOptions(Options):
    """Of the Mantel test."""

    permutations: int = Field(default=999, ge=1, description="orders of the models")
    seed: int = Field(default=0, ge=0, description="of the orders")


def published_tables(
    tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """The published tables: all in one, and one for each data set and group of measures."""
    scores = _last_layers(tables["scores"])
    strategy = str(options["strategy"])
    found = {"published_scores": published_table(scores, strategy=strategy)}
    for data in dict.fromkeys(scores["data"].astype(str)):
        here = scores[scores["data"].astype(str) == data]
        for group in GROUPS:
            found[f"{_file_name(data)}_{group}"] = published_table(here, group, strategy)
    return found


def agreement(tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]) -> pd.DataFrame:
    """Correlations of the scores between data sets."""
    return data_agreement.data_agreement(
        _last_layers(tables["scores"]),
        n_permutations=int(options["permutations"]),
        seed=int(options["seed"]),
    )


def wide_table(tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]) -> pd.DataFrame:
    """Where samples are fewer than features."""
    del options
    return wide.wide_pairs(_last_layers(tables["scores"]), tables["representations"])


def depth_table(tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]) -> pd.DataFrame:
    """Scores layer by layer, at their depth in the networks."""
    del options
    return by_depth.scores_by_depth(_symmetric(tables["scores"]), tables["representations"])


def figures(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> dict[str, Figure]:
    """The published heat maps of every data set, and the scores by depth."""
    from repscape.plots.by_depth import by_depth_figure
    from repscape.plots.triangles import Panel, triangles

    del options
    scores = _last_layers(tables["scores"])
    drawn: dict[str, Figure] = {}
    for data in dict.fromkeys(scores["data"].astype(str)):
        here = scores[scores["data"].astype(str) == data]
        order = order_of_models(here, data)
        for group in GROUPS:
            panels = [Panel(each.measure, each.title) for each in of_group(group)]
            drawn[f"published_{_file_name(data)}_{group}"] = triangles(
                here,
                panels,
                order,
                names=short_names(order),
                note=wide.warning_of(tables["wide_pairs"], data, [p.measure for p in panels]),
            )
    depths = tables["scores_by_depth"]
    if depths["place"].nunique() > 1:
        drawn["scores_by_depth"] = by_depth_figure(depths)
    return drawn


def section(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> Part:
    """What the published measures say, and how far to trust them."""
    del options
    agreed, bias = tables["data_agreement"], tables["wide_pairs"]
    prose = [
        *data_agreement.in_words(agreed),
        *_wide_in_words(bias),
        *_depth_in_words(tables["scores_by_depth"]),
        "The heat maps of the paper, with its measures under their published titles, are in the "
        "folder `figures` (`published_…`); its tables, with its columns, in `tables`.",
    ]
    shown = [
        ReportTable(
            agreed.drop(columns=["kind", "reason"]),
            "Do the measures order the pairs of models alike on two data sets? p: Mantel test, "
            "models relabelled.",
        )
    ]
    if len(bias):
        shown.append(
            ReportTable(
                by_measure(bias, _WIDE),
                "Samples n against features d: the mean score of the pairs beside the mean under "
                "random pairing of the samples (chance), and the effect, which is 0 for those "
                "and 1 for the best.",
            )
        )
    return Part([Section("The published measures", prose, tables=shown)], _headlines(agreed))


def _headlines(agreed: pd.DataFrame) -> list[Headline]:
    known = agreed.dropna(subset=["spearman"])
    if known.empty:
        return []
    pair = f"{known['data_a'].iloc[0]} and {known['data_b'].iloc[0]}"
    low, high = known["spearman"].min(), known["spearman"].max()
    return [
        Headline(
            f"{known['spearman'].mean():.2f}",
            f"mean rank correlation between {pair}",
            f"over {len(known)} measures, from {low:.2f} to {high:.2f}; 1 would mean that the "
            "data do not matter",
        )
    ]


def _wide_in_words(bias: pd.DataFrame) -> list[str]:
    sentences = []
    for data, rows in bias[bias["warning"].notna()].groupby("data", sort=False):
        first = rows.iloc[0]
        sentence = (
            f"On {data} there are {first['n']} samples and up to {first['d_max']} features: in "
            f"{first['wide_pairs']} of {first['pairs']} pairs unrelated representations look "
            "alike to alignment and biased CKA."
        )
        known = rows.dropna(subset=["null_mean"])
        if len(known):
            sentence += " Under random pairing of the samples the mean scores are " + ", ".join(
                f"{row['null_mean']:.2f} (`{row['measure']}`, raw {row['mean']:.2f})"
                for _, row in known.iterrows()
            )
            sentence += "."
        sentences.append(sentence)
    return sentences


def _depth_in_words(depths: pd.DataFrame) -> list[str]:
    """From the first layer to the last, by the first measure of the table."""
    if depths.empty or depths["place"].nunique() < 2:
        return []
    measure = depths["measure"].iloc[0]
    first, last = depths["place"].min(), depths["place"].max()
    parts = []
    for data, rows in depths[depths["measure"] == measure].groupby("data", sort=False):
        ordered = rows.sort_values("place")
        parts.append(f"{ordered['mean'].iloc[0]:.2f} to {ordered['mean'].iloc[-1]:.2f} ({data})")
    return [
        f"From the first of the layers{_at(depths, first)} to the last{_at(depths, last)} the mean "
        f"of `{measure}` over pairs of models goes from {' and from '.join(parts)}."
    ]


def _at(depths: pd.DataFrame, place: int) -> str:
    """At which depth the layers of a place lie, if that is known."""
    here = depths[depths["place"] == place]
    if here["depth"].isna().any():
        return ""
    low, high = here["depth_low"].min(), here["depth_high"].max()
    span = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    return f" (relative depth {span})"


def _last_layers(scores: pd.DataFrame) -> pd.DataFrame:
    """One score per pair of models: that of their last layers."""
    return as_model_scores(_symmetric(scores), "last")


def _symmetric(scores: pd.DataFrame) -> pd.DataFrame:
    chosen = scores["measure"].map(lambda name: get_measure(name).declared.symmetric).astype(bool)
    return scores[chosen].reset_index(drop=True)


def _file_name(data: str) -> str:
    return data.lower().replace("/", "-").replace(" ", "-")


_NEEDS = ("scores", "representations", "data_agreement", "wide_pairs", "scores_by_depth")

ANALYSES.register(
    Analysis(
        name="published_scores",
        summary="the tables of Klabunde et al. (2023): their columns and names of measures",
        version=1,
        run=f"{__name__}:published_tables",
        needs=("scores",),
        options=PublishedOptions,
    )
)
ANALYSES.register(
    Analysis(
        name="data_agreement",
        summary="do measures order pairs of models alike on two data sets?",
        version=2,
        run=f"{__name__}:agreement",
        needs=("scores",),
        options=AgreementOptions,
    )
)
ANALYSES.register(
    Analysis(
        name="wide_pairs",
        summary="where samples are fewer than features, and what unrelated models would score",
        version=1,
        run=f"{__name__}:wide_table",
        needs=("scores", "representations"),
    )
)
ANALYSES.register(
    Analysis(
        name="scores_by_depth",
        summary="mean scores of models, layer by layer, and how deep the layers lie",
        version=3,
        run=f"{__name__}:depth_table",
        needs=("scores", "representations"),
    )
)
FIGURES.register(
    FigureStep(
        name="published_similarity",
        summary="the heat maps of Klabunde et al. (2023), and scores layer by layer",
        draw=figures,
        needs=("scores", "wide_pairs", "scores_by_depth"),
    )
)
SECTIONS.register(
    SectionStep(
        name="published_similarity",
        summary="agreement of data sets, and what fewer samples than features do",
        write=section,
        needs=_NEEDS,
    )
)
