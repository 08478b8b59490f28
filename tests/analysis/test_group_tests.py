from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.group_tests import group_tests
from score_tables import design, models_table


def test_the_factor_that_groups_is_found_and_the_others_are_not() -> None:
    tags = design(seeds=(0, 1))
    rng = np.random.default_rng(0)

    def value(a: str, b: str) -> float:
        same = tags[a]["objective"] == tags[b]["objective"]
        return 0.3 + 0.4 * same + 0.02 * float(rng.standard_normal())

    table = models_table(tags, value)
    found = group_tests(table).set_index("factor")
    assert found.loc["objective", "p_value"] == pytest.approx(1 / 462)
    assert found.loc["objective", "smallest_p"] == pytest.approx(1 / 462)
    assert found.loc["objective", "p_value_holm"] == pytest.approx(3 / 462)
    assert found.loc["objective", "difference"] == pytest.approx(0.4, abs=0.02)
    assert (found.loc[["architecture", "seed"], "p_value"] > 0.2).all()
    distance = group_tests(table.assign(value=-table["value"], kind="distance")).set_index("factor")
    assert distance.loc["objective", "p_value"] == pytest.approx(1 / 462)


def test_the_two_directions_of_a_pair_are_averaged() -> None:
    tags = {f"{group}{i}": {"objective": group} for group in "ab" for i in range(3)}
    there = models_table(tags, lambda a, b: 0.9 if a[0] == b[0] else 0.3)
    back = models_table(tags, lambda a, b: 0.5 if a[0] == b[0] else 0.1)
    swap = {c: f"{c[:-1]}{'ab'['ba'.index(c[-1])]}" for c in back if c.endswith(("_a", "_b"))}
    table = pd.concat([there, back.rename(columns=swap)], ignore_index=True)
    [found] = group_tests(table, symmetric=False).to_dict("records")
    assert found["difference"] == pytest.approx(0.7 - 0.2)
    assert found["p_value"] == pytest.approx(1 / 10)


def test_too_few_models_have_a_reason_instead_of_a_p() -> None:
    tags = {name: {"objective": name[0]} for name in ("a0", "a1", "b0")}
    found = group_tests(models_table(tags, lambda a, b: 0.5))
    assert found["p_value"].isna().all()
    assert "3 models are too few" in found["reason"].iloc[0]
