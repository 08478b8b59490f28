"""As many threads as a task declared, whatever runs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def limited_threads(threads: int) -> Iterator[None]:
    """Let torch, numba and the libraries of linear algebra use this many threads inside.

    Afterwards they have as many as before. A library that has fewer cores than asked for
    (numba counts them when it is imported) keeps to those.
    """
    import numba
    import torch
    from threadpoolctl import threadpool_limits

    torch_before, numba_before = torch.get_num_threads(), numba.get_num_threads()
    with threadpool_limits(limits=threads):
        torch.set_num_threads(threads)
        numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))  # type: ignore[attr-defined]
        try:
            yield
        finally:
            torch.set_num_threads(torch_before)
            numba.set_num_threads(numba_before)
