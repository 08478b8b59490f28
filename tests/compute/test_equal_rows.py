"""Rows of equal content are found, whatever their number, dtype and hash."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compute import equal_rows
from repscape.compute.equal_rows import first_equal_rows


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [1, 3, 768])
def test_the_first_equal_row_is_named(dtype: torch.dtype, d: int) -> None:
    generator = torch.Generator().manual_seed(d)
    distinct = torch.randn(50, d, generator=generator, dtype=dtype)
    which = torch.randint(0, 50, (300,), generator=generator)
    expected = [int((which == kind).nonzero()[0, 0]) for kind in which]
    assert first_equal_rows(distinct[which]).tolist() == expected


def test_one_bit_tells_rows_apart() -> None:
    x = torch.ones(4, 700)
    x[1, 699] = 1 + 2.0**-23
    x[2, 0] = 1 - 2.0**-24
    assert first_equal_rows(x).tolist() == [0, 1, 2, 0]


def test_both_zeros_are_equal() -> None:
    assert first_equal_rows(torch.tensor([[0.0, 1.0], [-0.0, 1.0]])).tolist() == [0, 0]


def test_a_hash_that_says_nothing_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(60, 4, generator=torch.Generator().manual_seed(0)).repeat(2, 1)
    expected = first_equal_rows(x)
    zeros = torch.zeros(len(x), dtype=torch.int64)
    monkeypatch.setattr(equal_rows, "_row_hashes", lambda x: zeros)
    assert np.array_equal(first_equal_rows(x), expected)
