"""Arrays in several files, mapped one behind the other as if they were one.

The pages of all files stand side by side in one range of addresses, so nothing is copied, and
only what is looked at is read. That needs arrays that begin at a page of their file and, except
for the last, fill whole pages; `as_safetensors` sees to the first, and shards of 4,096 rows
fill whole pages whatever their width.
"""

from __future__ import annotations

import ctypes
import mmap
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

_FAILED = ctypes.c_void_p(-1).value
_FIXED = 0x10  # MAP_FIXED, which the module mmap does not name; the same on all Linux systems


@dataclass(frozen=True)
class Place:
    """Where the bytes of an array lie in a file."""

    path: Path
    start: int
    size: int


def map_end_to_end(places: Sequence[Place]) -> npt.NDArray[np.uint8] | None:
    """Map the bytes in these places one behind the other, or return None where that cannot be.

    The mapping is private: writing into the array changes this process's copy of a page, never
    a file.
    """
    page = mmap.ALLOCATIONGRANULARITY
    fits = all(p.start % page == 0 for p in places) and all(p.size % page == 0 for p in places[:-1])
    if not sys.platform.startswith("linux") or not fits:
        return None
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    # Holds the range; when the last array that looks into it goes, all of it is unmapped.
    whole = np.frombuffer(mmap.mmap(-1, sum(p.size for p in places), flags=flags), np.uint8)
    address = whole.ctypes.data
    for place in places:
        with place.path.open("rb") as file:
            if not _map(address, place, file.fileno()):
                return None
        address += place.size
    return whole


def _map(address: int, place: Place, descriptor: int) -> bool:
    function = ctypes.CDLL(None, use_errno=True).mmap
    function.restype = ctypes.c_void_p
    function.argtypes = [
        ctypes.c_void_p,
        ctypes.c_size_t,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.c_long,
    ]
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    mapped = function(
        address, place.size, protection, mmap.MAP_PRIVATE | _FIXED, descriptor, place.start
    )
    return mapped is not None and mapped != _FAILED
