from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.analysis.peak_and_labels import COLUMNS, in_words, peak_and_labels
from repscape.errors import UnknownNameError
from repscape.geometry.marks import marks_of

GRIDE, OVERLAP = "gride[largest=64]@1", "label_overlap[k=10]@1"
HUMP = [5.0, 9.0, 12.0, 8.0, 4.0, 6.0, 7.0]


def geometry(model: str, dimension: list[float], overlap: list[float], **columns) -> pd.DataFrame:
    rows = []
    for name, quantity, values in (
        (GRIDE, "dimension", dimension),
        (OVERLAP, "label overlap", overlap),
    ):
        for layer, value in enumerate(values):
            rows.append(
                {
                    "data": "digits",
                    "model": model,
                    "layer": f"block.{layer}",
                    "rep": f"{model}:block.{layer}",
                    "depth": layer / (len(values) - 1),
                    "control": None,
                    "descriptor": name,
                    "quantity": quantity,
                    "value": value,
                    "standard_error": 0.01,
                    "chance": 0.1 if quantity == "label overlap" else np.nan,
                    "chosen": bool(np.isfinite(value)),
                    "reason": None if np.isfinite(value) else "there are no labels",
                }
                | columns
            )
    return pd.DataFrame(rows)


def test_the_claim_holds_where_the_overlap_is_highest_at_the_minimum() -> None:
    table = geometry("m", HUMP, [0.1, 0.2, 0.3, 0.5, 0.6, 0.4, 0.2])
    (one,) = peak_and_labels(table, marks_of(table)).to_dict("records")
    assert (one["peak_layer"], one["minimum_layer"], one["best_layer"]) == (
        "block.2",
        "block.4",
        "block.4",
    )
    assert one["holds"] is True
    assert one["layers_apart"] == 0
    assert one["reached"] == 1.0
    assert one["p_value"] == pytest.approx(1 / 7)
    assert one["minimum_depth"] == pytest.approx(4 / 6)
    assert one["reason"] is None


def test_the_claim_fails_where_it_is_highest_elsewhere() -> None:
    table = geometry("m", HUMP, [0.6, 0.2, 0.3, 0.3, 0.35, 0.4, 0.2])
    (one,) = peak_and_labels(table, marks_of(table)).to_dict("records")
    assert one["holds"] is False
    assert one["layers_apart"] == 4
    assert one["reached"] == pytest.approx(0.5)
    assert one["p_value"] == pytest.approx(3 / 7)
    (sentence,) = in_words(peak_and_labels(table, marks_of(table)))
    assert "in 0 of 1 model" in sentence
    assert "50 % of the way" in sentence


def test_models_are_tested_one_by_one_and_none_is_left_out_silently() -> None:
    table = pd.concat(
        [
            geometry("good", HUMP, [0.1, 0.2, 0.3, 0.5, 0.6, 0.4, 0.2]),
            geometry("rising", [1, 2, 3, 4, 5, 6, 7], [0.1] * 7),
            geometry("unlabelled", HUMP, [np.nan] * 7),
        ],
        ignore_index=True,
    )
    tested = peak_and_labels(table, marks_of(table))
    assert list(tested.columns) == list(COLUMNS)
    assert tested["holds"].tolist() == [True, pd.NA, pd.NA]
    assert tested["reason"].tolist()[1:] == [
        "the dimension has no minimum after a peak",
        "there are no labels",
    ]
    assert "2 more have no such minimum or no labels" in in_words(tested)[0]


def test_marks_of_another_data_set_are_not_taken() -> None:
    first = geometry("m", HUMP, [0.1, 0.2, 0.3, 0.5, 0.6, 0.4, 0.2])
    second = geometry("m", HUMP[::-1], [0.9, 0.2, 0.3, 0.5, 0.6, 0.4, 0.2], data="faces")
    marks = pd.concat(
        [marks_of(t).assign(data=d) for t, d in ((second, "faces"), (first, "digits"))]
    )
    tested = peak_and_labels(pd.concat([first, second], ignore_index=True), marks)
    assert tested.set_index("data")["minimum_layer"].to_dict() == {
        "digits": "block.4",
        "faces": marks_of(second)
        .query("mark == 'minimum' and descriptor == @GRIDE")["layer"]
        .iloc[0],
    }


def test_a_table_without_labels_says_what_to_add() -> None:
    table = geometry("m", HUMP, HUMP)
    with pytest.raises(UnknownNameError, match=r"no 'label overlap'.*add gride and label_overlap"):
        peak_and_labels(table[table["quantity"] == "dimension"], marks_of(table))
