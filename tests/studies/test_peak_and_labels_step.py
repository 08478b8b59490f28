"""The section on peak, minimum and labels: names short and as code, in full in the caption."""

from __future__ import annotations

import pandas as pd

from repscape.analysis.peak_and_labels import COLUMNS
from repscape.report.html import render
from repscape.report.page import Report
from repscape.studies.steps.base import NoOptions
from repscape.studies.steps.peak_and_labels import section

TWONN = "twonn[method=linear,fraction=0.98,decimation=4,metric=euclidean]@1"
GRIDE = "gride[largest=64,scale=flattest,likelihood=corrected]@1"


def claim_tables(dimensions: tuple[str, ...]) -> dict[str, pd.DataFrame]:
    rows = [
        dict.fromkeys(COLUMNS)
        | {"data": "digits", "model": model, "dimension": name, "layers": 7, "layers_apart": 2}
        | {"peak_depth": 0.5, "minimum_depth": 1.0, "best_depth": 2 / 3, "best_overlap": 0.256}
        | {"overlap_at_minimum": 0.254, "chance": 0.1, "reached": 0.9876, "holds": False}
        for model in ("small", "large")
        for name in dimensions
    ]
    return {
        "peak_and_labels": pd.DataFrame(rows),
        "geometry": pd.DataFrame({"model": ["small", "large"]}),
    }


def test_names_are_short_and_full_in_the_caption() -> None:
    (made,) = section(claim_tables((TWONN, GRIDE)), NoOptions()).sections
    (table,) = made.tables
    assert table.frame["dimension"].to_list() == ["`twonn`", "`gride`"] * 2
    assert table.caption.endswith(f"The dimension is estimated by `{TWONN}` and `{GRIDE}`.")
    for short, sentence in zip(("`twonn`", "`gride`"), made.prose[1:3], strict=True):
        assert sentence.startswith(f"On digits, with the dimension by {short}, the label overlap")
        assert "in 0 of 2 models" in sentence
    assert "peak depth" in table.frame.columns
    page = render(Report("t", [made]))
    assert "<td><code>twonn</code></td>" in page
    assert '<td class="number">0.67</td>' in page
    assert f"<code>{GRIDE}</code>" in page


def test_two_variants_of_one_estimator_are_told_apart() -> None:
    names = ("gride[largest=64]@1", "gride[largest=32]@1")
    (made,) = section(claim_tables(names), NoOptions()).sections
    assert made.tables[0].frame["dimension"].to_list()[:2] == [
        "`gride[largest=64]`",
        "`gride[largest=32]`",
    ]
