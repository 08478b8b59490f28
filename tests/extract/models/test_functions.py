"""Functions that prepare samples: another function is another key, the same one the same."""

from __future__ import annotations

import functools

import numpy as np
import torch
from torchvision.transforms import v2

from repscape.extract.models.functions import described_function


def scaled(by, offset=0.0):
    def scale(x):
        return x * by + offset

    return scale


def times(x, by=1):
    return x * by


class Transform:
    """Prints its address only."""

    def __call__(self, x):
        return x


class Said(Transform):
    def __init__(self, by):
        self.by = by

    def __repr__(self):
        return f"Said({self.by})"

    def apply(self, x):
        return x * self.by


long = np.zeros(5000)
longer = np.where(np.arange(5000) == 2500, 1.0, 0.0)
MAKERS = [
    lambda: scaled(2),
    lambda: scaled(3),
    lambda: scaled(2, 1.0),
    lambda: scaled(long),
    lambda: scaled(longer),  # which prints as the one before
    lambda: scaled(torch.nn.Linear(2, 2).requires_grad_(False).eval().bias.zero_()),
    lambda: times,
    lambda: functools.partial(times, by=2),
    lambda: functools.partial(times, by=3),
    lambda: lambda x: x + 1,
    lambda: lambda x: x + 2,
    lambda: [lambda x: x, lambda x: -x][0],
    lambda: [lambda x: x, lambda x: -x][1],
    lambda: eval("lambda x: x * 5"),
    lambda: Said(1),
    lambda: Said(2),
    lambda: Said(1).apply,
    lambda: Said(2).apply,
    lambda: v2.Compose([v2.Resize(224)]),
    lambda: v2.Compose([v2.Resize(256)]),
]


def test_the_description_tells_functions_apart_and_stays_the_same():
    once, again = ([described_function(make()) for make in MAKERS] for _ in range(2))
    assert once == again
    assert len(set(once)) == len(MAKERS)
    assert "test_functions.scaled.<locals>.scale " in once[0]


def test_what_cannot_be_told_is_never_taken_for_the_same():
    assert described_function(Transform()) != described_function(Transform())
    one = Transform()
    assert described_function(one) != described_function(one)
