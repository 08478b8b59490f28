"""Matrix products in the full precision of their dtype, whatever the process has asked for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_precision() -> Iterator[None]:
    """Keep float32 products in float32 (no TF32, no bfloat16) inside the block."""
    asked = torch.get_float32_matmul_precision()
    if asked == "highest":
        yield
        return
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(asked)
