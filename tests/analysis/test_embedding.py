"""Classical multidimensional scaling."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist, squareform

from repscape.analysis.embedding import classical_scaling, model_coordinates
from repscape.analysis.matrices import ScoreMatrix, square_matrix
from repscape.analysis.model_scores import model_scores
from repscape.plots.figures import figures_for
from score_tables import SIMILARITY, design, models_table, row, synthetic


def from_points(points: np.ndarray, kind: str = "distance") -> ScoreMatrix:
    names = [f"p{i}" for i in range(len(points))]
    distances = squareform(pdist(points))
    rows = [
        row(f"{a}/l", f"{b}/l", distances[i, j], kind=kind)
        for i, a in enumerate(names)
        for j, b in enumerate(names)
        if i < j
    ]
    return square_matrix(pd.DataFrame(rows))


def test_points_in_a_plane_are_recovered_up_to_rotation() -> None:
    points = np.random.default_rng(0).normal(size=(7, 2))
    found = classical_scaling(from_points(points))
    np.testing.assert_allclose(pdist(found.coordinates), pdist(points), atol=1e-10)
    assert found.shares.sum() == pytest.approx(1)
    assert found.shares[0] > found.shares[1] > 0


def test_the_share_counts_what_two_dimensions_do_not_show() -> None:
    points = np.diag([3.0, 2.0, 1.0])
    points = np.vstack([points, -points])
    found = classical_scaling(from_points(points))
    np.testing.assert_allclose(found.shares, [9 / 14, 4 / 14])


def test_the_sign_is_fixed_by_the_farthest_point() -> None:
    found = classical_scaling(from_points(np.array([[5.0], [0.0], [1.0], [2.0]])))
    first = found.coordinates["dimension_1"]
    assert first.abs().idxmax() == "p0"
    np.testing.assert_allclose(first, [3, -2, -1, 0], atol=1e-12)
    np.testing.assert_array_equal(found.coordinates["dimension_2"], 0)
    np.testing.assert_allclose(found.shares, [1, 0])


def test_non_euclidean_dissimilarities_count_against_the_share() -> None:
    # Three points at distance 2 from each other and at 1 from a middle: no Euclidean space.
    rows = [row(f"{a}/l", f"{b}/l", 2.0, kind="distance") for a, b in ("ab", "bc", "ac")]
    rows += [row(f"{a}/l", "m/l", 1.0, kind="distance") for a in "abc"]
    found = classical_scaling(square_matrix(pd.DataFrame(rows)))
    # B has the eigenvalues 2, 2, 0 and -1/4.
    np.testing.assert_allclose(found.shares, [2 / 4.25, 2 / 4.25])


def test_labels_with_missing_scores_are_left_out_with_a_reason() -> None:
    def value(a: str, b: str) -> float | None:
        return None if a.startswith("conv-supervised-s0") else 0.5

    table = model_coordinates(models_table(design(), value))
    missing = table[table["x"].isna()]
    assert missing["model"].to_list() == ["conv-supervised-s0"]
    assert missing["reason"].to_list() == ["some of its scores are missing"]


def test_model_coordinates_is_tidy_and_keeps_tags() -> None:
    table = model_coordinates(model_scores(synthetic()))
    assert len(table) == 24
    first = table[table["measure"] == SIMILARITY]
    assert first["model"].to_list() == list(design())
    assert set(first["architecture"]) == {"conv", "mlp", "vit"}
    # The objective was made to matter most in the last layers: it is the first dimension.
    assert first.groupby("objective")["x"].agg(lambda x: bool((x > 0).all())).nunique() == 2


def test_one_model_has_a_place() -> None:
    found = classical_scaling(from_points(np.zeros((2, 1))).select(["p0"]))
    np.testing.assert_array_equal(found.coordinates, [[0, 0]])
    np.testing.assert_array_equal(found.shares, [0, 0])


@pytest.mark.parametrize("tag", ["kind", "measure", "data", "x", "share_y", "reason"])
def test_a_tag_may_have_the_name_of_a_column_of_the_map(tag: str) -> None:
    scores = models_table(design(), lambda a, b: 0.5)
    for side in "ab":
        scores[f"{tag}_{side}"] = [model.split("-")[0] for model in scores[f"model_{side}"]]
    table = model_coordinates(scores)
    assert set(table[f"tag_{tag}"]) == {"conv", "mlp", "vit"}
    assert set(table["kind"]) == {"similarity"}
    figures = figures_for(scores)
    assert any(name.startswith("map_") for name in figures)
