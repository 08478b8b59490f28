"""Subsets of samples: decimation, which moves an estimate to a larger scale."""

from __future__ import annotations

import torch

from repscape.errors import InvalidParameterError


def random_subsets(n: int, size: int, count: int, disjoint: bool, seed: int) -> list[torch.Tensor]:
    """Draw `count` sorted subsets of `size` of n samples: disjoint, or each on its own.

    Raises `InvalidParameterError` if disjoint subsets do not fit.
    """
    generator = torch.Generator().manual_seed(seed)
    if not disjoint:
        return [torch.randperm(n, generator=generator)[:size].sort().values for _ in range(count)]
    if count * size > n:
        raise InvalidParameterError(
            f"{count} disjoint subsets of {size} samples need {count * size} samples, but there "
            f"are {n}: use fewer subsets, a larger decimation, or disjoint=false"
        )
    order = torch.randperm(n, generator=generator)
    return [order[s * size : (s + 1) * size].sort().values for s in range(count)]
