"""What becomes of input that nobody wishes for: a number in the range, or a typed error."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np

from repscape.conformance.subject import CHANGED, FEATURES, Subject
from repscape.errors import NonFiniteError, TooFewSamplesError


def too_few(s: Subject) -> Iterator[str]:
    """Fewer samples than minimum_n are refused, and minimum_n are not too few."""
    least = s.spec.minimum_n
    if least > 1:
        try:
            value = s.score(s.new(least - 1), s.new(least - 1))
            yield f"{least - 1} samples, fewer than minimum_n, gave {value!r}"
        except TooFewSamplesError:
            pass
    yield from s.defined(f"{least} samples", s.new(least), s.new(least))


def not_finite(s: Subject) -> Iterator[str]:
    """NaN and infinite values are refused."""
    for bad in (math.nan, math.inf):
        broken = s.x.copy()
        broken[3, 0] = bad
        with contextlib.suppress(NonFiniteError):
            yield f"a {bad} in x gave {s.score(broken, s.y)!r}"


def hostile(s: Subject) -> Iterator[str]:
    """Constant, zero, duplicated, rank-deficient, wide, narrow, huge and tiny values."""
    x, y, n = s.x, s.y, s.n
    zero_rows, twice = x.copy(), x.copy()
    zero_rows[:3] = 0.0
    twice[n // 2 : 2 * (n // 2)] = twice[: n // 2]
    dead = x.copy()
    dead[:, 0] = 0.0
    wide = s.generator.normal(size=(2, n, 3 * n))
    one = s.new(n, 1)
    for what, a, b in (
        ("a constant x", np.ones_like(x), y),
        ("zeros in x", np.zeros_like(x), y),
        ("rows of zeros", zero_rows, y),
        ("every row twice", twice, y),
        ("every row twice in both", twice, twice[::-1].copy()),
        ("a dead feature", dead, y),
        ("rank 1", np.outer(x[:, 0], y[0]), y),
        ("more features than samples", wide[0], wide[1]),
        ("other widths", x, s.new(n, 2 * FEATURES)),
        ("one feature", one, s.new(n, 1)),
        ("integers", np.round(x), np.round(y)),
        ("large values", (1e15 * x).astype(np.float32), y.astype(np.float32)),
        ("small values", (1e-15 * x).astype(np.float32), y.astype(np.float32)),
        ("squares beyond float64", 1e160 * x, y),
        ("squares below float64", 1e-170 * x, y),
    ):
        yield from s.defined(what, a, b)


def self_among_duplicates(s: Subject) -> Iterator[str]:
    """Copies that are told apart by a hair, in the order of their index, change nothing."""
    copies = s.n // 2
    twice = np.concatenate([s.x[:copies], s.x[:copies]])
    apart = np.zeros((2 * copies, copies))
    apart[copies:] = 1e-5 * np.eye(copies)
    exact = s.direct(np.hstack([twice, 0.0 * apart]), s.y[: 2 * copies])
    told = s.direct(np.hstack([twice, apart]), s.y[: 2 * copies])
    if isinstance(exact, float) and isinstance(told, float):
        what = "rows that stand twice (is a sample its own neighbour?)"
        yield from s.differs(what, exact, told, CHANGED)
