"""The sections of a report that say what is more than chance, and how scores depend on n."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from repscape.analysis.chance import calibrated, chance_summary, has_effects, has_null
from repscape.analysis.clustering import cluster
from repscape.analysis.matrices import square_matrix
from repscape.analysis.tidy import Slice, in_order_of_appearance
from repscape.report.across_measures import (
    describe_chance,
    describe_undistinguished,
    describe_untested,
)
from repscape.report.heatmaps import interactive_heatmap
from repscape.report.page import FigureChoice, ReportFigure, ReportTable, Section
from repscape.report.sources import by_measure

_READING = (
    "Chance is what the same measure gives when the samples of one side are paired with those of "
    "the other at random. The effect puts a score on a common scale: 0 is chance, 1 a perfect "
    "match. p is the share of random pairings that are as much alike, and is adjusted for the "
    "number of scores that are tested under each measure (Benjamini and Hochberg)."
)


def chance_section(
    layers: pd.DataFrame, scored: Sequence[Slice], names: Sequence[str], symmetric: bool
) -> Section | None:
    """Say of a table with a null which of its scores are more than chance.

    Parameters
    ----------
    layers
        The whole table, judged (`repscape.analysis.chance.judge`).
    scored
        The scores of pairs of models, judged, by measure; may be without a null.
    names
        What the reader calls each measure, in the order of `scored`.
    symmetric
        Whether a pair given in one direction stands for both.

    Returns
    -------
    The section, or None for a table without a null.
    """
    if not has_null(layers):
        return None
    by_model = len(in_order_of_appearance(layers, "model")) > 1
    figures = []
    for piece, name in zip(scored, names, strict=True):
        if has_effects(piece.table):
            figures.append(_effects(piece, name, by_model, symmetric))
    summary = chance_summary(layers)
    what = "layers" if by_model else "representations"
    prose = [_READING, *describe_chance(summary, what), *describe_untested(layers)]
    models = [piece.table for piece in scored if has_null(piece.table)]
    if by_model and models:
        prose += describe_undistinguished(pd.concat(models, ignore_index=True))
    return Section(
        "More than chance?",
        prose,
        [FigureChoice(figures, "measure, calibrated")] if figures else [],
        [_counts(summary, what)],
    )


def _effects(piece: Slice, name: str, by_model: bool, symmetric: bool) -> ReportFigure:
    by: Literal["model", "rep"] = "model" if by_model else "rep"
    clustering = cluster(square_matrix(piece.table, by=by, symmetric=symmetric))
    subject = "networks" if by_model else "representations"
    return ReportFigure(
        interactive_heatmap(calibrated(piece.table), clustering, by=by, symmetric=symmetric),
        f"Effect of every two {subject} under `{piece.measure}`: 0 is chance, 1 a perfect match. "
        "A marked corner: not distinguishable from chance. The order is that of the scores.",
        f"Heat map of the calibrated scores of {len(clustering.order)} {subject} under "
        f"{piece.measure}",
        name,
    )


def _counts(summary: pd.DataFrame, what: str) -> ReportTable:
    names = {
        "measure": "measure",
        "tested": f"pairs of {what}",
        "distinguishable": "more than chance",
        "null_mean": "chance (median)",
        "effect": "effect (median)",
        "lowest_effect": "lowest effect",
        "n_permutations": "random pairings",
    }
    shown = summary[summary["tested"] > 0].astype({"n_permutations": "Int64"})
    return ReportTable(
        by_measure(shown, names),
        f"Scores that can be told from chance at {summary['level'].iloc[0]:.0%}, of those tested.",
    )
