"""Estimated operations follow their formulas; what is measured only estimates time."""

from __future__ import annotations

import pytest

from repscape.geometry.base import DESCRIPTORS
from repscape.measures.base import get_measure
from repscape.studies.estimate import (
    CPU_RATE,
    Size,
    cost_of_profile,
    cost_of_scores,
    null_operations,
    sweep_operations,
)
from repscape.studies.load import load_study
from repscape.studies.steps.digits_network import DigitsNetworkOptions, _expect

N, D, LAYERS = 1000, 128, 6
SIZE = Size(N, (D,) * LAYERS)
PAIRS = 15
SWEEP = N**2 * D * LAYERS + 2 * N**2 * PAIRS  # kernels of each layer, inner products of each pair
ALIGNED = 4 * N * D * D * LAYERS + (2 * D**3 + 10 * D**3) * PAIRS
RANKS, PAIRED = 1600 * N**2 * LAYERS, 2000 * N**2 * PAIRS


def operations(measure: str, permutations: int = 0, budget: float | None = None) -> float:
    cost = cost_of_scores(measure, [SIZE], PAIRS, permutations, budget, None)
    assert cost.operations is not None
    return cost.operations


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("cka", SWEEP),
        ("cka[kernel=rbf]", SWEEP),
        ("rsa[compare_by=pearson]", SWEEP),
        ("rsa", SWEEP + RANKS),
        ("rsa[compare_by=kendall]", SWEEP + PAIRED),
        ("procrustes", ALIGNED),
        ("cca", ALIGNED),
        ("pwcca", ALIGNED + 45 * D**3 * PAIRS),
        ("mutual_knn", N**2 * D * LAYERS + 50 * N * PAIRS + 3.1e5 * N * LAYERS),
        ("mutual_knn[k=100]", N**2 * D * LAYERS + 50 * N * PAIRS + 1.3e6 * N * LAYERS),
        ("cknna", SWEEP + 6e5 * N * LAYERS),
    ],
)
def test_scores(measure, expected):
    assert operations(measure) == pytest.approx(expected, rel=1e-12)


def test_a_null_prepares_anew_and_takes_its_permutations_unless_they_are_beyond_the_budget():
    null = 20 * PAIRS * 9 * 4 * N**2
    assert operations("cka", 20) == pytest.approx(2 * SWEEP + null)
    assert operations("cka", 20, budget=20 * 4 * N**2) == pytest.approx(2 * SWEEP + null)
    assert operations("cka", 20, budget=19 * 4 * N**2) == pytest.approx(SWEEP)
    assert operations("magnitude_difference", 20) == operations("magnitude_difference")


@pytest.mark.parametrize(
    ("descriptor", "of_layer"),
    [
        ("norms", 0),
        ("participation_ratio", 2 * N * D * D + 10 * D**3),
        ("twonn", N**2 * D + 8e5 * N),
        ("gride", N**2 * D + 1.6e6 * N),
        ("local_pca", N**2 * D + (3e6 + 2.4e4 * D) * N),
    ],
)
def test_profiles(descriptor, of_layer):
    plain, controlled = (cost_of_profile(descriptor, [SIZE], controls) for controls in (0, 2))
    assert plain.operations == pytest.approx(LAYERS * (of_layer + 700 * N * D))
    assert plain.seconds(1, 0) == pytest.approx(0.02 + 0.01 * LAYERS + plain.operations / CPU_RATE)
    assert controlled.operations == pytest.approx(3 * plain.operations)


def test_overlaps_of_layers_are_those_of_a_measure_in_the_directions_that_it_has():
    assert cost_of_profile("cka", [SIZE, SIZE], 0).operations == pytest.approx(2 * SWEEP)
    directed = cost_of_profile("information_imbalance", [SIZE], 0).operations
    one_way = operations("information_imbalance")
    assert directed == pytest.approx(one_way + 50 * N * PAIRS)


def test_every_descriptor_has_an_estimate():
    for name in DESCRIPTORS.names():
        small, large = (cost_of_profile(name, [Size(n, (64,))], 0).operations for n in (300, 3000))
        assert small is not None
        assert large > 5 * small, name


def test_what_is_measured_decides_neither_which_nulls_there_are_nor_what_is_divided():
    """These numbers stand in keys of what stores hold; see VERSION in `steps/score.py`."""
    for measure, expected in (
        ("cka", 4e6), ("rsa", 4e6), ("rsa[compare_by=kendall]", 4e8), ("mutual_knn", 1e6),
        ("cknna", 9e7), ("procrustes", N * D**2 + 5 * D**3), ("pwcca", N * D**2 + 60 * D**3),
        ("cycle_knn", 2.5e7), ("information_imbalance", 2.5e8), ("second_order_cosine", 6e7),
    ):  # fmt: skip
        assert null_operations(get_measure(measure), N, D, 7) == 7 * expected, measure
    assert sweep_operations("rsa", N, [D] * LAYERS, PAIRS) == SWEEP


def test_training_follows_the_images_and_the_steps():
    once, thrice = (
        _expect(DigitsNetworkOptions(architecture="mlp", epochs=n))["training_operations"]
        for n in (1, 3)
    )
    assert once == 6 * 59_658 * 1_348 + 27 * 5e7
    assert thrice == 3 * once


def test_only_the_layers_that_are_asked_for_count():
    """Micro asks for two of the four of each network."""
    few, all_layers = (
        load_study("micro", settings).models[0].expected["layers"]
        for settings in ((), ("layers=null",))
    )
    assert (few, all_layers) == (2, 4)
    assert load_study("micro", ["layers=['blocks.*.no']"]).models[0].expected["layers"] == 1
