"""Point sets of known shape, for tests."""

from __future__ import annotations

import numpy as np
import torch

from repscape.compute.neighbours import NeighbourTable, neighbours_of_distances

CONSTANTS = np.array([12.9898, 78.233, 37.719])


def hashed_points() -> np.ndarray:
    """512 points in three dimensions that need no generator: frac(|sin(i c)| 43758.5453)."""
    values = np.abs(np.sin(np.arange(1, 513)[:, None] * CONSTANTS)) * 43758.5453
    return values - np.floor(values)


def periodic_table(n: int, d: int, k: int, seed: int) -> NeighbourTable:
    """Neighbours of uniform points on a torus: no boundary, so d is known at every scale."""
    x = np.random.default_rng(seed).random((n, d))
    squares = np.zeros((n, n))
    for column in x.T:
        gap = np.abs(column[:, None] - column)
        squares += np.minimum(gap, 1 - gap) ** 2
    return neighbours_of_distances(torch.from_numpy(np.sqrt(squares)), k)


def embedded(x: np.ndarray, width: int, seed: int) -> np.ndarray:
    """The points rotated into more dimensions."""
    rng = np.random.default_rng(seed)
    directions, _ = np.linalg.qr(rng.normal(size=(width, x.shape[1])))
    return x @ directions.T


def manifold(name: str, n: int, seed: int) -> np.ndarray:
    """cube5, gauss10, sphere2, swiss_roll, moebius or helix, with n points."""
    rng = np.random.default_rng(seed)
    kind, digits = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
    d = int(digits or 0)
    if kind == "cube":
        return rng.random((n, d))
    if kind == "gauss":
        return rng.normal(size=(n, d))
    if kind == "sphere":
        z = rng.normal(size=(n, d + 1))
        return z / np.linalg.norm(z, axis=1, keepdims=True)
    t = rng.random(n)
    if kind == "swiss_roll":
        angle = 1.5 * np.pi * (1 + 2 * t)
        return np.stack([angle * np.cos(angle), 21 * rng.random(n), angle * np.sin(angle)], 1)
    if kind == "moebius":
        angle, width = 2 * np.pi * t, rng.random(n) - 0.5
        radius = 1 + width * np.cos(angle / 2)
        height = width * np.sin(angle / 2)
        return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], 1)
    assert kind == "helix"
    angle = 4 * np.pi * t
    return np.stack([np.cos(angle), np.sin(angle), angle / 4], 1)


def mixture(n: int, d: int, seed: int) -> np.ndarray:
    """A mixture of clusters of local dimension 8, float32."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(10, d)) * 0.5
    axes = rng.normal(size=(10, 8, d)) / np.sqrt(8)
    which = rng.integers(10, size=n)
    local = np.einsum("nq,nqd->nd", rng.normal(size=(n, 8)), axes[which])
    return (centres[which] + local).astype(np.float32)
