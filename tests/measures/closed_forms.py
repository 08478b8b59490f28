"""Pairs of representations whose scores are known in closed form.

With orthonormal, centred U and W, UᵀW = 0 and V = U cos θ + W sin θ, the canonical correlations
of X = U diag(s) and Y = V diag(t) are cos θ, their principal axes are known, and with them the
score of every measure that is a function of these.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ClosedForm:
    """X = U diag(s), Y = V diag(t) and what they are made of."""

    x: Array
    y: Array
    s: Array
    t: Array
    c: Array


def closed_form(
    s: tuple[float, ...] = (3.0, 2.0, 1.0),
    t: tuple[float, ...] = (1.0, 2.5, 0.5),
    theta: tuple[float, ...] = (0.2, 0.7, 1.1),
    n: int = 50,
    seed: int = 0,
) -> ClosedForm:
    r = len(s)
    drawn = np.random.default_rng(seed).normal(size=(n, 2 * r))
    q, _ = np.linalg.qr(np.hstack([np.ones((n, 1)), drawn]))
    u, w = q[:, 1 : r + 1], q[:, r + 1 :]
    sizes_s, sizes_t, angles = np.array(s), np.array(t), np.array(theta)
    v = u * np.cos(angles) + w * np.sin(angles)
    return ClosedForm(u * sizes_s, v * sizes_t, sizes_s, sizes_t, np.cos(angles))


def embed(x: Array, d: int, seed: int) -> Array:
    """Rotate x (n × r) into d dimensions and shift it."""
    rng = np.random.default_rng(seed)
    q, _ = np.linalg.qr(rng.normal(size=(d, x.shape[1])))
    return x @ q.T + rng.normal(size=d)
