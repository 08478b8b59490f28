from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.sparse import eye, kron, vstack

from repscape.compute.transport import best_assignment, uniform_transport

SHAPES = [(1, 5), (5, 1), (3, 7), (24, 40), (30, 17), (12, 36), (9, 9)]


def cheapest(costs: np.ndarray) -> float:
    """The value of the linear programme, by another algorithm."""
    a, b = costs.shape
    sums = vstack([kron(eye(a), np.ones((1, b))), kron(np.ones((1, a)), eye(b))]).tocsr()
    masses = np.concatenate([np.full(a, 1 / a), np.full(b, 1 / b)])
    return float(linprog(costs.ravel(), A_eq=sums, b_eq=masses, method="highs").fun)


@pytest.mark.parametrize("kind", ["any sign", "many ties", "all plans equal"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_plan_is_a_plan_and_the_cheapest(shape: tuple[int, int], kind: str) -> None:
    rng = np.random.default_rng(sum(shape))
    costs = {
        "any sign": rng.normal(size=shape),
        "many ties": rng.integers(0, 3, size=shape).astype(float),
        "all plans equal": rng.random((shape[0], 1)) + rng.random((1, shape[1])),
    }[kind]
    rows, columns, masses = (z.numpy() for z in uniform_transport(torch.from_numpy(costs)))
    plan = np.zeros(shape)
    plan[rows, columns] = masses
    np.testing.assert_allclose(plan.sum(axis=1), 1 / shape[0], rtol=1e-13)
    np.testing.assert_allclose(plan.sum(axis=0), 1 / shape[1], rtol=1e-13)
    assert (masses > 0).all()
    assert (costs[rows, columns] * masses).sum() == pytest.approx(cheapest(costs), abs=1e-12)


def test_assignment_maximises() -> None:
    gains = torch.tensor([[1.0, 2.0, 0.0], [4.0, 9.0, 3.0]])
    rows, columns = best_assignment(gains)
    assert float(gains[rows, columns].sum()) == 10.0
    assert columns.tolist() == [0, 1]
