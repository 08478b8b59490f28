from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.profile import profile
from repscape.report.profiles import interactive_profile, profile_section
from repscape.representation import Origin, Representation


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, 120)
    reps = {
        f"{model}:{layer}": Representation(
            generator.normal(size=(120, 6)) + labels[:, None] * depth,
            labels=labels,
            origin=Origin(model=model, layer=f"block<{layer}>"),
        )
        for model in ("a", "b")
        for layer, depth in ((0, 0.0), (1, 3.0))
    }
    return profile(reps, ["gride", "label_overlap[k=10]"], controls=["shuffled"]).table


def values_of(table: pd.DataFrame, descriptor: str, model: str) -> pd.DataFrame:
    rows = table[table["chosen"] & table["control"].isna() & (table["model"] == model)]
    return rows[rows["descriptor"] == descriptor].sort_values("depth")


def test_each_model_has_one_line_through_its_layers_without_the_controls(table):
    for descriptor in table["descriptor"].unique():
        figure = interactive_profile(table, descriptor)
        assert [trace.name for trace in figure.data] == ["a", "b"]
        for trace in figure.data:
            rows = values_of(table, descriptor, trace.name)
            assert list(trace.x) == [0.0, 1.0]
            np.testing.assert_allclose(trace.y, rows["value"])


def test_hovering_shows_the_layer_as_text_its_error_and_n(table):
    name = table["descriptor"].iloc[0]
    trace = interactive_profile(table, name).data[0]
    error = values_of(table, name, "a")["standard_error"].iloc[0]
    assert list(trace.customdata[0]) == ["block&lt;0&gt;", f"{error:.2g}", "120"]


def test_chance_is_drawn_where_it_is_known(table):
    overlap, dimension = (
        next(name for name in table["descriptor"] if name.startswith(start))
        for start in ("label_overlap", "gride")
    )
    assert len(interactive_profile(table, overlap).layout.shapes) == 1
    assert len(interactive_profile(table, dimension).layout.shapes) == 0


def test_the_section_names_each_descriptor_and_its_one_scale(table):
    section = profile_section(table, ["a word"])
    assert list(section.prose) == ["a word"]
    [choice] = section.figures
    captions = {figure.name: figure.caption for figure in choice.figures}
    assert set(captions) == set(table.loc[table["chosen"], "quantity"])
    assert "one for all layers; the grey line is chance" in captions["label overlap"]
