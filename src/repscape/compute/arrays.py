"""Arrays in: any NumPy array or tensor becomes a float32 or float64 tensor, checked."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repscape.errors import (
    SQUARES_OVERFLOW,
    InvalidParameterError,
    NonFiniteError,
    UndefinedScoreError,
)

if TYPE_CHECKING:
    import numpy.typing as npt

_SMALLEST, _LARGEST = 1e-150, 1e154
"""Between them squares, and those of roundings against them, stay in the range of float64."""
SAFE_EXPONENT = 200
"""Squares of float64 values between 2^±200 neither overflow nor underflow, nor do their sums."""
SAFE_EXPONENTS = {torch.float32: 50, torch.float64: SAFE_EXPONENT}
"""Squares of values between 2^±this, and their sums, stay in the range of the dtype."""
_ROUNDING = 1e-5
"""By this much of the largest entry a matrix from float32 products may differ from what it is."""
_ROUNDING_OF_ROOTS = 1e-2
"""So may distances, where the roots of what should be 0 are taken."""
BLOCK_ROWS = 512
"""Rows of a thousand float64 features then stay in a processor's cache."""


def as_tensor(values: npt.NDArray[Any] | torch.Tensor) -> torch.Tensor:
    """Return float32 or float64 values as a tensor, without a copy where possible.

    float16 and bfloat16 become float32, wider floats float64. A memory-mapped array stays
    mapped.
    """
    if isinstance(values, torch.Tensor):
        tensor = values.detach()
        half = tensor.dtype in (torch.float16, torch.bfloat16)
        return tensor.float() if half else tensor
    array = np.asarray(values)
    if array.dtype not in (np.float32, np.float64):
        array = array.astype(np.float32 if array.dtype.itemsize == 2 else np.float64)
    if not array.dtype.isnative or any(stride < 0 for stride in array.strides):
        array = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))
    with warnings.catch_warnings():
        # A read-only (mapped) array gives a tensor that must not be written: nothing here does.
        warnings.filterwarnings("ignore", message=".*not writable.*")
        return torch.from_numpy(array)


def row_blocks(n: int, rows: int = BLOCK_ROWS) -> Iterator[slice]:
    """Yield the slices of consecutive blocks of at most `rows` rows."""
    for start in range(0, n, rows):
        yield slice(start, min(start + rows, n))


def check_finite(x: torch.Tensor, name: str) -> None:
    """Raise `NonFiniteError` that counts NaN and infinite values and says where the first is."""
    bad, first = 0, None
    for block in row_blocks(x.shape[0]):
        if bool(torch.isfinite(x[block].sum())):
            # A NaN or an infinite value would have shown in the sum.
            continue
        where = (~torch.isfinite(x[block])).nonzero()
        bad += len(where)
        if first is None and len(where):
            first = (block.start + int(where[0, 0]), int(where[0, 1]))
    if first is not None:
        value = float(x[first[0], first[1]])
        raise NonFiniteError(
            f"{name} has {bad} NaN or infinite values; the first is {value} at row {first[0]}, "
            f"feature {first[1]}: drop those samples (select) or find out why the model made them"
        )


def within_range(x: torch.Tensor, exponent: int = SAFE_EXPONENT) -> tuple[torch.Tensor, float]:
    """Divide x by a power of two if its largest value leaves 2^±exponent; also return the power.

    What is divided is float64, so that only values that are nothing beside the largest may lose
    digits; x itself is returned where it stays between, or is zero.
    """
    low, high = torch.aminmax(x)
    largest = torch.maximum(high, -low)
    power = int(torch.frexp(largest).exponent) - 1
    if largest == 0 or abs(power) <= exponent:
        return x, 1.0
    return torch.ldexp(x.double(), torch.tensor(-power, device=x.device)), math.ldexp(1.0, power)


def with_safe_squares(x: torch.Tensor) -> torch.Tensor:
    """x, in float64 where float32 would not hold the squares of its values, or their sums."""
    inside, _ = within_range(x, SAFE_EXPONENTS[x.dtype])
    return x if inside is x else x.double()


