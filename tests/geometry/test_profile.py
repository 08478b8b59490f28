"""Profiles along layers: one mask, one scale, marks, controls, and scores between layers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compare import similarity_matrix
from repscape.describe import describe
from repscape.errors import InvalidParameterError, SampleMismatchError
from repscape.geometry.scales import choose_scale
from repscape.profile import profile
from repscape.representation import Origin, Representation
from repscape.store import Store
from repscape.tables import GEOMETRY_COLUMNS, SIMILARITY_COLUMNS

N = 400
LABELS = np.arange(N) % 4


@pytest.fixture
def layers() -> dict[str, np.ndarray]:
    """Five layers of true dimension 3, 6, 9, 5 and 3."""
    rng = np.random.default_rng(0)
    z = rng.normal(size=(N, 9))
    return {f"l{i}": z[:, :d] @ rng.normal(size=(d, 16)) for i, d in enumerate((3, 6, 9, 5, 3))}


def of_model(layers: dict[str, np.ndarray], model: str) -> list[Representation]:
    return [
        Representation(x, origin=Origin(model=model, layer=name, tags={"seed": "1"}))
        for name, x in layers.items()
    ]


def test_the_table_has_the_documented_columns_and_a_row_for_every_number(layers):
    found = profile(of_model(layers, "m"), ["gride", "participation_ratio"])
    assert [*found.table.columns] == [*GEOMETRY_COLUMNS, "seed"]
    assert len(found.table) == 5 * (6 + 1)
    assert found.table["chosen"].sum() == 10
    assert found.values["depth"].to_list() == [0, 0, 0.25, 0.25, 0.5, 0.5, 0.75, 0.75, 1, 1]
    assert set(found.table["model"]) == {"m"}


def test_the_values_are_those_of_describe(layers):
    found = profile(layers, ["twonn", "label_overlap"], labels=LABELS).values
    for name, x in layers.items():
        expected = describe(x, ["twonn", "label_overlap"], labels=LABELS).values["value"]
        assert found.loc[found["layer"] == name, "value"].to_list() == expected.to_list()


def test_one_scale_for_all_layers(layers):
    found = profile(layers, "gride").values
    assert found["scale"].nunique() == 1
    curves = [describe(x, "gride").curves for x in layers.values()]
    readings = [next(iter(each.values())).readings for each in curves]
    common = choose_scale(readings)
    assert found["scale"][0] == readings[0][common.position].scale
    assert "on average over 5 curves" in found["choice"][0]


def test_a_scale_that_was_asked_for_stays(layers):
    assert set(profile(layers, "gride[scale=16]").values["scale"]) == {16}


def test_depth_is_by_model(layers):
    found = profile(of_model(layers, "a") + of_model(layers, "b")[:3], "twonn").values
    assert found["depth"].to_list() == [0, 0.25, 0.5, 0.75, 1, 0, 0.5, 1]


def test_marks(layers):
    marks = profile(layers, "twonn").marks.set_index("mark")
    assert marks.loc["peak", "layer"] == "l2"
    assert marks.loc["minimum", "layer"] == "l4"
    assert "bump" not in marks.index


def test_one_mask_for_all_layers(layers):
    layers["l1"][7] = layers["l1"][3]
    layers["l3"][20] = layers["l3"][11]
    found = profile(layers, "twonn")
    assert np.flatnonzero(~found.mask).tolist() == [7, 20]
    clean = profile({k: np.delete(x, [7, 20], axis=0) for k, x in layers.items()}, "twonn")
    assert found.values["value"].to_list() == clean.values["value"].to_list()
    assert set(found.values["dropped"]) == {2}
    with pytest.raises(InvalidParameterError, match="l1: 1 of 400 rows"):
        profile(layers, "twonn", duplicates="error")


@pytest.mark.parametrize("distinct", [1, 50])
def test_a_layer_of_few_values_does_not_empty_the_others(layers, distinct):
    embedding = np.random.default_rng(1).normal(size=(distinct, 16))[np.arange(N) % distinct]
    both = {"embedding": embedding, **layers}
    found = profile(both, "twonn", measures=["mutual_knn[k=5,metric=euclidean]"])
    first, *rest = found.values.itertuples()
    assert np.isnan(first.value)
    assert "the 400 samples have" in first.reason
    assert [row.value for row in rest] == profile(layers, "twonn").values["value"].to_list()
    assert "embedding" not in set(found.overlaps["rep_a"]) | set(found.overlaps["rep_b"])


def test_scores_between_layers_are_those_of_the_measures(layers):
    measures = ["mutual_knn[k=7,metric=euclidean]", "information_imbalance[k=2]"]
    found = profile(layers, "twonn", measures=measures).overlaps
    expected = similarity_matrix(layers, measures).table
    key = ["rep_a", "rep_b", "measure"]
    assert [*found.columns] == [*SIMILARITY_COLUMNS]
    assert len(found) == len(expected) == 10 + 20
    both = found.merge(expected, on=key, suffixes=("", "_right"))
    assert both["value"].to_numpy() == pytest.approx(both["value_right"].to_numpy(), rel=1e-12)
    assert (both["kind"] == both["kind_right"]).all()


@pytest.mark.parametrize("measure", ["cka", "mutual_knn[k=5,metric=precomputed]"])
def test_other_measures_are_refused(layers, measure):
    with pytest.raises(InvalidParameterError, match="similarity_matrix"):
        profile(layers, "twonn", measures=[measure])


def test_controls_stand_beside_the_profile(layers):
    untrained = {name: np.random.default_rng(2).normal(size=x.shape) for name, x in layers.items()}
    found = profile(layers, "twonn", controls=["shuffled", "gaussian"], untrained=untrained, seed=3)
    chosen = found.table[found.table["chosen"]]
    sizes = chosen.groupby("control", dropna=False).size()
    assert sizes.to_dict() == {"shuffled": 5, "gaussian": 5, "untrained": 5, np.nan: 5} or (
        sizes.to_list() == [5, 5, 5, 5]
    )
    mean = chosen.groupby(chosen["control"].fillna("none"))["value"].mean()
    assert mean["shuffled"] > 1.5 * mean["none"]
    assert mean["untrained"] > 1.5 * mean["none"]
    assert mean["gaussian"] == pytest.approx(mean["none"], rel=0.15)  # the layers are Gaussian
    again = profile(layers, "twonn", controls=["shuffled"], seed=3).table
    assert again["value"].to_list() == found.table["value"].to_list()[:10]
    with pytest.raises(InvalidParameterError, match="did you mean 'shuffled'"):
        profile(layers, "twonn", controls=["shufled"])


def test_different_samples_are_refused(layers):
    layers["l2"] = layers["l2"][:-1]
    with pytest.raises(SampleMismatchError):
        profile(layers, "twonn")


def test_presets_bring_their_descriptors_and_measures():
    rng = np.random.default_rng(4)
    layers = {f"l{i}": rng.normal(size=(640, 6)) for i in range(3)}
    found = profile(layers, "valeriani2023", labels=np.arange(640) % 5)
    names = set(found.values["descriptor"])
    assert names == {
        "twonn[method=linear,fraction=0.98,decimation=32,subsets=4,disjoint=false,seed=0,"
        "metric=euclidean]@1",
        "label_overlap[k=10,average=micro,metric=euclidean]@1",
    }
    assert set(found.overlaps["measure"]) == {"mutual_knn[k=10,metric=euclidean]@1"}
    assert found.values["value"].notna().all()


def test_stored_tables_are_read_and_not_made_again(layers, tmp_path, monkeypatch):
    import repscape.geometry.sample as module

    asked = []
    search = module.neighbours
    monkeypatch.setattr(
        module, "neighbours", lambda x, k, *rest: asked.append(k) or search(x, k, *rest)
    )
    layers["l1"][7] = layers["l1"][3]
    stored = [
        Representation(x, origin=Origin(model="m", layer=name), key=f"{i:040x}")
        for i, (name, x) in enumerate(layers.items())
    ]
    store = Store(tmp_path)
    measures = ["mutual_knn[k=5,metric=euclidean]"]
    first = profile(stored, ["gride", "mle"], measures=measures, store=store)
    assert asked == [64] * 5
    assert len(store.keys("neighbours")) == 5
    second = profile(stored, ["gride", "mle"], measures=measures, store=store)
    assert asked == [64] * 5
    assert first.table.equals(second.table)
    assert first.overlaps.equals(second.overlaps)
    fewer = profile(stored[:1] + stored[2:], "gride", store=store)
    assert fewer.mask.all()
    assert len(asked) > 5  # another mask is another table


def test_tensors_and_half_precision(layers):
    halves = {name: torch.from_numpy(x).to(torch.bfloat16) for name, x in layers.items()}
    found = profile(halves, "gride").values["value"]
    exact = profile({name: x.double() for name, x in halves.items()}, "gride").values["value"]
    assert found.to_list() == pytest.approx(exact.to_list(), rel=1e-12)
