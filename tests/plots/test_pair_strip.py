"""Pairs of models by what they differ in."""

from __future__ import annotations

import pandas as pd
import pytest

from repscape.plots.pair_strip import pair_strip


def test_one_line_per_set_of_factors_with_its_mean(strip_table: pd.DataFrame) -> None:
    axes = pair_strip(strip_table).axes[0]
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert labels == [
        "seed  (6)",
        "objective  (6)",
        "architecture  (12)",
        "objective + seed  (6)",
        "architecture + seed  (12)",
        "objective + architecture  (12)",
        "objective + architecture + seed  (12)",
    ]
    points, mean = axes.lines[0], axes.lines[1]
    expected = strip_table.loc[strip_table["differs_in"] == "seed", "value"]
    assert list(points.get_xdata()) == expected.to_list()
    assert mean.get_xdata()[0] == pytest.approx(expected.mean())
    assert axes.get_xlabel() == "procrustes[statistic=angle]@1, lower = more alike"


def test_missing_scores_are_counted(strip_table: pd.DataFrame) -> None:
    table = strip_table.copy()
    table.loc[[0, 1], "value"] = float("nan")
    axes = pair_strip(table).axes[0]
    assert axes.get_title("left") == "2 pairs have no score"
