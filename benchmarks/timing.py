"""How long something takes, by both clocks, and what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Taken:
    """Seconds by the wall and of all threads of this process, and the result."""

    wall: float
    processor: float
    result: Any


def timed(work: Callable[..., Any], *arguments: Any) -> Taken:
    """Call `work` once."""
    wall, processor = time.perf_counter(), time.process_time()
    result = work(*arguments)
    return Taken(time.perf_counter() - wall, time.process_time() - processor, result)
