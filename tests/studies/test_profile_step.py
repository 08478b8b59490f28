"""The step of profiles: figures and sections of a study with descriptors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from repscape.profile import profile
from repscape.representation import Origin, Representation
from repscape.studies.steps.base import NoOptions
from repscape.studies.steps.profiles import figures, sections


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    generator = np.random.default_rng(0)
    layers = [
        Representation(
            generator.normal(size=(80, 5 + layer)), origin=Origin(model="m", layer=str(layer))
        )
        for layer in range(3)
    ]
    measures = ["mutual_knn[k=5,metric=euclidean]", "information_imbalance"]
    found = profile(layers, ["gride", "participation_ratio"], measures=measures)
    return {"geometry": found.table, "marks": found.marks, "overlaps": found.overlaps}


def test_figures_of_profiles_scales_and_what_layers_share(tables):
    assert list(figures(tables, NoOptions())) == [
        "profile_gride",
        "profile_gride_scales",
        "profile_participation_ratio",
        "layers_mutual_knn",
        "layers_information_imbalance",
        "layers_information_imbalance_plane",
    ]


def test_sections_by_data_set_and_without_overlaps(tables):
    titles = [section.title for section in sections(tables, NoOptions()).sections]
    assert titles == ["The shape of the layers", "Dimension against scale", "What layers share"]
    geometry = tables["geometry"]
    both = pd.concat([geometry.assign(data="one"), geometry.assign(data="two")])
    titles = [section.title for section in sections({"geometry": both}, NoOptions()).sections]
    assert titles == [
        "The shape of the layers: one",
        "Dimension against scale: one",
        "The shape of the layers: two",
        "Dimension against scale: two",
    ]


def test_layers_of_several_models_have_a_panel_for_each_model(tables):
    overlaps = tables["overlaps"]
    again = overlaps.assign(model_a="o", model_b="o")
    for side in ("rep_a", "rep_b"):
        again[side] = "o:" + again[side].astype(str)
    both = pd.concat([overlaps, again], ignore_index=True)
    drawn = figures({"geometry": tables["geometry"], "overlaps": both}, NoOptions())
    panels = [axes for axes in drawn["layers_mutual_knn"].axes if axes.images]
    assert [axes.get_xlabel() for axes in panels if axes.get_xlabel()] == ["m", "o"]
