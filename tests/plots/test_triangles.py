from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from repscape.errors import InvalidParameterError
from repscape.plots.triangles import Panel, triangles
from score_tables import DISTANCE, SIMILARITY, row

MODELS = ["c", "a", "b", "d"]
PANELS = [Panel(SIMILARITY, "CKA"), Panel(DISTANCE, "Procrustes")]


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = []
    for measure, kind in ((SIMILARITY, "similarity"), (DISTANCE, "distance")):
        for place, (a, b) in enumerate(combinations(sorted(MODELS), 2)):
            missing = (a, b) == ("b", "d")
            value = None if missing else 0.1 * (place + 1)
            rows.append(row(f"{a}/l", f"{b}/l", value, measure=measure, kind=kind))
    return pd.DataFrame(rows)


def panels_of(figure):
    return [axes for axes in figure.axes if axes.get_title(loc="left")]


def drawn(axes) -> np.ndarray:
    return np.ma.filled(axes.images[0].get_array().astype(float), np.nan)


def test_the_strict_lower_triangle_in_the_order_given(scores: pd.DataFrame) -> None:
    first, second = panels_of(triangles(scores, PANELS, MODELS, names=["C", "A", "B", "D"]))
    expected = [[0.2, np.nan, np.nan], [0.4, 0.1, np.nan], [0.6, 0.3, np.nan]]
    np.testing.assert_allclose(drawn(first), expected)
    np.testing.assert_allclose(drawn(second), expected)
    assert [text.get_text() for text in first.get_yticklabels()] == ["A", "B", "D"]
    assert [text.get_text() for text in first.get_xticklabels()] == ["C", "A", "B"]
    assert {text.get_text() for text in second.get_yticklabels()} == {""}
    assert [axes.get_title(loc="left") for axes in (first, second)] == ["CKA", "Procrustes"]


def test_missing_pairs_are_hatched_and_not_0(scores: pd.DataFrame) -> None:
    figure = triangles(scores, PANELS, MODELS)
    for axes in panels_of(figure):
        hatched = [len(c.get_paths()) for c in axes.collections if c.get_hatch()]
        assert hatched == [1]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["no score"]
    whole = scores.assign(value=scores["value"].fillna(0.5))
    assert not triangles(whole, PANELS, MODELS).legends


def test_brighter_is_more_alike_and_every_panel_has_its_own_scale(scores: pd.DataFrame) -> None:
    scores.loc[scores["measure"] == DISTANCE, "value"] *= 7
    for axes, kind in zip(
        panels_of(triangles(scores, PANELS, MODELS)), ("similarity", "distance"), strict=True
    ):
        image = axes.images[0]
        low, high = (image.to_rgba(np.array([v]))[0, :3].mean() for v in image.get_clim())
        assert (high > low) == (kind == "similarity")
    limits = [axes.images[0].get_clim() for axes in panels_of(triangles(scores, PANELS, MODELS))]
    assert limits[1] == pytest.approx([7 * v for v in limits[0]])


def test_a_measure_without_scores_is_an_empty_panel(scores: pd.DataFrame) -> None:
    figure = triangles(scores, [*PANELS, Panel("rsa@2", "RSA")], MODELS, note="n < d")
    assert np.isnan(drawn(panels_of(figure)[2])).all()
    assert figure.get_supxlabel() == "n < d"


def test_one_model_is_no_heat_map(scores: pd.DataFrame) -> None:
    with pytest.raises(InvalidParameterError, match="1 models"):
        triangles(scores, PANELS, ["a"])


@pytest.mark.parametrize("length", [1, 24])
def test_the_names_of_the_models_decide_how_high_the_figure_is(scores, length: int) -> None:
    names = [letter * length for letter in "CABD"]
    figure = triangles(scores, PANELS, MODELS, names=names)
    figure.draw_without_rendering()
    highest = max(axes.get_tightbbox().y1 for axes in panels_of(figure))
    assert figure.bbox.height - highest < 0.25 * figure.dpi
