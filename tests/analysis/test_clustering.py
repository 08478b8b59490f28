"""The order of models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.clustering import cluster
from repscape.analysis.matrices import ScoreMatrix, square_matrix
from score_tables import row

PLACES = {"far": 10.0, "left": 0.0, "farther": 11.0, "right": 1.0}


def on_a_line(kind: str = "distance", without: tuple[str, str] | None = None) -> ScoreMatrix:
    names = list(PLACES)
    rows = []
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            distance = abs(PLACES[a] - PLACES[b])
            value = distance if kind == "distance" else 1 - distance
            missing = without is not None and {a, b} == set(without)
            rows.append(row(f"{a}/l", f"{b}/l", None if missing else value, kind=kind))
    return square_matrix(pd.DataFrame(rows))


@pytest.mark.parametrize("kind", ["distance", "similarity"])
def test_neighbours_stand_next_to_each_other(kind: str) -> None:
    found = cluster(on_a_line(kind))
    # Of the two directions, that in which the table's earlier names come first.
    assert found.order == ("farther", "far", "right", "left")
    assert found.left_out == ()
    # Average linkage: 1, 1, and the mean of the four distances across, 10.
    np.testing.assert_allclose(found.linkage[:, 2], [1, 1, 10])


def test_labels_with_missing_scores_stand_at_the_end() -> None:
    found = cluster(on_a_line(without=("right", "far")))
    assert found.left_out == ("right",)
    assert found.clustered == ("far", "left", "farther")
    assert set(found.order[:3]) == {"far", "left", "farther"}


def test_two_and_fewer_labels() -> None:
    two = cluster(on_a_line().select(["far", "left"]))
    assert two.order == ("far", "left")
    one = cluster(on_a_line().select(["left"]))
    assert one.order == ("left",)
    assert one.linkage.shape == (0, 4)
