"""The layers of two models as a matrix."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.layer_matrices import layer_matrix
from repscape.errors import UnknownNameError
from score_tables import row

TABLE = pd.DataFrame(
    [
        row("a/0", "a/1", 0.9),
        row("a/0", "b/0", 0.1),
        row("b/0", "a/1", 0.2),
        row("a/0", "b/1", None),
    ]
)


def test_rows_and_columns_stand_in_order_of_depth() -> None:
    grid = layer_matrix(TABLE, "a", "b")
    np.testing.assert_array_equal(grid.values, [[0.1, np.nan], [0.2, np.nan]])
    assert grid.reasons.loc["0", "1"] == "constant features"
    assert grid.reasons.loc["1", "1"] == "not in the table"
    assert grid.reasons.loc["0", "0"] is None
    assert grid.samples.loc["0", "0"] == 100
    np.testing.assert_array_equal(layer_matrix(TABLE, "b", "a").values, grid.values.T)


def test_a_model_with_itself() -> None:
    grid = layer_matrix(TABLE, "a", "a")
    np.testing.assert_array_equal(grid.values, [[np.nan, 0.9], [0.9, np.nan]])


def test_an_unknown_model_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="no layers of model 'c'"):
        layer_matrix(TABLE, "a", "c")
