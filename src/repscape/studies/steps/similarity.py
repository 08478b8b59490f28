"""What every study with measures gets: a summary, figures and sections of its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

import pandas as pd
from pydantic import Field

from repscape.analysis.model_scores import Rule
from repscape.errors import RepscapeError
from repscape.measures.base import get_measure
from repscape.studies.steps.base import (
    ANALYSES,
    FIGURES,
    SECTIONS,
    Analysis,
    FigureStep,
    Options,
    Part,
    SectionStep,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RULES = ("last", "matched_depth_mean", "most_alike")


class SimilarityOptions(Options):
    """How layers make one score per pair of models."""

    rule: str = Field(
        default="last", description=", ".join(RULES), pattern=f"^({'|'.join(RULES)})$"
    )


def summary_tables(
    tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]
) -> dict[str, pd.DataFrame]:
    """Scores of models, what groups them, and layer identification."""
    from repscape.report.similarities import summarise

    rule = cast(Rule, options["rule"])
    pieces: dict[str, list[pd.DataFrame]] = {}
    for symmetric, part in by_symmetry(tables["scores"]):
        if part["model_a"].isna().all() or part[["model_a", "model_b"]].stack().nunique() < 2:
            continue
        summary = summarise(part, rule=rule, symmetric=symmetric)
        pieces.setdefault("model_scores", []).append(summary.scores)
        if len(summary.effects):
            pieces.setdefault("factors", []).append(summary.effects)
        if len(summary.accuracy):
            pieces.setdefault("layer_identification", []).append(summary.accuracy)
    return {name: pd.concat(found, ignore_index=True) for name, found in pieces.items()}


def figures(tables: Mapping[str, pd.DataFrame], options: SimilarityOptions) -> dict[str, Figure]:
    """Every figure that the scores allow."""
    from repscape.plots.figures import figures_for

    drawn: dict[str, Figure] = {}
    for symmetric, part in by_symmetry(tables["scores"]):
        drawn |= figures_for(part, rule=cast(Rule, options.rule), symmetric=symmetric)
    return drawn


def sections(tables: Mapping[str, pd.DataFrame], options: SimilarityOptions) -> Part:
    """The report of the scores; measures with a direction have sections of their own."""
    from repscape.report.similarities import similarity_report

    parts = [
        similarity_report(part, title="", rule=cast(Rule, options.rule), symmetric=symmetric)
        for symmetric, part in by_symmetry(tables["scores"])
    ]
    return Part(
        [section for report in parts for section in report.sections],
        parts[0].headlines,
        parts[0].lead,
    )


def by_symmetry(scores: pd.DataFrame) -> Iterator[tuple[bool, pd.DataFrame]]:
    """The rows of symmetric measures, where (a, b) stands for (b, a) too, and those of others.

    Where there are several poolings, each is told apart as if it were a split of the data.
    """
    if "pooling" in scores.columns:
        splits = scores["split"].fillna("").astype(str)
        joined = (splits + ", " + scores["pooling"].astype(str)).str.removeprefix(", ")
        scores = scores.drop(columns="pooling").assign(split=joined)
    symmetric = scores["measure"].map(_is_symmetric).astype(bool)
    for value, part in ((True, scores[symmetric]), (False, scores[~symmetric])):
        if len(part):
            yield value, part.reset_index(drop=True)


def _is_symmetric(measure: str) -> bool:
    try:
        return get_measure(measure).declared.symmetric
    except RepscapeError:
        return True


ANALYSES.register(
    Analysis(
        name="similarity_summary",
        summary="scores of pairs of models, what groups them, layer identification",
        version=2,
        run=f"{__name__}:summary_tables",
        needs=("scores",),
        options=SimilarityOptions,
    )
)
FIGURES.register(
    FigureStep(
        name="similarity",
        summary="heat maps of models and layers, the map of models, pairs by what they share",
        draw=figures,
        needs=("scores",),
        options=SimilarityOptions,
    )
)
SECTIONS.register(
    SectionStep(
        name="similarity",
        summary="which models are alike, what changes a representation, layer by layer",
        write=sections,
        needs=("scores",),
        options=SimilarityOptions,
    )
)
