"""Tables that the figures are drawn from."""

from __future__ import annotations

import pandas as pd
import pytest

from repscape.analysis.groups import pair_differences
from repscape.analysis.model_scores import model_scores
from score_tables import DISTANCE, SIMILARITY, synthetic


@pytest.fixture(params=[SIMILARITY, DISTANCE])
def layers(request: pytest.FixtureRequest) -> pd.DataFrame:
    """The layers of twelve models under one measure, with some scores missing."""
    table = synthetic()
    return table[table["measure"] == request.param].reset_index(drop=True)


@pytest.fixture
def scores(layers: pd.DataFrame) -> pd.DataFrame:
    """One score per pair of the twelve models; some are missing for the similarity."""
    return model_scores(layers, "matched_depth_mean")


@pytest.fixture
def strip_table() -> pd.DataFrame:
    """The pairs of models under the distance with what they differ in."""
    table = synthetic()
    return pair_differences(model_scores(table[table["measure"] == DISTANCE]))
