"""`Representation`: the values that one layer of one model gives to a set of samples."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.errors import InvalidRepresentationError, SampleMismatchError
from repscape.sample_ids import as_ids, digest_ids, first_repeat

if TYPE_CHECKING:
    import torch

    Values: TypeAlias = "npt.NDArray[Any] | torch.Tensor"


@dataclass(frozen=True)
class Origin:
    """Where a representation comes from; every field may be unknown (`None`).

    `model_revision` and `data_revision` are content revisions: a commit, or a digest of the
    weights or of the data. `tags` are free: objective, architecture, seed, overlap, …
    """

    model: str | None = None
    model_revision: str | None = None
    layer: str | None = None
    pooling: str | None = None
    data: str | None = None
    data_revision: str | None = None
    split: str | None = None
    preprocessing: str | None = None
    dtype: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        tags = {str(k): str(v) for k, v in sorted(self.tags.items())}
        object.__setattr__(self, "tags", MappingProxyType(tags))

    def to_dict(self) -> dict[str, Any]:
        """Return the known fields as plain JSON values."""
        known = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "tags"}
        known = {name: value for name, value in known.items() if value is not None}
        return {**known, "tags": dict(self.tags)} if self.tags else known

    @classmethod
    def from_dict(cls, known: Mapping[str, Any]) -> Origin:
        """Inverse of `to_dict`."""
        return cls(**known)


@dataclass(frozen=True, eq=False)
class Representation:
    """The values of one layer for n samples, with their ids and their origin.

    Parameters
    ----------
    values : (n, d) array or tensor
        Real numbers, possibly memory-mapped. Integers and booleans become float64.
    sample_ids : (n,) sequence of str or int, optional
        One distinct id for each row. Without them the rows are called 0 … n-1.
    labels : (n,) sequence, optional
        The class of each sample.
    columns : mapping of name to (n,) sequence, optional
        Further metadata columns.
    origin : Origin, optional
        Model, layer, data, …
    key : str, optional
        The content-addressed key of the stored artefact, if it is stored.

    Raises
    ------
    InvalidRepresentationError
        If `values` is not a two-dimensional array of real numbers with at least one row and
        one column, or if ids, labels or columns do not fit its rows, or ids repeat.
    """

    values: Values
    sample_ids: npt.NDArray[Any] = None  # type: ignore[assignment]  # set in __post_init__
    labels: npt.NDArray[Any] | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    origin: Origin = field(default_factory=Origin)
    key: str | None = None

    def __post_init__(self) -> None:
        values = _as_matrix(self.values)
        n = int(values.shape[0])
        put = object.__setattr__
        put(self, "values", values)
        put(self, "sample_ids", _as_ids(self.sample_ids, n))
        if self.labels is not None:
            put(self, "labels", _as_column("labels", self.labels, n))
        columns = {name: _as_column(name, column, n) for name, column in self.columns.items()}
        put(self, "columns", MappingProxyType(columns))

    @property
    def n(self) -> int:
        """The number of samples."""
        return int(self.values.shape[0])

    @property
    def d(self) -> int:
        """The number of features."""
        return int(self.values.shape[1])

    @property
    def name(self) -> str:
        """`model:layer` as far as known, for axes and messages."""
        parts = [p for p in (self.origin.model, self.origin.layer) if p is not None]
        return ":".join(parts) if parts else "representation"

    @cached_property
    def sample_digest(self) -> str:
        """A short digest of the sample ids in their order."""
        return digest_ids(self.sample_ids)

    def select(self, ids: Sequence[Any] | npt.NDArray[Any]) -> Representation:
        """Return the rows with these ids, in the order given, with a derived key.

        Raises `SampleMismatchError` if an id is not there.
        """
        wanted = _as_ids(ids, len(ids))
        rows = _rows_of(self, wanted)
        key = None
        if self.key is not None:
            recipe = json.dumps(["select", self.key, digest_ids(wanted)])
            key = hashlib.sha256(recipe.encode()).hexdigest()
        return replace(
            self,
            values=self.values[rows],
            sample_ids=wanted,
            labels=None if self.labels is None else self.labels[rows],
            columns={name: column[rows] for name, column in self.columns.items()},
            key=key,
        )

    def __len__(self) -> int:
        return self.n

    def __repr__(self) -> str:
        return f"Representation({self.name!r}, n={self.n}, d={self.d}, dtype={self.values.dtype})"


RepresentationLike: TypeAlias = "Representation | npt.ArrayLike | torch.Tensor"


def as_representation(x: RepresentationLike, name: str | None = None) -> Representation:
    """Wrap an array or tensor (ids 0 … n-1), or return a `Representation` as it is."""
    if isinstance(x, Representation):
        return x
    return Representation(x, origin=Origin(model=name))  # type: ignore[arg-type]


def aligned(
    a: Representation,
    b: Representation,
    align: str = "strict",
    names: tuple[str, str] | None = None,
) -> tuple[Representation, Representation]:
    """Return two representations of the same samples in the same order.

    With `align="strict"` the ids must agree already; with `"intersection"` the samples that
    both have are kept, in the order of `a`. `names` are what messages call them.

    Raises
    ------
    SampleMismatchError
        With the first difference; or if the intersection is empty.
    """
    if align not in ("strict", "intersection"):
        from repscape.errors import InvalidParameterError

        raise InvalidParameterError(f"align={align!r}: choose 'strict' or 'intersection'")
    if same_samples(a, b):
        return a, b
    if align == "strict":
        raise SampleMismatchError(_first_difference(a, b, names or (a.name, b.name)))
    in_b = set(b.sample_ids.tolist())
    shared = [i for i in a.sample_ids.tolist() if i in in_b]
    if not shared:
        called = " and ".join(names or (a.name, b.name))
        raise SampleMismatchError(
            f"{called} have no sample id in common: the first ids are {a.sample_ids[0]!r} and "
            f"{b.sample_ids[0]!r}"
        )
    return a.select(shared), b.select(shared)


def same_samples(a: Representation, b: Representation) -> bool:
    """Whether the sample ids agree, in the same order."""
    return a.sample_ids is b.sample_ids or (
        a.n == b.n
        and a.sample_ids.dtype.kind == b.sample_ids.dtype.kind
        and bool(np.array_equal(a.sample_ids, b.sample_ids))
    )


def _as_matrix(values: Any) -> Values:
    if type(values).__module__.partition(".")[0] == "torch":
        return _as_matrix_tensor(values)
    if isinstance(values, str | os.PathLike):
        raise InvalidRepresentationError(
            f"{os.fspath(values)!r} is a name, not values: read the file first, with "
            "repscape.load(path)"
        )
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    array: npt.NDArray[Any] = np.asanyarray(values)
    if isinstance(array, np.ma.MaskedArray):
        if masked := int(np.sum(array.mask)):
            raise InvalidRepresentationError(
                f"{masked} of the values are masked: drop those samples, or fill them in (filled)"
            )
        array = array.data
    if array.dtype == object:
        raise InvalidRepresentationError(
            "the values have dtype object: give a two-dimensional array of numbers, e.g. "
            "np.asarray(values, dtype=np.float32); rows of unequal length must be pooled first"
        )
    if array.dtype.kind in "iub":
        array = array.astype(np.float64)
    if array.dtype.kind != "f":
        raise InvalidRepresentationError(
            f"the values have dtype {array.dtype}: give real floating-point or integer numbers"
        )
    _check_shape(array.shape)
    return array


def _as_matrix_tensor(tensor: torch.Tensor) -> torch.Tensor:
    import torch

    if tensor.dtype.is_complex:
        raise InvalidRepresentationError(f"the values have dtype {tensor.dtype}: give real numbers")
    if not tensor.dtype.is_floating_point:
        tensor = tensor.to(torch.float64)
    _check_shape(tuple(tensor.shape))
    return tensor.detach()


def _check_shape(shape: tuple[int, ...]) -> None:
    if len(shape) == 1:
        raise InvalidRepresentationError(
            f"the values have shape {shape}: a representation is samples × features; "
            f"{shape[0]} samples of one feature have shape ({shape[0]}, 1), and one sample of "
            f"{shape[0]} features has shape (1, {shape[0]})"
        )
    if len(shape) != 2:
        raise InvalidRepresentationError(
            f"the values have shape {shape}: a representation is samples × features; pool the "
            "other axes (by their mean, say), or flatten each sample into one row"
        )
    if 0 in shape:
        raise InvalidRepresentationError(f"the values have shape {shape}: nothing to measure")


def _as_ids(ids: Any, n: int) -> npt.NDArray[Any]:
    if ids is None:
        return np.arange(n, dtype=np.int64)
    array = as_ids(ids)
    if array.shape != (n,):
        raise InvalidRepresentationError(
            f"sample_ids have shape {array.shape}, but there are {n} rows: give one id per row"
        )
    if (rows := first_repeat(array)) is not None:
        raise InvalidRepresentationError(
            f"sample id {array[rows[0]].item()!r} stands at rows {rows[0]} and {rows[1]}: "
            "ids must differ"
        )
    return array


def _as_column(name: str, column: Any, n: int) -> npt.NDArray[Any]:
    array = np.asarray(column.cpu() if hasattr(column, "cpu") else column)
    if array.dtype == object:
        array = np.asarray([str(v) for v in array.tolist()], dtype=np.str_)
    if array.shape != (n,):
        raise InvalidRepresentationError(
            f"{name} have shape {array.shape}, but there are {n} rows: give one value per row"
        )
    return array


def _rows_of(rep: Representation, ids: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    position = {identity: row for row, identity in enumerate(rep.sample_ids.tolist())}
    try:
        return np.asarray([position[i] for i in ids.tolist()], dtype=np.int64)
    except KeyError as missing:
        raise SampleMismatchError(
            f"{rep.name} has no sample {missing.args[0]!r}; its {rep.n} ids begin with "
            f"{rep.sample_ids[:3].tolist()}"
        ) from None


def _first_difference(a: Representation, b: Representation, names: tuple[str, str]) -> str:
    counts = f"{names[0]} has {a.n} samples and {names[1]} has {b.n}"
    mend = "compare the shared samples with align='intersection' (--align intersection)"
    shared = min(a.n, b.n)
    left, right = a.sample_ids[:shared].tolist(), b.sample_ids[:shared].tolist()
    for row, (i, j) in enumerate(zip(left, right, strict=True)):
        if i != j:
            return (
                f"{counts}; row {row} is sample {i!r} in the first and {j!r} in the second: {mend}"
            )
    return f"{counts}; the first {shared} ids agree: give equally many samples, or {mend}"
