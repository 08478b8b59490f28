"""The report of a table of similarities: how alike are these networks, and what groups them?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from repscape.analysis.chance import (
    calibrated,
    chance_summary,
    has_effects,
    has_null,
    judge,
)
from repscape.analysis.clustering import cluster
from repscape.analysis.embedding import model_coordinates
from repscape.analysis.examples import example_pairs
from repscape.analysis.group_tests import group_tests
from repscape.analysis.groups import group_effects, grouping_factors, pair_differences
from repscape.analysis.layer_identification import (
    identification_accuracy,
    layer_identification,
)
from repscape.analysis.matrices import square_matrix
from repscape.analysis.model_scores import Rule, as_model_scores, has_layers
from repscape.analysis.tidy import (
    Slice,
    as_tidy,
    in_order_of_appearance,
    model_tags,
    slices,
)
from repscape.report.across_measures import (
    describe_agreement,
    describe_chance,
    describe_identification,
)
from repscape.report.chance import chance_section
from repscape.report.heatmaps import interactive_heatmap, interactive_layer_heatmaps
from repscape.report.page import (
    FigureChoice,
    GlossaryEntry,
    Report,
    ReportFigure,
    ReportTable,
    Section,
)
from repscape.report.points import interactive_map, interactive_pair_strip
from repscape.report.sources import by_measure, short_sources
from repscape.report.words import (
    describe_group_tests,
    describe_groups,
    describe_scope,
    headlines,
    listed,
)

_RULES: dict[str, str] = {
    "last": "The score of two networks is the score of their last layers in the table.",
    "matched_depth_mean": "The score of two networks is the mean over layers at equal depth.",
    "most_alike": "The score of two networks is that of their two most similar layers.",
}


@dataclass(frozen=True)
class SimilaritySummary:
    """The tables behind the words and numbers of a report.

    Attributes
    ----------
    scores
        One row per measure and pair of models; with a null, judged (`repscape.analysis.chance`).
    effects
        `repscape.analysis.groups.group_effects`; empty where no tag groups the models.
    accuracy
        `repscape.analysis.layer_identification.identification_accuracy`; empty where no two
        models differ only in their seed.
    accuracy_by_architecture
        The same, by architecture.
    tests
        `repscape.analysis.group_tests.group_tests`; empty where no tag groups the models.
    chance
        `repscape.analysis.chance.chance_summary` of the whole table; empty without a null.
    """

    scores: pd.DataFrame
    effects: pd.DataFrame
    accuracy: pd.DataFrame
    accuracy_by_architecture: pd.DataFrame
    tests: pd.DataFrame
    chance: pd.DataFrame


def summarise(
    table: pd.DataFrame, *, rule: Rule = "last", symmetric: bool = True
) -> SimilaritySummary:
    """Compute the tables that a report of similarities speaks of."""
    tidy = as_tidy(table)
    scores = as_model_scores(tidy, rule, symmetric=symmetric)
    scores = judge(scores) if has_null(scores) else scores
    empty = pd.DataFrame(columns=["measure", "factor", "mean_only", "accuracy", "p_value"])
    grouped = bool(grouping_factors(scores))
    effects = group_effects(scores) if grouped else empty
    tests = group_tests(scores, symmetric=symmetric) if grouped else empty
    chance = chance_summary(tidy) if has_null(tidy) else empty
    tags = model_tags(tidy)
    if not has_layers(tidy) or "seed" not in tags.columns:
        return SimilaritySummary(scores, effects, empty, empty, tests, chance)
    rows = layer_identification(tidy, symmetric=symmetric)
    by = [name for name in ("architecture",) if name in tags.columns]
    accuracy, by_architecture = identification_accuracy(rows), identification_accuracy(rows, by)
    return SimilaritySummary(scores, effects, accuracy, by_architecture, tests, chance)


def similarity_report(
    table: pd.DataFrame,
    *,
    title: str,
    glossary: Sequence[GlossaryEntry] = (),
    provenance: Mapping[str, str] | None = None,
    rule: Rule = "last",
    symmetric: bool = True,
) -> Report:
    """Compose the report of a tidy table of similarities.

    The first measure of the table is the one that the headlines and the first sentences speak of.
    A table with a null (`repscape.tables.NULL_COLUMNS`) also gets calibrated heat maps, marks where
    a score cannot be told from chance, and a section that says which can.

    Parameters
    ----------
    table
        A tidy table of scores, of layers or of models.
    title
        The heading of the page.
    glossary
        How to read each measure.
    provenance
        Where the numbers come from, by name.
    rule
        How layers make one score per pair of models.
    symmetric
        Whether a pair given in one direction stands for both.
    """
    tidy = judge(table) if has_null(table) else as_tidy(table)
    pieces = list(slices(tidy))
    if len(in_order_of_appearance(tidy, "model")) < 2:
        sections, numbers = [_representations(pieces, symmetric)], []
        sections += _chance(tidy, pieces, symmetric)
    else:
        summary = summarise(tidy, rule=rule, symmetric=symmetric)
        numbers = headlines(_first(summary.effects), _first(summary.accuracy))
        sections = _sections(tidy, pieces, summary, rule, symmetric)
    return Report(title, sections, describe_scope(tidy), numbers, glossary, provenance or {})


def _sections(
    tidy: pd.DataFrame,
    pieces: Sequence[Slice],
    summary: SimilaritySummary,
    rule: Rule,
    symmetric: bool,
) -> list[Section]:
    scored = list(slices(summary.scores))
    sections = [_summary(summary), _models(scored, rule, symmetric)]
    sections += _chance(tidy, scored, symmetric)
    if len(summary.effects):
        sections.append(_factors(scored, summary))
    if len(in_order_of_appearance(summary.scores, "model")) > 2:
        sections.append(_map(scored))
    if any(has_layers(piece.table) for piece in pieces):
        sections.append(_layers(pieces, summary, symmetric))
    return sections


def _summary(summary: SimilaritySummary) -> Section:
    prose = [
        *describe_groups(_first(summary.effects)),
        *describe_agreement(summary.effects),
        *describe_identification(summary.accuracy),
        *describe_chance(summary.chance, "layers", brief=True),
        *describe_group_tests(_first(summary.tests)),
        "Shares and means describe the networks at hand. Pairs that share a network are not "
        "independent, so only what permutes samples or whole networks is a test.",
    ]
    return Section("In short", prose)


def _models(scored: Sequence[Slice], rule: Rule, symmetric: bool) -> Section:
    figures = []
    for piece in scored:
        matrix = square_matrix(piece.table, symmetric=symmetric)
        clustering = cluster(matrix)
        figures.append(
            ReportFigure(
                interactive_heatmap(piece.table, clustering, symmetric=symmetric),
                f"Score of every two networks under `{piece.measure}`; brighter is more alike. "
                "Networks are ordered by average-linkage clustering (tree above).",
                f"Heat map of {len(matrix.labels)} networks under {piece.measure}, in the order "
                + ", ".join(clustering.order),
                _tab(piece, scored),
            )
        )
    return Section("Which networks are alike", [_RULES[rule]], [FigureChoice(figures)])


def _chance(tidy: pd.DataFrame, scored: Sequence[Slice], symmetric: bool) -> list[Section]:
    section = chance_section(tidy, scored, [_tab(piece, scored) for piece in scored], symmetric)
    return [] if section is None else [section]


def _factors(scored: Sequence[Slice], summary: SimilaritySummary) -> Section:
    figures = [
        ReportFigure(
            interactive_pair_strip(pair_differences(piece.table)),
            f"Every pair of networks under `{piece.measure}`, by what the two differ in; the bar "
            "marks the mean.",
            f"Scores of pairs of networks under {piece.measure}, grouped by the factors in which "
            "they differ; the means are in the table below",
            _tab(piece, scored),
        )
        for piece in scored
        if piece.table["value"].notna().any()
    ]
    prose = (
        "Two networks can differ in one factor or in several. The first lines of the figure show "
        "what happens to the score when one factor alone changes."
    )
    names = {
        "measure": "measure",
        "factor": "factor",
        "mean_same": "mean, shared",
        "mean_different": "mean, not shared",
        "mean_only": "mean, only this differs",
        "pairs_only": "pairs, only this differs",
        "effect": "gain from sharing",
        "share": "share of variation",
        "p_value_holm": "p",
    }
    keys = ["data", "split", "measure", "factor"]
    tested = summary.effects.merge(
        summary.tests[[*keys, "p_value_holm"]], on=keys, how="left", validate="one_to_one"
    )
    table = ReportTable(
        by_measure(tested, names),
        "What sharing a factor goes with. The gain is the coefficient in a regression on all "
        "factors, positive where sharing makes networks more alike; the share is the factor's "
        "part of R². p tests whether networks that share the factor are more alike, by handing "
        "its values to other networks, adjusted for the number of factors (Holm).",
        percent=("share of variation",),
    )
    return Section("What changes a representation", [prose], [FigureChoice(figures)], [table])


def _map(scored: Sequence[Slice]) -> Section:
    figures = []
    for piece in scored:
        coordinates = model_coordinates(piece.table)
        absent = coordinates.loc[coordinates["x"].isna(), "model"].to_list()
        missing = f" Without all scores, and so not shown: {listed(absent)}." if absent else ""
        figures.append(
            ReportFigure(
                interactive_map(coordinates),
                f"Networks that are near each other are alike under `{piece.measure}`. Lines join "
                f"networks that differ only in their seed.{missing}",
                f"Map of the networks in two dimensions under {piece.measure}",
                _tab(piece, scored),
            )
        )
    prose = (
        "Classical multidimensional scaling places the networks so that distances on the map "
        "approximate how unlike they are. The axes state how much of the variation they show; the "
        "rest is not on the map."
    )
    return Section("A map of the networks", [prose], [FigureChoice(figures)])


def _layers(pieces: Sequence[Slice], summary: SimilaritySummary, symmetric: bool) -> Section:
    figures, effects = [], []
    for piece in pieces:
        pairs = example_pairs(piece.table)
        figures.append(
            ReportFigure(
                interactive_layer_heatmaps(piece.table, pairs, symmetric=symmetric),
                f"Layers of one network (vertical) against those of another (horizontal) under "
                f"`{piece.measure}`; the first layers are at the bottom left, brighter is more "
                "alike.",
                f"Layer by layer heat maps under {piece.measure} of "
                + "; ".join(f"{a} and {b}" for a, b, _ in pairs.to_numpy(dtype=str)),
                _tab(piece, pieces),
            )
        )
        if has_effects(piece.table):
            effects.append(_layer_effects(piece, pairs, _tab(piece, pieces), symmetric))
    tables = []
    if len(summary.accuracy):
        names = {"measure": "measure", "architecture": "architecture", "correct": "correct"}
        names |= {"counted": "layers", "tied": "ties", "accuracy": "accuracy", "chance": "guessing"}
        frame = summary.accuracy_by_architecture
        kept = {old: new for old, new in names.items() if old in frame.columns}
        tables.append(
            ReportTable(
                by_measure(frame, kept),
                "Layer identification: how often the most similar layer in the network with "
                "another seed is the same layer. Both directions are counted; a tie is a failure.",
                percent=("accuracy", "guessing"),
            )
        )
    choices = [FigureChoice(figures)]
    if effects:
        choices.append(FigureChoice(effects, "measure, calibrated"))
    return Section("Layer by layer", (), choices, tables)


def _layer_effects(piece: Slice, pairs: pd.DataFrame, name: str, symmetric: bool) -> ReportFigure:
    figure = interactive_layer_heatmaps(calibrated(piece.table), pairs, symmetric=symmetric)
    return ReportFigure(
        figure,
        f"The same layers by their effect under `{piece.measure}`: 0 is chance, 1 a perfect match. "
        "A marked corner: not distinguishable from chance.",
        f"Layer by layer heat maps of calibrated scores under {piece.measure}",
        name,
    )


def _representations(pieces: Sequence[Slice], symmetric: bool) -> Section:
    figures = []
    for piece in pieces:
        clustering = cluster(square_matrix(piece.table, by="rep", symmetric=symmetric))
        figures.append(
            ReportFigure(
                interactive_heatmap(piece.table, clustering, by="rep", symmetric=symmetric),
                f"Score of every two representations under `{piece.measure}`; brighter is more "
                "alike. They are ordered by average-linkage clustering (tree above).",
                f"Heat map of {len(clustering.order)} representations under {piece.measure}",
                _tab(piece, pieces),
            )
        )
    return Section("Which representations are alike", (), [FigureChoice(figures)])


def _first(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the first measure (and data set) of a result table."""
    if table.empty:
        return table
    context = ["data", "split", "measure"]
    keys = table[context].astype(object).where(table[context].notna(), None)
    return table[(keys.apply(tuple, axis=1) == tuple(keys.iloc[0])).to_numpy()]


def _tab(piece: Slice, pieces: Sequence[Slice]) -> str:
    """Return the name of a slice among others: its measure, and the data where they differ."""
    names = short_sources((other.data, other.split) for other in pieces)
    data = names[piece.data, piece.split]
    return f"{data} · {piece.measure}" if len(names) > 1 else piece.measure
