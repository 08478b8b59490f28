"""All figures of a table of scores, by name."""

from __future__ import annotations

import re
from collections import Counter
from typing import Literal

import pandas as pd
from matplotlib.figure import Figure

from repscape.analysis.chance import calibrated, has_effects, has_null, judge
from repscape.analysis.clustering import cluster
from repscape.analysis.embedding import model_coordinates
from repscape.analysis.examples import example_pairs
from repscape.analysis.groups import grouping_factors, pair_differences
from repscape.analysis.matrices import square_matrix
from repscape.analysis.model_scores import Rule, as_model_scores, has_layers
from repscape.analysis.tidy import Slice, in_order_of_appearance, slices
from repscape.plots.heatmap import heatmap
from repscape.plots.layer_grids import layer_heatmaps
from repscape.plots.model_map import model_map
from repscape.plots.pair_strip import pair_strip


def figures_for(
    table: pd.DataFrame, *, rule: Rule = "last", symmetric: bool = True
) -> dict[str, Figure]:
    """Draw every figure that a table of scores allows.

    Per data set, split and measure these are ``models_…`` (heat map of the models, ordered by
    clustering), ``map_…`` (the models in two dimensions), ``pairs_…`` (scores by the factors in
    which two models differ) and ``layers_…`` (layers against layers for a few pairs of models).
    A table that does not name models gives ``representations_…`` (heat map) alone. The map needs
    three models, and ``pairs_…`` needs tags that group them.

    With a null (`repscape.tables.NULL_COLUMNS`), the cells that cannot be told from chance have a
    marked corner, and each heat map is drawn once more on the calibrated scale, as
    ``models_effect_…``, ``layers_effect_…`` or ``representations_effect_…``.

    Parameters
    ----------
    table
        A tidy table of scores.
    rule
        How layers make one score per pair of models, see
        `repscape.analysis.model_scores.model_scores`.
    symmetric
        Whether a pair given in one direction stands for both.

    Returns
    -------
    dict
        Figures by a name that can name a file.
    """
    pieces = list(slices(table))
    figures: dict[str, Figure] = {}
    for name, piece in zip(slice_names(pieces), pieces, strict=True):
        for stem, figure in _figures_of(piece, rule, symmetric).items():
            figures[f"{stem}_{name}"] = figure
    return figures


def slice_names(pieces: list[Slice]) -> list[str]:
    """Return one file name per slice: its measure, and what else is needed to tell it apart."""
    several = {name: len({getattr(piece, name) for piece in pieces}) > 1 for name in _OUTER}
    names = []
    for piece in pieces:
        parts = [getattr(piece, name) or "none" for name in _OUTER if several[name]]
        names.append("_".join(_file_name(part) for part in (*parts, piece.measure)))
    seen: Counter[str] = Counter()
    for index, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[index] = f"{name}_{seen[name]}"
    return names


_OUTER = ("data", "split")


def _file_name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.") or "unnamed"


def _figures_of(piece: Slice, rule: Rule, symmetric: bool) -> dict[str, Figure]:
    table = judge(piece.table) if has_null(piece.table) else piece.table
    if len(in_order_of_appearance(table, "model")) < 2:
        return _heatmaps("representations", table, "rep", symmetric)
    scores = as_model_scores(piece.table, rule, symmetric=symmetric)
    scores = judge(scores) if has_null(scores) else scores
    matrix = square_matrix(scores, symmetric=symmetric)
    figures = _heatmaps("models", scores, "model", symmetric)
    if len(matrix.labels) > 2:
        figures["map"] = model_map(model_coordinates(scores))
    if grouping_factors(scores) and scores["value"].notna().any():
        figures["pairs"] = pair_strip(pair_differences(scores))
    if has_layers(piece.table):
        pairs = example_pairs(table)
        figures["layers"] = layer_heatmaps(table, pairs, symmetric=symmetric)
        if has_effects(table):
            effects = calibrated(table)
            figures["layers_effect"] = layer_heatmaps(effects, pairs, symmetric=symmetric)
    return figures


def _heatmaps(
    stem: str, scores: pd.DataFrame, by: Literal["model", "rep"], symmetric: bool
) -> dict[str, Figure]:
    """The heat map of the scores and, where there are effects, theirs in the same order."""
    clustering = cluster(square_matrix(scores, by=by, symmetric=symmetric))
    figures = {stem: heatmap(scores, clustering, by=by, symmetric=symmetric)}
    if has_effects(scores):
        effects = calibrated(scores)
        figures[f"{stem}_effect"] = heatmap(effects, clustering, by=by, symmetric=symmetric)
    return figures
