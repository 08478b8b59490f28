"""The draws against the procedure of the study, written down again with the global generators."""

from __future__ import annotations

import random

import numpy as np
import pytest

from repscape.data.compatibility import consistency_imagenet_rows, consistency_wds_rows
from repscape.errors import InvalidParameterError


def labels(n, classes, seed):
    return np.random.default_rng(seed).integers(0, classes, n)


@pytest.fixture(autouse=True)
def _global_state_stays():
    states = random.getstate(), np.random.get_state()  # noqa: NPY002
    yield
    random.setstate(states[0])
    np.random.set_state(states[1])  # noqa: NPY002


def test_imagenet_subsets_are_those_of_the_global_generator():
    given = labels(500, 12, 0)
    for per_class in (1, 5, 10):
        random.seed(42)
        expected = {}
        for label in sorted(set(given.tolist())):
            ascending = [i for i, x in enumerate(given.tolist()) if x == label]
            expected[label] = random.sample(ascending, per_class)
        got = consistency_imagenet_rows(given, per_class)
        assert {label: rows.tolist() for label, rows in got.items()} == expected
        assert list(got) == sorted(got)
    # They are not nested, unlike ours.
    five, ten = (consistency_imagenet_rows(given, k) for k in (5, 10))
    assert any(set(five[x]) - set(ten[x]) for x in five)


def test_wds_subsets_share_one_stream_by_ascending_size():
    sets = {"large": labels(400, 7, 1), "small": labels(90, 3, 2), "middle": labels(250, 4, 3)}
    sets["middle"][:3] = 9  # a short class
    limit = 100
    np.random.seed(42)  # noqa: NPY002
    expected = {}
    for name in ("middle", "large"):  # "small" has no more than the limit
        values, parts = sets[name], []
        classes = sorted(set(values.tolist()))
        share = -(-limit // len(classes))
        for label in classes:
            index = np.array([i for i, x in enumerate(values.tolist()) if x == label])
            parts.extend(
                np.random.choice(index, min(len(index), share), replace=False)  # noqa: NPY002
            )
        expected[name] = sorted(int(i) for i in parts)
    got = consistency_wds_rows(sets, limit)
    assert {name: rows.tolist() for name, rows in got.items()} == expected
    alone = consistency_wds_rows({"large": sets["large"]}, limit)
    assert alone["large"].tolist() != expected["large"]  # the shared stream


def test_the_global_generators_are_not_touched():
    before = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    consistency_imagenet_rows(labels(50, 2, 0), 3)
    consistency_wds_rows({"a": labels(50, 2, 0)}, 10)
    assert (random.getstate(), np.random.get_state()[1].tolist()) == before  # noqa: NPY002


def test_a_class_that_is_too_small_is_named():
    with pytest.raises(InvalidParameterError, match="per_class=4: class 1 has 2 samples"):
        consistency_imagenet_rows([0, 0, 0, 0, 1, 1], 4)
