"""The front door for representations that do not fit into memory: one pass over their rows."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeAlias

from repscape.compute.arrays import as_tensor
from repscape.compute.streams import (
    STREAM_BLOCK_ROWS,
    PairMoments,
    RowSource,
    TensorRows,
    stream_moments,
)
from repscape.data.row_files import NpyRows
from repscape.errors import InvalidParameterError, SampleMismatchError, TooFewSamplesError
from repscape.measures.base import Measure, get_measure
from repscape.measures.cka import CKA
from repscape.representation import Representation, RepresentationLike, aligned, as_representation
from repscape.score import Score

RowsLike: TypeAlias = "str | Path | RowSource | RepresentationLike"


def compare_streams(
    x: RowsLike,
    y: RowsLike,
    measure: str | Measure[Any] = "cka",
    *,
    device: str = "cpu",
    block_rows: int = STREAM_BLOCK_ROWS,
) -> Score:
    """Score two representations of any number of samples by reading their rows once.

    The result is that of `repscape.compare`. Memory does not grow with n: 8 (d + d')² bytes and
    a few blocks of rows.

    Parameters
    ----------
    x, y : path of a `.npy` file, array, tensor, Representation, or RowSource
        The same samples in the same order. Files are read, not mapped; a `RowSource`
        (`repscape.compute.streams`) brings rows from anywhere else.
    measure : str or Measure
        `cka` with the linear kernel, debiased or not.
    device : str
        Where to compute, e.g. `"cuda"`.
    block_rows : int
        How many rows are read at a time.

    Raises
    ------
    InvalidParameterError
        For a measure that needs more than the second moments of the rows.
    SampleMismatchError, NonFiniteError, TooFewSamplesError, UndefinedScoreError
        As `repscape.compare`.
    """
    left, right = _sources(x, y)
    _linear_cka(measure)
    moments = stream_moments(left, right, device=device, block_rows=block_rows)
    return score_moments([moments], measure)


def partial_moments(
    x: RowsLike,
    y: RowsLike,
    rows: slice,
    *,
    device: str = "cpu",
    block_rows: int = STREAM_BLOCK_ROWS,
) -> PairMoments:
    """Read some of the rows once: one process's share of `compare_streams`.

    `PairMoments.to_arrays` and `from_arrays` carry the result elsewhere; `score_moments` adds
    up the shares of all rows.
    """
    left, right = _sources(x, y)
    start, stop, step = rows.indices(left.n)
    if step != 1:
        raise InvalidParameterError(f"rows={rows}: give consecutive rows, slice(start, stop)")
    return stream_moments(left, right, start, stop, device=device, block_rows=block_rows)


def score_moments(parts: Iterable[PairMoments], measure: str | Measure[Any] = "cka") -> Score:
    """Add up the moments of disjoint sets of samples, in the order given, and score them."""
    chosen = get_measure(measure)
    cka = _linear_cka(chosen)
    total: PairMoments | None = None
    for part in parts:
        if total is None:
            total = PairMoments.from_arrays(part.to_arrays())
        else:
            total.merge(part)
    if total is None:
        raise InvalidParameterError("parts is empty: give the moments of at least one set of rows")
    if total.n < chosen.declared.minimum_n:
        raise TooFewSamplesError(
            f"{chosen.name} needs at least {chosen.declared.minimum_n} samples, and there "
            f"{'is' if total.n == 1 else 'are'} {total.n}"
        )
    return Score(cka.score(*total.sums()), chosen.name, chosen.declared.kind, total.n)


def _linear_cka(measure: str | Measure[Any]) -> CKA:
    chosen = get_measure(measure)
    core = chosen.core
    if not (isinstance(core, CKA) and core.kernel == "linear") or chosen.transforms:
        raise InvalidParameterError(
            f"{chosen.name} cannot be computed from one pass over the rows: only cka with "
            "kernel=linear, debiased or not, and without transforms, can; use repscape.compare"
        )
    return core


def _sources(x: RowsLike, y: RowsLike) -> tuple[RowSource, RowSource]:
    if isinstance(x, Representation) and isinstance(y, Representation):
        a, b = aligned(x, y)
        return TensorRows(as_tensor(a.values)), TensorRows(as_tensor(b.values))
    left, right = _source(x, "x"), _source(y, "y")
    if left.n != right.n:
        raise SampleMismatchError(
            f"x has {left.n} rows and y has {right.n}: give the same samples in the same order"
        )
    return left, right


def _source(x: RowsLike, name: str) -> RowSource:
    if isinstance(x, (str, Path)):
        return NpyRows(x)
    if isinstance(x, RowSource):
        return x
    return TensorRows(as_tensor(as_representation(x, name).values))
