"""Numbers of other packages on 512 points that need no generator."""

from __future__ import annotations

import numpy as np
import pytest
from shapes import hashed_points

from repscape.geometry.base import get_descriptor
from repscape.geometry.imbalance import information_imbalance
from repscape.geometry.overlap import neighbourhood_overlap
from repscape.geometry.sample import prepare_sample

POINTS = hashed_points()
GRIDE = [2.9408155, 2.6514631, 2.9052081, 2.7768092, 2.6850138, 2.5752337]
GRIDE_ERRORS = [0.129967, 0.084495, 0.065617, 0.044306, 0.030301, 0.020535]


def value(name: str, x=POINTS, labels=None) -> float:
    return get_descriptor(name).describe(prepare_sample(x, labels)).reading.value


def test_the_points_are_the_known_ones():
    assert POINTS.sum() == pytest.approx(757.3974211, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("twonn[method=linear]", 2.9272241),
        ("twonn[method=mle]", 2.8391485),
        ("twonn[method=censored]", 2.9144551),
        ("mle[k=20]", 2.7691471),
    ],
)
def test_dimensions(name, expected):
    assert value(name) == pytest.approx(expected, abs=6e-8)


def test_gride_at_every_scale():
    readings = get_descriptor("gride").describe(prepare_sample(POINTS)).readings
    assert [r.scale for r in readings] == [2, 4, 8, 16, 32, 64]
    assert [r.value for r in readings] == pytest.approx(GRIDE, abs=6e-8)
    # The other package divides by all samples, here it is by those without outliers: 510 of 512.
    errors = [r.independent_error * np.sqrt(r.samples / 512) for r in readings]
    assert errors == pytest.approx(GRIDE_ERRORS, abs=6e-7)
    assert [r.samples for r in readings] == [510, 512, 512, 512, 512, 512]


def test_gride_without_the_outlier_rule_is_twonn():
    readings = get_descriptor("gride[outliers=keep]").describe(prepare_sample(POINTS)).readings
    assert readings[0].value == pytest.approx(value("twonn[method=mle]"), rel=1e-12)


@pytest.mark.parametrize(("k", "expected"), [(10, 0.3123047), (30, 0.4365234)])
def test_overlap_with_a_projection(k, expected):
    whole, flat = prepare_sample(POINTS), prepare_sample(POINTS[:, :2])
    tables = (s.neighbours("euclidean", k) for s in (whole, flat))
    assert neighbourhood_overlap(*tables, k).value == pytest.approx(expected, abs=6e-8)


def test_label_overlap():
    labels = np.arange(512) % 4
    assert value("label_overlap[k=10]", labels=labels) == pytest.approx(0.2523438, abs=6e-8)
    half = POINTS[:, 0] > 0.5
    assert value("label_overlap[k=30]", labels=half) == pytest.approx(0.8876302, abs=6e-8)


@pytest.mark.parametrize(
    ("a", "b", "k", "expected"),
    # The third is 32917 · 2 / (5 · 512²), a mean of whole ranks; DADApy 0.3.4 gives 0.05022735596.
    [(3, 2, 1, 0.0239105), (2, 3, 1, 0.3020172), (3, 2, 5, 0.05022736)],
)
def test_information_imbalance(a, b, k, expected):
    table = prepare_sample(POINTS[:, :a]).neighbours("euclidean", k)
    onto = prepare_sample(POINTS[:, :b]).features()
    assert information_imbalance(table, onto, k).value == pytest.approx(expected, abs=6e-8)
