"""Whole numbers that a user gave: seeds, and how often something is drawn."""

from __future__ import annotations

from operator import index
from typing import TYPE_CHECKING

from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    import torch

_LARGEST = 2**63 - 1


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU; `InvalidParameterError` unless the seed is a whole number ≥ 0."""
    import torch

    return torch.Generator().manual_seed(checked_seed(seed))


def checked_seed(seed: int) -> int:
    """The seed as an int; `InvalidParameterError` unless it is a whole number from 0 on."""
    number = _whole(seed)
    if number is None or not 0 <= number <= _LARGEST:
        raise InvalidParameterError(f"seed={seed!r}: give a whole number from 0 to 2**63 - 1")
    return number


def checked_count(name: str, count: int) -> int:
    """How often something is drawn; `InvalidParameterError` unless a whole number from 1 on."""
    number = _whole(count)
    if number is None:
        raise InvalidParameterError(f"{name}={count!r}: give a whole number from 1 on")
    if number < 1:
        raise InvalidParameterError(f"{name}={number}: ask for at least 1")
    return number


def _whole(number: int) -> int | None:
    try:
        return index(number)
    except TypeError:
        return None
