from __future__ import annotations

import numpy as np
import pytest

from repscape.compare import compare
from repscape.errors import InvalidParameterError
from repscape.measures.angular_shape import AngularShape
from repscape.measures.base import get_measure


def test_alpha_1_is_procrustes_by_its_own_name() -> None:
    name = get_measure("procrustes[score=angle]").name
    assert get_measure("angular_shape[alpha=1]").name == name
    assert get_measure(AngularShape(alpha=1.0)).name == name
    assert get_measure("center|angular_shape[alpha=1.0]@1").name == f"center|{name}"
    assert get_measure("angular_shape[alpha=0.25]").name == "angular_shape[alpha=0.25]@1"


def test_alpha_1_computes_what_procrustes_computes() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(40, 5)), rng.normal(size=(40, 7))
    by_name = compare(x, y, "angular_shape[alpha=1]")
    assert by_name.measure == "procrustes[score=angle,center=true]@1"
    core = AngularShape(alpha=1.0)
    import torch

    states = [core.prepare(torch.from_numpy(z)) for z in (x, y)]
    assert core.compare(*states) == pytest.approx(float(by_name), rel=1e-12)


def test_whitens_by_the_root_of_the_scatter_matrix() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 4)), rng.normal(size=(40, 4))
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    alpha, partly = 0.3, []
    for z in (x, y):
        values, vectors = np.linalg.eigh(z.T @ z)
        root = vectors / np.sqrt(values) @ vectors.T
        partly.append(z @ ((1 - alpha) * root + alpha * np.eye(4)))
    a, b = (z / np.linalg.norm(z) for z in partly)
    expected = np.arccos(np.linalg.svd(a.T @ b, compute_uv=False).sum())
    assert float(compare(x, y, "angular_shape[alpha=0.3]")) == pytest.approx(expected, rel=1e-10)


def test_alpha_is_between_0_and_1() -> None:
    with pytest.raises(InvalidParameterError, match=r"angular_shape\[alpha=1.5\].*between 0 and 1"):
        get_measure("angular_shape[alpha=1.5]")
