"""Duplicates are found by content."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.geometry.duplicates import Duplicates, common_duplicates, find_duplicates


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_first_of_equal_rows_is_kept(dtype):
    x = torch.tensor([[1, 2], [3, 4], [1, 2], [5, 6], [3, 4], [1, 2]], dtype=dtype)
    found = find_duplicates(x)
    assert found.first.tolist() == [0, 1, 0, 3, 1, 0]
    assert found.mask.tolist() == [True, True, False, True, False, False]
    assert found.multiplicities.tolist() == [3, 2, 1]
    assert found.count == 3


def test_zero_and_minus_zero_are_equal():
    assert find_duplicates(torch.tensor([[0.0, 1.0], [-0.0, 1.0]])).count == 1


def test_the_last_bit_makes_a_difference():
    x = torch.ones(2, 50, dtype=torch.float64)
    x[1, 33] = torch.nextafter(torch.tensor(1.0).double(), torch.tensor(2.0).double())
    assert find_duplicates(x).count == 0


def test_rows_of_equal_hash_that_differ_are_told_apart(monkeypatch):
    import repscape.compute.equal_rows as module

    monkeypatch.setattr(module, "_row_hashes", lambda x: torch.zeros(len(x), dtype=torch.int64))
    x = torch.tensor([[1.0], [2.0], [1.0], [3.0]])
    assert find_duplicates(x).first.tolist() == [0, 1, 0, 3]


def test_permuted_features_are_no_duplicates():
    x = torch.arange(12.0).view(1, -1)
    assert find_duplicates(torch.cat([x, x.flip(1), x.roll(1, 1)])).count == 0


def test_many_rows_agree_with_numpy():
    x = np.random.default_rng(0).integers(0, 3, (2000, 6)).astype(np.float32)
    _, first, inverse = np.unique(x, axis=0, return_index=True, return_inverse=True)
    assert (find_duplicates(torch.from_numpy(x)).first == first[inverse.reshape(-1)]).all()


def test_the_common_mask_is_the_intersection():
    a = Duplicates(np.array([0, 1, 0, 3, 4]))
    b = Duplicates(np.array([0, 1, 2, 3, 2]))
    common = common_duplicates([a, b])
    assert common.mask.tolist() == [True, True, False, True, False]
    assert common.first.tolist() == [0, 1, 0, 3, 0]
    assert common.multiplicities.tolist() == [3, 1, 1]
