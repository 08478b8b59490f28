"""Does a measure hold what its `MeasureSpec` says?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from repscape.conformance.subject import AT_BEST, CHANGED, EXACT, FEATURES, Array, Subject
from repscape.errors import RepscapeError
from repscape.measures.base import MEASURES, get_measure


def declaration(s: Subject) -> Iterator[str]:
    """The range is not empty, minimum_n is possible, a metric may be one, the name reads back."""
    low, high = s.spec.range
    if not low < high:
        yield f"the range ({low}, {high}) is empty"
    if s.spec.minimum_n < 1:
        yield f"minimum_n is {s.spec.minimum_n}"
    if s.spec.metric and not (s.spec.symmetric and s.spec.kind == "distance"):
        yield "a metric is a symmetric distance"
    known = s.spec.name in MEASURES.names()
    if known and get_measure(s.measure.name).name != s.measure.name:
        yield f"the printable name {s.measure.name!r} does not parse back to itself"


def identity(s: Subject) -> Iterator[str]:
    """A representation is most alike to itself; others are not as alike."""
    own = s.score(s.x, s.x.copy())
    low, high = s.spec.range
    best = high if s.spec.kind == "similarity" else low
    if s.spec.self_is_best and math.isfinite(best) and abs(own - best) > AT_BEST:
        yield f"compare(x, x) is {own!r}, and the best value is {best!r}"
    if s.gap(s.value, own) <= CHANGED:
        yield f"compare(x, y) = compare(x, x) = {own!r} for different x and y"
    better = s.value > own if s.spec.kind == "similarity" else s.value < own
    if better and s.spec.self_is_best:
        yield f"compare(x, y) = {s.value!r} is better than compare(x, x) = {own!r}"


def symmetry(s: Subject) -> Iterator[str]:
    """Which side comes first matters if and only if it is declared to."""
    back = s.score(s.y, s.x)
    if s.spec.symmetric:
        yield from s.differs("compare(y, x)", back, s.value, EXACT)
        if s.given is None:
            yield from _symmetry_of_widths(s)
    elif s.gap(back, s.value) <= EXACT:
        yield "declared asymmetric, but compare(y, x) = compare(x, y)"


def _symmetry_of_widths(s: Subject) -> Iterator[str]:
    wide = np.hstack([s.x, s.z])
    there, back = s.direct(wide, s.y), s.direct(s.y, wide)
    if not isinstance(there, RepscapeError) and not isinstance(back, RepscapeError):
        yield from s.differs("compare(y, x) of different widths", back, there, EXACT)
    elif isinstance(there, RepscapeError) != isinstance(back, RepscapeError):
        yield f"of different widths one order gives {there!r}, the other {back!r}"


def score_range(s: Subject) -> Iterator[str]:
    """Scores of alike, unrelated and opposite representations lie in the range."""
    unrelated = s.generator.permutation(s.n)
    for what, a, b in (
        ("compare(x, y)", s.x, s.y),
        ("compare(x, x)", s.x, s.x),
        ("unrelated rows", s.x, s.rows(s.y, unrelated)),
        ("reversed rows", s.x, s.rows(s.y, np.arange(s.n)[::-1])),
    ):
        yield from s.outside(what, s.score(a, b))
    if s.given is None:
        yield from s.outside("compare(x, -x)", s.score(s.x, -s.x))


def triangle(s: Subject) -> Iterator[str]:
    """The way over a third representation is no shorter, for near and for far ones."""
    near = [s.x + 0.01 * t * (s.y - s.x) for t in (1, 2)] if not s.given else []
    points = [s.x, s.y, s.z, *near]
    table = [[s.score(a, b) for b in points] for a in points]
    for i, j, k in np.ndindex(*3 * (len(points),)):
        if table[i][k] > table[i][j] + table[j][k] + AT_BEST:
            yield f"d(a, c) = {table[i][k]!r} > {table[i][j]!r} + {table[j][k]!r}"
            return


def row_order(s: Subject) -> Iterator[str]:
    """One order for both sides changes nothing; another for one side does, if it should."""
    # A score of few possible values may come out the same by chance, but hardly thrice.
    orders = [s.generator.permutation(s.n) for _ in range(3)]
    one_sided = [s.score(s.x, s.rows(s.y, order)) for order in orders]
    changed = any(s.gap(score, s.value) > CHANGED for score in one_sided)
    if s.spec.matches_samples and not changed:
        yield "rows are not matched: another order of one side's rows changes nothing"
    if not s.spec.matches_samples and changed:
        yield "declared not to match samples, but the order of one side's rows matters"
    order, labels = orders[0], s.labels
    try:
        s.labels = labels[order]
        both = s.score(s.rows(s.x, order), s.rows(s.y, order))
    finally:
        s.labels = labels
    yield from s.differs("the same new order of both sides' rows", both, s.value, EXACT)


def invariance(s: Subject, name: str) -> Iterator[str]:
    """The score is invariant to the transformation of either side if and only if declared."""
    changes = []
    for transform in _transforms(s, name):
        for side, a, b in (("x", transform(s.x), s.y), ("y", s.x, transform(s.y))):
            got = s.score(a, b)
            changes.append(s.gap(got, s.value))
            if name in s.spec.invariances:
                what = f"declared, but transforming {side} changes the score"
                yield from s.differs(what, got, s.value, EXACT)
    if name not in s.spec.invariances and max(changes) <= EXACT:
        yield "not declared, but it holds"


def _transforms(s: Subject, name: str) -> list[Callable[[Array], Array]]:
    square = s.generator.normal(size=(FEATURES, FEATURES))
    rotation = np.linalg.qr(square)[0]
    stretch = rotation * np.geomspace(0.3, 3.0, FEATURES) @ rotation[::-1]
    shift = 3.0 * s.generator.normal(size=FEATURES)
    known: dict[str, list[Callable[[Array], Array]]] = {
        "orthogonal": [lambda v: v @ rotation],
        "permutation": [lambda v: v[:, ::-1], lambda v: np.roll(v, 2, axis=1)],
        "isotropic_scaling": [lambda v: 3.7 * v, lambda v: 0.013 * v],
        "translation": [lambda v: v + shift],
        "invertible_linear": [lambda v: v @ stretch],
    }
    return known[name]
