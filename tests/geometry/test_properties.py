"""What must hold for any points: for every descriptor, overlap and imbalance."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute.neighbours import neighbours
from repscape.describe import describe
from repscape.geometry.base import DESCRIPTORS, get_descriptor
from repscape.geometry.imbalance import imbalance_plane, information_imbalance
from repscape.geometry.overlap import neighbourhood_overlap, overlap_of_pairs
from repscape.geometry.sample import prepare_sample, sample_of_table
from repscape.testing import check_descriptor

SMALL = {
    "power_law": "power_law[first=1,last=5]",
    "twonn_scaling": "twonn_scaling[smallest=100]",
    "twonn_blocks": "twonn_blocks[blocks=4]",
}
VARIANTS = [
    "gride[metric=cosine]",
    "twonn[decimation=4,subsets=3]",
    "twonn[decimation=4,subsets=6,disjoint=false]",
    "mle[k=8,average=median]",
    "local_pca[k=20,rule=kaiser]",
    "local_pca[k=20,rule=participation_ratio,average=harmonic]",
    "label_overlap[k=0.3class,average=macro]",
    "anisotropy[centred=true]",
    "norms[centred=true]",
    "effective_rank[of=variances]",
    "knn_density[dimension=3]",
]
NEIGHBOUR_ONLY = ["twonn", "gride", "mle", "method_of_moments", "label_overlap", "knn_density"]


def points(n: int = 300, d: int = 6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)) @ rng.normal(size=(d, 2 * d))


@pytest.mark.parametrize("name", [*(SMALL.get(n, n) for n in DESCRIPTORS.names()), *VARIANTS])
def test_every_descriptor_does_what_it_declares(name):
    report = check_descriptor(name)
    assert len(report.checks) == 10


@pytest.mark.parametrize("k", [1, 7, 30])
def test_a_representation_overlaps_with_itself(k):
    table = neighbours(torch.from_numpy(points()), k)
    assert neighbourhood_overlap(table, table, k).value == 1


@pytest.mark.parametrize("k", [1, 4])
def test_imbalance_of_a_representation_onto_itself(k):
    x = torch.from_numpy(points())
    table = neighbours(x, k)
    assert information_imbalance(table, x, k).value == pytest.approx((k + 1) / len(x), rel=1e-12)


def test_imbalance_of_independent_representations_is_about_one():
    a, b = (torch.from_numpy(points(1500, seed=s)) for s in (1, 2))
    found = information_imbalance(neighbours(a, 1), b)
    assert abs(found.value - 1) < 4 * found.standard_error


def test_a_projection_knows_less_than_the_whole():
    x = torch.from_numpy(points(800))
    values = [x, x[:, :2]]
    plane = imbalance_plane([neighbours(v, 1) for v in values], values)
    assert plane[0, 1].value < 0.2 < plane[1, 0].value


def test_imbalance_is_invariant_to_what_distances_are():
    x, y = (torch.from_numpy(points(seed=s)) for s in (3, 4))
    table = neighbours(x, 2)
    plain = information_imbalance(table, y, 2).value
    rotation, _ = torch.linalg.qr(torch.from_numpy(points(y.shape[1], y.shape[1] // 2, 5)))
    padded = torch.cat([y, torch.zeros(len(y), 3, dtype=torch.float64)], dim=1)
    for other in (y @ rotation, 7 * y, y + 2, padded):
        assert information_imbalance(table, other, 2).value == pytest.approx(plain, rel=1e-12)


def test_imbalance_and_overlap_do_not_depend_on_the_order_of_samples():
    x, y = (torch.from_numpy(points(seed=s)) for s in (6, 7))
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
    first, second = (
        information_imbalance(neighbours(a, 3), b, 3).value
        for a, b in ((x, y), (x[order], y[order]))
    )
    assert first == pytest.approx(second, rel=1e-12)
    tables = [neighbours(v, 5) for v in (x, y, x[order], y[order])]
    found = overlap_of_pairs(tables, [(0, 1), (2, 3)], 5)
    assert found[0, 1].value == pytest.approx(found[2, 3].value, rel=1e-12)


def test_overlap_of_independent_representations_is_by_chance():
    tables = [neighbours(torch.from_numpy(points(1500, seed=s)), 10) for s in (8, 9)]
    found = neighbourhood_overlap(*tables, 10)
    assert found.chance == 10 / 1499
    assert abs(found.value - found.chance) < 4 * found.standard_error


@pytest.mark.parametrize("name", NEIGHBOUR_ONLY)
def test_precomputed_equals_direct(name):
    x = points()
    labels = np.arange(len(x)) % 3
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)
    direct = describe(x, name, labels=labels).values["value"][0]
    given = describe(gaps, f"{name}[metric=precomputed]", labels=labels).values["value"][0]
    assert given == pytest.approx(direct, rel=1e-10)
    table = neighbours(torch.from_numpy(x), 70)
    sample = sample_of_table(table, labels)
    from_table = get_descriptor(name).describe(sample).reading.value
    assert from_table == direct


@pytest.mark.parametrize("name", ["correlation_integral", "twonn[decimation=3,subsets=2]"])
def test_precomputed_equals_direct_where_more_than_neighbours_is_read(name):
    x = points()
    gaps = np.linalg.norm(x[:, None] - x[None], axis=2)
    direct = describe(x, name).values["value"][0]
    inside = "metric=precomputed]"
    call = name.replace("]", f",{inside}") if "[" in name else f"{name}[{inside}"
    assert describe(gaps, call).values["value"][0] == pytest.approx(direct, rel=1e-10)


def test_precomputed_duplicates_are_dropped():
    x = points()
    again = np.vstack([x, x[:40]])
    gaps = np.linalg.norm(again[:, None] - again[None], axis=2)
    found = describe(gaps, "gride[metric=precomputed]").values
    assert int(found["dropped"][0]) == 40
    assert found["value"][0] == pytest.approx(describe(x, "gride").values["value"][0], rel=1e-10)


@pytest.mark.parametrize("memory_limit", ["4MiB", "1GiB"])
def test_memory_changes_nothing(memory_limit):
    x = points(600)
    names = ["gride", "mle", "correlation_integral", "twonn[decimation=2,subsets=2]"]
    found = describe(x, names, memory_limit=memory_limit).table
    assert found["value"].to_list() == describe(x, names).table["value"].to_list()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_dtypes_are_upcast_exactly(dtype):
    x = torch.from_numpy(points()).to(dtype)
    names = ["gride", "mle", "correlation_integral", "participation_ratio", "anisotropy"]
    found = describe(x, names).values["value"].to_numpy()
    exact = describe(x.double(), names).values["value"].to_numpy()
    assert found == pytest.approx(exact, rel=1e-12)


def test_the_table_is_made_once_for_all_descriptors(monkeypatch):
    import repscape.geometry.sample as module

    asked = []
    search = module.neighbours

    def counting(x, k, *rest):
        asked.append((len(x), k))
        return search(x, k, *rest)

    monkeypatch.setattr(module, "neighbours", counting)
    labels = np.arange(300) % 3
    names = ["twonn", "gride", "mle", "label_overlap[k=5]", "knn_accuracy", "correlation_integral"]
    result = describe(points(), names, labels=labels)
    assert len(result.curves) == 6
    assert asked == [(300, 64)]


def test_the_values_of_a_sample_are_not_touched():
    x = points()
    before = x.copy()
    describe(x, DESCRIPTORS.names(), labels=np.arange(len(x)) % 2)
    assert (x == before).all()


def test_prepare_sample_does_not_copy_clean_values():
    x = points()
    assert prepare_sample(x).features().data_ptr() == torch.from_numpy(x).data_ptr()
