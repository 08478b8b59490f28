"""The map of the models."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from repscape.analysis.embedding import model_coordinates
from repscape.plots.model_map import model_map
from score_tables import row


def points_of(axes: Axes) -> list[Line2D]:
    return [line for line in axes.lines if line.get_marker() not in ("None", "")]


def test_points_colours_marks_and_seeds(scores: pd.DataFrame) -> None:
    coordinates = model_coordinates(scores)
    placed = coordinates.dropna(subset=["x"])
    axes = model_map(coordinates).axes[0]
    points = points_of(axes)
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in points] == list(
        zip(placed["x"], placed["y"], strict=True)
    )
    colours = {
        (line.get_color(), name) for line, name in zip(points, placed["architecture"], strict=True)
    }
    marks = {
        (line.get_marker(), name) for line, name in zip(points, placed["objective"], strict=True)
    }
    assert (len(colours), len(marks)) == (3, 2)
    assert [text.get_text() for text in axes.texts] == placed["seed"].astype(str).to_list()
    assert axes.get_aspect() == 1


def test_lines_join_models_that_differ_in_the_seed(scores: pd.DataFrame) -> None:
    coordinates = model_coordinates(scores)
    whole = coordinates.dropna(subset=["x"]).groupby(["architecture", "objective"]).size()
    lines = [line for line in model_map(coordinates).axes[0].lines if len(line.get_xdata()) == 2]
    assert len(lines) == int((whole == 2).sum())


def test_axes_state_their_share_and_missing_models_are_counted(scores: pd.DataFrame) -> None:
    coordinates = model_coordinates(scores)
    figure = model_map(coordinates)
    share = 100 * coordinates["share_x"].iloc[0]
    assert figure.axes[0].get_xlabel() == f"dimension 1 ({share:.0f}% of the variation)"
    missing = coordinates["x"].isna().sum()
    expected = f"{missing} models without all scores are not shown" if missing else ""
    assert figure.get_supxlabel() == expected


def test_models_without_tags_are_named() -> None:
    table = pd.DataFrame([row("a/l", "b/l", 0.5), row("a/l", "c/l", 0.4), row("b/l", "c/l", 0.3)])
    axes = model_map(model_coordinates(table)).axes[0]
    assert [text.get_text() for text in axes.texts] == ["a", "b", "c"]
