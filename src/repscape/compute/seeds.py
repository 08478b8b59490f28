"""Random numbers from a seed that a user gave."""

from __future__ import annotations

from operator import index

import torch

from repscape.errors import InvalidParameterError

_LARGEST = 2**63 - 1


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU; `InvalidParameterError` unless the seed is a whole number ≥ 0."""
    try:
        number = index(seed)
    except TypeError:
        number = -1
    if not 0 <= number <= _LARGEST:
        raise InvalidParameterError(f"seed={seed!r}: give a whole number from 0 to 2**63 - 1")
    return torch.Generator().manual_seed(number)
