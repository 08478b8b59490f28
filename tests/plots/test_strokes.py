from __future__ import annotations

import pandas as pd

from repscape.plots.palette import GROUP_COLOURS
from repscape.plots.strokes import DASHES, strokes_of
from repscape.tables import GEOMETRY_COLUMNS


def rows(models: int, **tags: list[str]) -> pd.DataFrame:
    table = pd.DataFrame(index=range(models), columns=list(GEOMETRY_COLUMNS))
    return table.assign(model=[f"m{i}" for i in range(models)], **tags)


def test_a_few_models_each_have_a_colour_of_their_own():
    strokes = strokes_of(rows(3, architecture=["cnn", "cnn", "mlp"]))
    assert [line.colour for line in strokes.lines] == list(GROUP_COLOURS[:3])
    assert {line.dash for line in strokes.lines} == {"-"}
    assert strokes.colour_factor is None


def test_many_models_are_told_apart_by_their_factors():
    architecture = ["cnn", "mlp", "vit", "cnn", "mlp"] * 2
    objective = ["a"] * 5 + ["b"] * 5
    strokes = strokes_of(rows(10, architecture=architecture, objective=objective, seed=["0"] * 10))
    assert (strokes.colour_factor, strokes.dash_factor) == ("architecture", "objective")
    assert strokes.colours == dict(zip(("cnn", "mlp", "vit"), GROUP_COLOURS, strict=False))
    assert strokes.dashes == {"a": DASHES[0], "b": DASHES[1]}
    for line, own, aim in zip(strokes.lines, architecture, objective, strict=True):
        assert (line.colour, line.dash) == (strokes.colours[own], strokes.dashes[aim])


def test_many_models_without_tags_share_colours():
    strokes = strokes_of(rows(len(GROUP_COLOURS) + 1))
    assert strokes.lines[0].colour == strokes.lines[-1].colour
    assert len(strokes.colours) == len(GROUP_COLOURS) + 1


def test_a_row_without_a_model_belongs_to_one_called_model():
    table = rows(2)
    table["model"] = None
    assert [line.model for line in strokes_of(table).lines] == ["model"]
