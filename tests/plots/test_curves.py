"""Curves with intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.legend import Legend

import repscape
from repscape.analysis.layer_curves import layer_curves
from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.plots.curves import layer_curve_figure, score_by_n_figure
from repscape.report.curves import layer_curves_section, score_by_n_section
from score_tables import SIMILARITY, row, synthetic, with_null


@pytest.fixture
def curves() -> pd.DataFrame:
    table = with_null(synthetic())
    table = table[table["measure"] == SIMILARITY]
    low = table["value"] - 0.02
    return layer_curves(table.assign(interval_low=low, interval_high=low + 0.05, null_sd=0.01))


@pytest.fixture(scope="module")
def by_n() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((160, 5))
    y = x + 0.7 * rng.standard_normal((160, 5))
    found = repscape.dependence_on_n(x, y, "mutual_knn[k=4]", repeats=3, n_permutations=19)
    other = repscape.dependence_on_n(x, y[::-1], "mutual_knn[k=4]", repeats=3, n_permutations=19)
    return pd.concat([found.assign(pair="alike"), other.assign(pair="not alike")])


def test_layers_of_equal_depth_are_paired(curves: pd.DataFrame) -> None:
    assert curves["differs_in"].drop_duplicates().tolist() == ["seed", "objective", "architecture"]
    for _, rows in curves.groupby(["model_a", "model_b"], sort=False):
        assert rows["depth"].is_monotonic_increasing
        assert rows["depth"].iloc[0] == 0.0
        assert rows["depth"].iloc[-1] == 1.0
    same = curves[curves["differs_in"] == "seed"]
    assert (same["layer_a"] == same["layer_b"]).all()
    known = synthetic().set_index(["measure", "rep_a", "rep_b"])["value"]
    first = same.iloc[0]
    names = [f"{first[f'model_{s}']}/{first[f'layer_{s}']}" for s in "ab"]
    assert first["value"] == known[(SIMILARITY, *names)]
    assert first["interval_low"] == pytest.approx(first["value"] - 0.02)


def test_curves_have_their_intervals_and_chance(curves: pd.DataFrame) -> None:
    axes = layer_curve_figure(curves).axes[0]
    assert len(axes.containers) == 3
    bars = axes.containers[0].lines[2][0].get_segments()
    first = curves[curves["differs_in"] == "seed"]
    ends = np.array([[segment[0, 1], segment[1, 1]] for segment in bars])
    np.testing.assert_allclose(ends, first[["interval_low", "interval_high"]])
    dotted = [line for line in axes.lines if line.get_linestyle() == ":"]
    assert len(dotted) == 3
    assert set(dotted[0].get_ydata()) == {0.6}
    bare = layer_curve_figure(curves.assign(interval_low=np.nan, interval_high=np.nan)).axes[0]
    assert not bare.containers


def test_models_of_one_layer_have_no_curve() -> None:
    with pytest.raises(InvalidParameterError, match="more than one layer each"):
        layer_curves(pd.DataFrame([row("a/l", "b/l", 0.3), row("a/l", "c/l", 0.2)]))


def test_the_score_by_n_stands_beside_its_null(by_n: pd.DataFrame) -> None:
    above, below, *_ = score_by_n_figure(by_n).axes
    alike = by_n[by_n["pair"] == "alike"]
    drawn = [tuple(line.get_ydata()) for line in above.lines]
    assert tuple(alike["value"]) in drawn
    assert tuple(alike["null_mean"]) in drawn
    assert tuple(alike["effect"].astype(float)) in [tuple(line.get_ydata()) for line in below.lines]
    assert len(above.containers) == 2
    assert [text.get_text() for text in below.get_xticklabels()] == ["20", "40", "80", "160"]
    inside = alike["interval_low"] < alike["value"]
    assert (inside & (alike["value"] < alike["interval_high"])).all()


def test_the_key_of_one_pair_fills_its_place(by_n: pd.DataFrame) -> None:
    figure = score_by_n_figure(by_n[by_n["pair"] == "alike"].drop(columns="pair"))
    figure.draw_without_rendering()
    ends = [
        child.get_window_extent().x1
        for child in figure.axes[2].get_children()
        if isinstance(child, Legend)
    ]
    assert 0.85 < max(ends) / figure.bbox.x1 < 1.0


def test_the_report_says_how_the_score_changes(by_n: pd.DataFrame, curves: pd.DataFrame) -> None:
    section = score_by_n_section(by_n)
    assert "what chance gives from 0.21 to 0.03" in section.prose[0]
    figure = section.figures[0].figures[0].figure
    lines = [trace for trace in figure.data if trace.error_y.array is not None]
    assert [trace.name for trace in lines] == ["alike", "not alike"]
    along = layer_curves_section(curves).figures[0].figures[0]
    assert "bars are 95% intervals over samples and dotted lines what chance gives" in along.caption
    assert sum(trace.error_y.array is not None for trace in along.figure.data) == 3


def test_bad_tables(by_n: pd.DataFrame) -> None:
    with pytest.raises(UnknownNameError, match="no column 'null_mean'"):
        score_by_n_figure(by_n.drop(columns="null_mean"))
    with pytest.raises(InvalidParameterError, match="holds 2: choose"):
        score_by_n_figure(pd.concat([by_n, by_n.assign(measure="cka")]))
