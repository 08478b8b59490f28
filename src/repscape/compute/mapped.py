"""Large arrays in memory of their own, which goes back to the system when they are freed.

What an allocator has given out it keeps after it is freed, in case it is asked for again, and
between pieces that are still held it cannot give anything back. A matrix of several MiB that
comes and goes among temporaries therefore makes a process larger than what it holds at any time,
by as much again. A mapping of its own does not: it is returned with the array.
"""

from __future__ import annotations

import ctypes
import math
import mmap
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

_SMALLEST = 2**20
"""Less is not worth the pages that the system has to clear."""


def mapped_empty(
    shape: Sequence[int], dtype: torch.dtype, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """An array to be filled; of 1 MiB or more on the CPU, in a mapping of its own."""
    size = math.prod(shape) * dtype.itemsize
    if torch.device(device).type != "cpu" or size < _SMALLEST:
        return torch.empty(*shape, dtype=dtype, device=device)
    return torch.frombuffer(mmap.mmap(-1, size), dtype=dtype).view(*shape)


def return_freed() -> None:
    """Give back to the system what the allocator has kept of what was freed.

    For after many temporaries and before memory is taken for long. It takes some milliseconds,
    changes no setting, and does nothing where the C library is not glibc.
    """
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> Any:
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # another C library, or Windows
        return None
