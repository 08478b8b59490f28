"""Threads for compiled loops: as many as torch uses, each with one range of the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch


def in_ranges(
    function: Callable[..., None], size: int, *arguments: Any, threads: int | None = None
) -> None:
    """Call function(start, stop, *arguments) on consecutive ranges that cover 0 … size.

    One range and one thread for each of `threads`, by default `torch.get_num_threads()`. The
    function must release the interpreter lock and write only what belongs to its range.
    """
    threads = min(torch.get_num_threads() if threads is None else threads, size)
    if threads <= 1:
        function(0, size, *arguments)
        return
    edges = [size * t // threads for t in range(threads + 1)]
    with ThreadPoolExecutor(threads - 1) as pool:
        others = [
            pool.submit(function, edges[t], edges[t + 1], *arguments) for t in range(1, threads)
        ]
        function(edges[0], edges[1], *arguments)
        for other in others:
            other.result()


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one thread inside the block, or in the function that this decorates.

    For long chains of operations on small tensors: sharing each of them out takes longer than
    doing it, by far where other processes compete for the cores. And for training: sums are split
    by the number of threads, which changes the last bits.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
