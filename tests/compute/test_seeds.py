"""Random numbers from a seed that a user gave."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from repscape import compare
from repscape.compute.seeds import checked_count, seeded
from repscape.errors import InvalidParameterError


@pytest.mark.parametrize("seed", ["x", None, 1.5, -1, 2**63])
def test_what_is_no_seed_is_quoted(seed: Any) -> None:
    with pytest.raises(InvalidParameterError, match=r"seed=.*whole number from 0"):
        seeded(seed)


def test_a_null_says_so_too() -> None:
    x = np.random.default_rng(0).standard_normal((20, 3))
    seed: Any = "x"
    with pytest.raises(InvalidParameterError, match="seed='x'"):
        compare(x, x, "cka", null="permutation", seed=seed)


@pytest.mark.parametrize("count", ["x", None, 1.5, 0, -3])
def test_what_is_no_count_is_quoted(count: Any) -> None:
    with pytest.raises(InvalidParameterError, match=f"n_permutations={count!r}: (ask|give)"):
        checked_count("n_permutations", count)


def test_equal_seeds_give_equal_numbers() -> None:
    draws = [torch.rand(3, generator=seeded(seed)) for seed in (7, np.int64(7), 8)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
