"""Compiled loops over lists, against plain Python."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from repscape.compute.compiled_orders import (
    common_subsequences,
    edit_distances,
    rank_agreement,
    returns,
)


@pytest.fixture
def lists() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    draw = [[rng.permutation(9)[:6] for _ in range(30)] for _ in range(2)]
    return np.array(draw[0], np.int32), np.array(draw[1], np.int32)


def longest(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    @cache
    def common(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return 0
        if a[i] == b[j]:
            return 1 + common(i + 1, j + 1)
        return max(common(i + 1, j), common(i, j + 1))

    return common(0, 0)


def edits(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    @cache
    def cost(i: int, j: int) -> int:
        if i == len(a) or j == len(b):
            return len(a) - i + len(b) - j
        change = cost(i + 1, j + 1) + (a[i] != b[j])
        return min(change, 1 + cost(i + 1, j), 1 + cost(i, j + 1))

    return cost(0, 0)


def test_longest_common_subsequences(lists):
    a, b = lists
    wanted = [longest(tuple(p), tuple(q)) for p, q in zip(a, b, strict=True)]
    assert common_subsequences(a, b).tolist() == wanted


def test_edit_distances(lists):
    a, b = lists
    wanted = [edits(tuple(p), tuple(q)) for p, q in zip(a, b, strict=True)]
    assert edit_distances(a, b).tolist() == wanted


def test_every_row_counts():
    """Parallel loops in common code lost three quarters of the rows."""
    lists = np.tile(np.arange(5, dtype=np.int32), (4001, 1))
    assert common_subsequences(lists, lists).tolist() == [5] * 4001
    assert edit_distances(lists, lists[:, ::-1].copy()).tolist() == [4] * 4001


def test_rank_agreement_of_known_lists():
    same = np.array([[4, 5, 6, 7]], np.int32)
    assert rank_agreement(same, same) == pytest.approx([1.0])
    assert rank_agreement(same, same[:, ::-1].copy()) == pytest.approx([0.288])
    assert rank_agreement(same, same + 4) == pytest.approx([0.0])


def test_returns():
    there = np.array([[1], [2], [0]], np.int32)
    back = np.array([[1], [0], [0]], np.int32)
    # 0 → 1 → 0 is home; 1 → 2 → 0 and 2 → 0 → 1 are not.
    assert returns(there, back) == 1
