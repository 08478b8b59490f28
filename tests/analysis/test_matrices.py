"""Tidy tables as square matrices."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.matrices import complete_labels, dissimilarity, square_matrix
from repscape.errors import InvalidParameterError
from score_tables import DISTANCE, SIMILARITY, row, synthetic

THREE = pd.DataFrame(
    [row("a/l", "b/l", 0.5), row("c/l", "a/l", 0.25, n=90), row("b/l", "c/l", None)]
)


def test_values_reasons_and_samples_stand_in_their_cells() -> None:
    matrix = square_matrix(THREE)
    assert matrix.labels == ["a", "b", "c"]
    expected = [[np.nan, 0.5, 0.25], [0.5, np.nan, np.nan], [0.25, np.nan, np.nan]]
    np.testing.assert_array_equal(matrix.values, expected)
    assert matrix.reasons.loc["b", "c"] == matrix.reasons.loc["c", "b"] == "constant features"
    assert matrix.reasons.loc["a", "a"] == "not in the table"
    assert matrix.reasons.loc["a", "b"] is None
    assert matrix.samples.loc["a", "c"] == 90
    assert pd.isna(matrix.samples.loc["a", "a"])


def test_an_asymmetric_table_keeps_its_directions() -> None:
    table = pd.DataFrame([row("a/l", "b/l", 0.5), row("b/l", "a/l", 0.25)])
    np.testing.assert_array_equal(square_matrix(table).values, [[np.nan, 0.5], [0.25, np.nan]])
    one = square_matrix(table.head(1), symmetric=False)
    assert np.isnan(one.values.loc["b", "a"])
    assert one.reasons.loc["b", "a"] == "not in the table"


def test_representations_include_the_diagonal_where_it_was_compared() -> None:
    matrix = square_matrix(synthetic(), DISTANCE, by="rep")
    assert matrix.values.shape == (60, 60)
    assert matrix.kind == "distance"
    np.testing.assert_array_equal(np.diag(matrix.values), 0)
    np.testing.assert_array_equal(matrix.values, matrix.values.T)


def test_mixed_measures_are_refused() -> None:
    with pytest.raises(InvalidParameterError, match="mixes 2 values of 'measure'"):
        square_matrix(synthetic())


def test_layers_must_be_reduced_to_one_score_first() -> None:
    with pytest.raises(InvalidParameterError, match=r"rows for .* reduce the layers"):
        square_matrix(synthetic(), SIMILARITY)


def test_select_orders_rows_and_columns() -> None:
    matrix = square_matrix(THREE).select(["c", "a"])
    np.testing.assert_array_equal(matrix.values, [[np.nan, 0.25], [0.25, np.nan]])


def test_dissimilarity_of_similarities_and_distances() -> None:
    np.testing.assert_array_equal(
        dissimilarity(square_matrix(THREE)),
        [[0, 0.5, 0.75], [0.5, 0, np.nan], [0.75, np.nan, 0]],
    )
    distances = THREE.assign(kind="distance")
    assert dissimilarity(square_matrix(distances))[0, 2] == 0.25


def test_dissimilarity_averages_two_directions() -> None:
    table = pd.DataFrame([row("a/l", "b/l", 0.5), row("b/l", "a/l", 0.25)])
    assert dissimilarity(square_matrix(table))[0, 1] == 0.625


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [("similarity", 1.5, "similarity 1.5 is above 1"), ("distance", -0.5, "-0.5 is negative")],
)
def test_what_is_no_dissimilarity_is_refused(kind: str, value: float, message: str) -> None:
    table = pd.DataFrame([row("a/l", "b/l", value, kind=kind)])
    with pytest.raises(InvalidParameterError, match=message):
        dissimilarity(square_matrix(table))


def test_complete_labels_drops_as_few_as_it_can() -> None:
    names = "abcd"
    rows = [
        row(f"{x}/l", f"{y}/l", None if x == "a" and y != "d" else 0.5)
        for i, x in enumerate(names)
        for y in names[i + 1 :]
    ]
    assert complete_labels(square_matrix(pd.DataFrame(rows))) == ["b", "c", "d"]
    assert complete_labels(square_matrix(THREE)) == ["a", "b"]
