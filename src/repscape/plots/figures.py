"""All figures of a table of scores, by name."""

from __future__ import annotations

import re
from collections import Counter

import pandas as pd
from matplotlib.figure import Figure

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
    if len(in_order_of_appearance(piece.table, "model")) < 2:
        matrix = square_matrix(piece.table, by="rep", symmetric=symmetric)
        drawn = heatmap(piece.table, cluster(matrix), by="rep", symmetric=symmetric)
        return {"representations": drawn}
    scores = as_model_scores(piece.table, rule, symmetric=symmetric)
    matrix = square_matrix(scores, symmetric=symmetric)
    figures = {"models": heatmap(scores, cluster(matrix), symmetric=symmetric)}
    if len(matrix.labels) > 2:
        figures["map"] = model_map(model_coordinates(scores))
    if grouping_factors(scores) and scores["value"].notna().any():
        figures["pairs"] = pair_strip(pair_differences(scores))
    if has_layers(piece.table):
        figures["layers"] = layer_heatmaps(
            piece.table, example_pairs(piece.table), symmetric=symmetric
        )
    return figures
