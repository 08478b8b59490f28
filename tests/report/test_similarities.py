"""The report of a table of similarities."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.report.html import render
from repscape.report.page import FigureChoice, Report
from repscape.report.similarities import similarity_report, summarise
from score_tables import SIMILARITY, row, synthetic, with_null


def test_all_sections_and_one_figure_per_measure(report: Report) -> None:
    assert [section.title for section in report.sections] == [
        "In short",
        "Which networks are alike",
        "What changes a representation",
        "A map of the networks",
        "Layer by layer",
    ]
    for section in report.sections[1:]:
        (choice,) = section.figures
        assert isinstance(choice, FigureChoice)
        assert [figure.name for figure in choice.figures] == [
            SIMILARITY,
            "procrustes[statistic=angle]@1",
        ]
    assert len(report.headlines) == 3


def test_the_summary_holds_the_tables_behind_the_words() -> None:
    summary = summarise(synthetic())
    assert len(summary.scores) == 132
    assert len(summary.effects) == 6
    assert summary.accuracy["accuracy"].to_list() == [1.0, 1.0]
    assert len(summary.accuracy_by_architecture) == 6


def test_the_map_shows_what_it_is_given(report: Report) -> None:
    choice = report.sections[3].figures[0]
    assert isinstance(choice, FigureChoice)
    assert choice.figures[0].caption.endswith("and so not shown: mlp-simclr-s1.")
    assert "not shown" not in choice.figures[1].caption
    marks = [trace for trace in choice.figures[1].figure.data if "markers" in trace.mode]
    assert sum(len(trace.x) for trace in marks) == 12
    names = np.concatenate([trace.customdata for trace in marks])
    assert "vit-simclr-s1" in names


def test_hovering_shows_pair_measure_value_and_n(report: Report) -> None:
    choice = report.sections[1].figures[0]
    assert isinstance(choice, FigureChoice)
    cells = choice.figures[0].figure.data[0]
    assert f"{SIMILARITY} = %{{z:.4f}}<br>n = %{{customdata[2]}}" in cells.hovertemplate
    first, second, count, _ = cells.customdata[0][1]
    assert {first, second} <= set(choice.figures[0].figure.layout.xaxis.ticktext)
    assert count == "100"
    missing = choice.figures[0].figure.data[1]
    assert missing.name == "no score"
    reasons = {text.rpartition("<br>")[2] for line in missing.text for text in line}
    assert "1 of 4 matched layer pairs have no score" in reasons


def test_names_are_escaped_in_figures() -> None:
    table = pd.DataFrame([row("<b>a/l", "b&c/l", 0.5)])
    choice = similarity_report(table, title="t").sections[1].figures[0]
    assert isinstance(choice, FigureChoice)
    labels = choice.figures[0].figure.layout.xaxis.ticktext
    assert labels == ("&lt;b&gt;a", "b&amp;c")


def test_tables_without_models_tags_or_layers() -> None:
    files = pd.DataFrame(
        {
            "rep_a": ["x.npy"],
            "rep_b": ["y.npy"],
            "measure": ["cka@1"],
            "kind": ["similarity"],
            "value": [0.4],
        }
    )
    first = similarity_report(files, title="Files")
    assert [section.title for section in first.sections] == ["Which representations are alike"]
    assert "Files" in render(first)
    plain = pd.DataFrame([row("a/l", f"{name}/l", None, measure="m") for name in "bc"])
    second = similarity_report(plain, title="Plain")
    assert [section.title for section in second.sections] == [
        "In short",
        "Which networks are alike",
        "A map of the networks",
    ]
    assert second.headlines == []


def test_a_table_with_a_null_says_what_is_more_than_chance() -> None:
    table = with_null(synthetic())
    made = similarity_report(table, title="t")
    titles = [section.title for section in made.sections]
    assert titles[2] == "More than chance?"
    section = made.sections[2]
    summary = summarise(table)
    counted = summary.chance.set_index("measure").loc[SIMILARITY]
    words = f"{counted['distinguishable']:,} of {counted['tested']:,} under `{SIMILARITY}`"
    assert words in section.prose[1]
    assert any(words in text for text in made.sections[0].prose)
    assert "With 99 random pairings no p can be below 0.01" in section.prose[2]
    scores = summary.scores[summary.scores["measure"] == SIMILARITY]
    lost = scores[~scores["distinguishable"].fillna(True).astype(bool)]
    assert 0 < len(lost) < len(scores)
    assert (
        f"{len(lost)} of {scores['p_value'].notna().sum()} pairs of networks cannot"
        in (section.prose[4])
    )
    needed = summary.chance["enough_permutations"].max()
    assert "Random pairings are too few" in section.prose[3]
    assert f"it takes {int(needed):,} of them" in section.prose[3]
    (row_of_table,) = section.tables[0].frame.loc[0:0].to_dict("records")
    assert row_of_table["more than chance"] == counted["distinguishable"]
    (choice,) = section.figures
    effects = choice.figures[0].figure.data[0]
    assert np.nanmax(np.array(effects.z, dtype=float)) == pytest.approx(scores["effect"].max())
    raw = made.sections[1].figures[0].figures[0].figure
    notes = {cell[3] for line in raw.data[0].customdata for cell in line}
    assert any("p = 0.6 (0.6 adjusted)" in note for note in notes)
    marks = [trace for trace in raw.data if trace.name == "not distinguishable<br>from chance"]
    assert len(marks) == 1
    assert sum(x is None for x in marks[0].x) == 2 * len(lost)
    layers = made.sections[-1]
    assert [choice.label for choice in layers.figures] == ["measure", "measure, calibrated"]
    assert "tested by handing its values to other networks" in render(made)
