from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from plotly import graph_objects

from repscape.geometry.marks import marks_of
from repscape.profile import profile
from repscape.report.plotly_parts import band
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


def lines_of(figure: graph_objects.Figure) -> list[graph_objects.Scatter]:
    return [trace for trace in figure.data if trace.mode == "lines+markers"]


def test_each_model_has_one_line_through_its_layers(table):
    for descriptor in table["descriptor"].unique():
        lines = lines_of(interactive_profile(table, descriptor))
        assert [trace.name for trace in lines] == ["a", "b"]
        for trace in lines:
            rows = values_of(table, descriptor, trace.name)
            assert list(trace.x) == [0.0, 1.0]
            np.testing.assert_allclose(trace.y, rows["value"])


def test_hovering_shows_the_layer_as_text_its_error_and_n(table):
    name = table["descriptor"].iloc[0]
    trace = lines_of(interactive_profile(table, name))[0]
    error = values_of(table, name, "a")["standard_error"].iloc[0]
    assert list(trace.customdata[0]) == ["block&lt;0&gt;", f" ± {error:.2g}", "120"]


def test_a_band_of_one_standard_error_and_the_controls_stand_beside_the_line(table):
    name = table["descriptor"].iloc[0]
    figure = interactive_profile(table, name)
    rows = values_of(table, name, "a")
    [shape, _] = [trace for trace in figure.data if trace.fill == "toself"]
    high = rows["value"] + rows["standard_error"]
    low = rows["value"] - rows["standard_error"]
    np.testing.assert_allclose(shape.y, [*low, *high[::-1]])
    control = table[table["chosen"] & (table["control"] == "shuffled") & (table["model"] == "b")]
    control = control[control["descriptor"] == name].sort_values("depth")
    [twin] = [trace for trace in figure.data if trace.name == "b, shuffled"]
    np.testing.assert_allclose(twin.y, control["value"])


def test_marks_are_named_at_their_points(table):
    name = table["descriptor"].iloc[0]
    marks = marks_of(table)
    figure = interactive_profile(table, name, marks)
    own = marks[marks["descriptor"] == name].drop_duplicates(["mark", "depth"])
    shown = [(a.text, a.x, a.y) for a in figure.layout.annotations]
    assert shown == list(own[["mark", "depth", "value"]].itertuples(index=False, name=None))


def test_a_missing_layer_leaves_a_gap_in_the_band(table):
    rows = pd.DataFrame(
        {"depth": np.arange(5.0), "value": [1, 2, np.nan, 4, 5], "standard_error": 0.5}
    )
    first, second = band(rows, "depth", "#123456", "a")
    assert list(first.x) == [0, 1, 1, 0]
    assert list(second.x) == [3, 4, 4, 3]


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
    assert set(captions) == {"gride", "label_overlap"}
    assert "one for all layers" in captions["gride"]
    assert "the grey line is chance" in captions["label_overlap"]
    assert "the grey line is chance" not in captions["gride"]