def check_squares(x: torch.Tensor) -> None:
    """Raise `UndefinedScoreError` if squares of the values, or their sum, leave float64."""
    low, high = torch.aminmax(x)
    largest = max(-float(low), float(high))
    if largest and not _SMALLEST < largest < _LARGEST / math.sqrt(x.numel()):
        raise UndefinedScoreError(f"values reach {largest:.3g}: {SQUARES_OVERFLOW}")


def check_not_constant(x: torch.Tensor) -> None:
    """Raise `UndefinedScoreError` if all rows are equal."""
    if bool((x[-1] == x[0]).all()) and all(
        bool((x[block] == x[0]).all()) for block in row_blocks(x.shape[0])
    ):
        raise UndefinedScoreError(
            f"all {x.shape[0]} samples have the same values, so there is nothing to compare: "
            "check the layer (a bias, or a first token seen by every sample?)"
        )


def as_symmetric(x: torch.Tensor, what: str) -> torch.Tensor:
    """Return a given n×n matrix as float64; refuse it unless it is symmetric."""
    _check_symmetric(x, what, _ROUNDING)
    matrix = x.double()
    return (matrix + matrix.T) / 2


def as_gram(x: torch.Tensor) -> torch.Tensor:
    """Return a given Gram matrix as float64; refuse it unless it may be one, distances at least."""
    gram = as_symmetric(x, "Gram matrix")
    diagonal, scale = gram.diagonal(), float(gram.abs().max())
    least = int(diagonal.argmin())
    if float(diagonal[least]) < -_ROUNDING * scale:
        raise InvalidParameterError(
            "a precomputed Gram matrix holds inner products of samples with themselves on its "
            f"diagonal, but entry ({least}, {least}) is {float(diagonal[least])}: give a kernel"
        )
    if scale and float(diagonal.max()) <= _ROUNDING * scale:
        raise InvalidParameterError(
            "a precomputed Gram matrix holds inner products of samples with themselves on its "
            "diagonal, but that of the values given is 0, as of distances: give a kernel, e.g. "
            "exp(-distances)"
        )
    return gram


def check_distances(x: torch.Tensor) -> None:
    """Raise `InvalidParameterError` unless a given n×n matrix may hold distances."""
    _check_symmetric(x, "matrix of distances", _ROUNDING_OF_ROOTS)
    scale = float(x.abs().max())
    for i in row_blocks(len(x)):
        at, least = divmod(int(x[i].argmin()), len(x))
        if float(x[i][at, least]) < -_ROUNDING * scale:
            raise InvalidParameterError(
                f"precomputed distances are not negative, but entry ({i.start + at}, {least}) is "
                f"{float(x[i][at, least])}: are these similarities? Give e.g. 1 - similarity"
            )
    largest = int(x.diagonal().argmax())
    if float(x[largest, largest]) > _ROUNDING_OF_ROOTS * scale:
        raise InvalidParameterError(
            f"the precomputed distance of a sample to itself is 0, but entry ({largest}, "
            f"{largest}) is {float(x[largest, largest])}: are these similarities? Give e.g. "
            "1 - similarity"
        )


def _check_symmetric(x: torch.Tensor, what: str, rounding: float) -> None:
    n, columns = x.shape
    if n != columns:
        raise InvalidParameterError(
            f"a precomputed {what} is n×n, but the values given have shape ({n}, {columns})"
        )
    scale = float(x.abs().max())
    for i in row_blocks(n):
        gap = (x[i].double() - x[:, i].T).abs_()
        at, column = divmod(int(gap.argmax()), n)
        if float(gap[at, column]) > rounding * scale:
            row = i.start + at
            raise InvalidParameterError(
                f"a precomputed {what} is symmetric, but entry ({row}, {column}) is "
                f"{float(x[row, column])} and entry ({column}, {row}) is {float(x[column, row])}"
            )
