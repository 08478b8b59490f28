from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.errors import InvalidParameterError
from repscape.geometry.marks import marks_of
from repscape.plots.dimension_and_labels import dimension_and_labels, through_training

GRIDE, OVERLAP = "gride[largest=64]@1", "label_overlap[k=10]@1"
HUMP = [5.0, 9.0, 12.0, 8.0, 4.0, 6.0, 7.0]
LABELS = [0.1, 0.2, 0.3, 0.5, 0.6, 0.4, 0.2]


def geometry(model: str, **columns) -> pd.DataFrame:
    rows = [
        {
            "model": model,
            "layer": str(layer),
            "rep": f"{model}:{layer}",
            "depth": layer / 6,
            "control": None,
            "descriptor": name,
            "quantity": quantity,
            "scale": 2.0,
            "scale_kind": "neighbour rank",
            "value": value,
            "standard_error": 0.1,
            "chance": 0.1 if quantity == "label overlap" else np.nan,
            "chosen": True,
            "reason": None,
        }
        | columns
        for name, quantity, values in (
            (GRIDE, "dimension", HUMP),
            (OVERLAP, "label overlap", LABELS),
        )
        for layer, value in enumerate(values)
    ]
    return pd.DataFrame(rows)


def test_both_panels_share_one_depth_and_mark_the_minimum() -> None:
    table = pd.concat([geometry("a"), geometry("b")], ignore_index=True)
    figure = dimension_and_labels(table, marks_of(table), GRIDE, OVERLAP)
    top, bottom = figure.axes[:2]
    assert top.get_xlim() == bottom.get_xlim()
    for axes, values in ((top, HUMP), (bottom, LABELS)):
        lines = [line for line in axes.lines if len(line.get_xdata()) == 7]
        assert len(lines) == 2
        np.testing.assert_allclose(lines[0].get_xdata(), np.arange(7) / 6)
        np.testing.assert_allclose(lines[0].get_ydata(), values)
    rings = [line for line in bottom.lines if line.get_fillstyle() == "none"]
    assert [(ring.get_xdata()[0], ring.get_ydata()[0]) for ring in rings] == [(4 / 6, 0.6)] * 2
    stars = [line for line in bottom.lines if line.get_marker() == "*"]
    assert [star.get_ydata()[0] for star in stars] == [0.6, 0.6]


def test_checkpoints_stand_in_one_panel_per_training() -> None:
    table = pd.concat(
        [geometry(f"{size}@{step}", step=step) for size in ("s", "m") for step in (0, 40, 400)]
        + [geometry("alone@3", step=3)],
        ignore_index=True,
    )
    figure = through_training(table, [GRIDE, OVERLAP])
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert titles == ["s", "m"]
    assert [
        len([x for x in axes.lines if len(x.get_xdata()) == 7]) for axes in figure.axes[:4]
    ] == [
        3,
        3,
        3,
        3,
    ]


def test_what_cannot_be_drawn() -> None:
    table = geometry("a")
    with pytest.raises(InvalidParameterError, match="no tag 'step'"):
        through_training(table, [GRIDE])
    with pytest.raises(InvalidParameterError, match="no two checkpoints"):
        through_training(table.assign(step=3), [GRIDE])
    with pytest.raises(InvalidParameterError, match="lacks"):
        dimension_and_labels(table, marks_of(table), "twonn@1", OVERLAP)


def test_checkpoints_have_bands_and_no_quantity_is_named_twice() -> None:
    table = pd.concat([geometry(f"s@{step}", step=step) for step in (0, 40)], ignore_index=True)
    upper, lower = through_training(table, [GRIDE, OVERLAP]).axes[:2]
    assert upper.get_ylabel() == "dimension\ngride"
    assert lower.get_ylabel() == "label overlap"
    for axes, values in ((upper, HUMP), (lower, LABELS)):
        assert len(axes.collections) == 2
        edges = axes.collections[0].get_paths()[0].vertices[:, 1]
        assert edges.min() == pytest.approx(min(values) - 0.1)
        assert edges.max() == pytest.approx(max(values) + 0.1)
