from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.multiple_testing import adjust, benjamini_hochberg, holm
from repscape.errors import InvalidParameterError, UnknownNameError


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])
    np.testing.assert_allclose(holm([0.6, 0.5]), [1.0, 1.0])
    np.testing.assert_allclose(holm([0.6, 0.9, 0.1]), [1.0, 1.0, 0.3])


def test_benjamini_hochberg_by_hand() -> None:
    found = benjamini_hochberg([0.01, 0.04, 0.03, 0.005])
    np.testing.assert_allclose(found, [0.02, 0.04, 0.04, 0.02])
    np.testing.assert_allclose(benjamini_hochberg([0.9, 0.8]), [0.9, 0.9])


def test_agrees_with_scipy() -> None:
    from scipy.stats import false_discovery_control

    p = np.random.default_rng(0).uniform(size=40) ** 3
    np.testing.assert_allclose(benjamini_hochberg(p), false_discovery_control(p))


def test_missing_values_do_not_count() -> None:
    np.testing.assert_allclose(holm([0.01, np.nan, 0.04]), [0.02, np.nan, 0.04])
    assert np.isnan(benjamini_hochberg([np.nan])).all()
    assert len(holm([])) == 0


def test_family_wise_error_and_false_discoveries() -> None:
    rng = np.random.default_rng(0)
    any_false, shares = 0, []
    for _ in range(400):
        p = rng.uniform(size=20)
        p[:8] **= 8  # eight hypotheses that are false
        any_false += (holm(p)[8:] <= 0.05).any()
        rejected = benjamini_hochberg(p) <= 0.05
        shares.append(rejected[8:].sum() / max(1, rejected.sum()))
    assert any_false / 400 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)
    assert np.mean(shares) < 0.05


@pytest.mark.parametrize("method", ["holm", "benjamini_hochberg"])
def test_families_are_adjusted_on_their_own(method: str) -> None:
    table = pd.DataFrame(
        {"measure": ["a", "b", "a", "b"], "p_value": [0.01, 0.2, 0.04, np.nan]},
        index=[5, 5, 7, 9],
    )
    found = adjust(table, method)[f"p_value_{method}"]
    np.testing.assert_allclose(found, [0.02, 0.2, 0.04, np.nan])
    together = adjust(table, method, by=())[f"p_value_{method}"]
    np.testing.assert_allclose(together.iloc[0], 0.03)
    assert "p_value_holm" not in table.columns


def test_bad_input() -> None:
    with pytest.raises(InvalidParameterError, match=r"1.2 is no p-value"):
        holm([0.1, 1.2])
    table = pd.DataFrame({"measure": ["a"], "p_value": [0.1]})
    with pytest.raises(InvalidParameterError, match=r"method='bonferoni'"):
        adjust(table, "bonferoni")
    with pytest.raises(UnknownNameError, match=r"no column 'p'.*p_value"):
        adjust(table, column="p")
