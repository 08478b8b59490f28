"""The front door for descriptors: what shape does one representation have?"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.compute.arrays import as_tensor
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
from repscape.errors import (
    SQUARES_OVERFLOW,
    InvalidParameterError,
    RepscapeError,
    UndefinedScoreError,
)
from repscape.geometry.base import Curve, Descriptor, Reading, get_descriptor
from repscape.geometry.duplicates import Duplicates, check_policy
from repscape.geometry.presets import PRESETS, get_preset
from repscape.geometry.sample import Diagnostics, Sample, plan_neighbours, prepare_sample
from repscape.representation import Representation, RepresentationLike, as_representation
from repscape.store.neighbour_tables import load_neighbours, neighbours_recipe, save_neighbours
from repscape.tables import GEOMETRY_COLUMNS, tag_column

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store

Described: TypeAlias = "Curve | RepscapeError"
Names: TypeAlias = "str | Descriptor | Sequence[str | Descriptor]"

DEFAULT_DESCRIPTORS = ("twonn", "gride", "mle", "participation_ratio", "anisotropy")


@dataclass(frozen=True, eq=False)
class Descriptions:
    """What descriptors say of one representation.

    Attributes
    ----------
    table : DataFrame
        Tidy, one row per number: whole curves; the rows with `chosen` stand for each curve.
    curves : mapping of printable name to Curve
        The same as objects; descriptors without a result are not in it.
    diagnostics : Diagnostics
        Duplicates, near-duplicates and ties.
    mask : (n,) bool
        Which samples were kept.
    multiplicities : (kept,) int
        How many samples each kept one stands for.
    """

    table: pd.DataFrame
    curves: Mapping[str, Curve]
    diagnostics: Diagnostics
    mask: npt.NDArray[np.bool_]
    multiplicities: npt.NDArray[np.int64]

    @property
    def values(self) -> pd.DataFrame:
        """One row per descriptor: the reading that stands for its curve, or the reason for none."""
        return self.table[self.table["chosen"] | self.table["reason"].notna()].reset_index(
            drop=True
        )


def describe(
    x: RepresentationLike,
    descriptors: Names = DEFAULT_DESCRIPTORS,
    *,
    labels: Sequence[Any] | npt.NDArray[Any] | None = None,
    duplicates: str = "drop",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
    device: str | None = None,
    store: Store | None = None,
) -> Descriptions:
    """Describe the shape of a representation.

    Parameters
    ----------
    x : (n, d) array, tensor or Representation
        Rows are samples. For descriptors with `metric=precomputed`, (n, n) distances.
    descriptors : str, Descriptor, or sequence of them
        Printable names such as `"gride"` or `"label_overlap[k=30]"`, or the name of a preset
        (`repscape.geometry.presets`).
    labels : (n,) sequence, optional
        The classes of the samples; by default those of the representation.
    duplicates : "drop", "keep" or "error"
        What to do with rows that equal an earlier one.
    memory_limit : str or float
        Bytes (or `"2GiB"`) that the computation may hold beyond its inputs.
    device : str, optional
        Where to compute, e.g. `"cuda"`; by default where the values are.
    store : Store, optional
        Where neighbour tables of stored representations are kept.

    Returns
    -------
    Descriptions
        A descriptor without a value has a null value and a reason; the others are not lost.

    Raises
    ------
    NonFiniteError, InvalidRepresentationError
        If the values cannot be described at all.
    UnknownNameError, InvalidParameterError
        For a descriptor that cannot be read, or duplicates that were to be refused.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(500, 3)) @ np.ones((3, 20))
    >>> float(describe(x, "participation_ratio").values["value"].round(3)[0])
    1.0
    """
    chosen = choose_descriptors(descriptors)
    rep = with_labels(as_representation(x, "x"), labels)
    check_policy(duplicates)
    sample = sample_of(rep, chosen, duplicates, memory_limit, device, store)
    results = describe_sample(sample, chosen)
    sample.warn(rep.name)
    found = sample.duplicates
    assert found is not None
    kept = sample.policy == "drop"
    return Descriptions(
        table=frame(records(rep, sample, results)),
        curves={d.name: c for d, c in results if isinstance(c, Curve)},
        diagnostics=sample.diagnostics,
        mask=found.mask if kept else np.ones(sample.given, dtype=np.bool_),
        multiplicities=found.multiplicities if kept else np.ones(sample.given, dtype=np.int64),
    )


def choose_descriptors(names: Names) -> list[Descriptor]:
    """The descriptors that printable names, aliases or a preset stand for, each once."""
    several = [names] if isinstance(names, (str, Descriptor)) else list(names)
    flat: list[str | Descriptor] = []
    for name in several:
        # A name that is close to a preset's was meant as one, and is refused as such.
        preset = isinstance(name, str) and bool(get_close_matches(name, PRESETS, 1, 0.8))
        flat += get_preset(str(name)).descriptors if preset else [name]
    chosen = [get_descriptor(name) for name in flat]
    if not chosen:
        raise InvalidParameterError("no descriptor was named: give at least one, e.g. 'gride'")
    given = {(d.neighbour_metric == "precomputed") for d in chosen}
    if given == {True, False}:
        raise InvalidParameterError(
            "some descriptors have metric=precomputed and others do not: the values given are "
            "either distances or features, so describe them separately"
        )
    return list({descriptor.name: descriptor for descriptor in chosen}.values())


def definitions(names: Sequence[str]) -> list[dict[str, str]]:
    """What descriptors are, for people: one row each, with formula, pitfalls and source."""
    rows = []
    for name in names:
        spec = get_descriptor(name).declared
        rows.append(
            {
                "descriptor": name,
                "quantity": spec.quantity,
                "formula": spec.formula,
                "pitfalls": spec.pitfalls,
                "source": spec.citation.short,
            }
        )
    return rows


def with_labels(
    rep: Representation, labels: Sequence[Any] | npt.NDArray[Any] | None
) -> Representation:
    """The representation with these labels, or as it is if there are none."""
    if labels is None:
        return rep
    return Representation(
        rep.values, rep.sample_ids, np.asarray(labels), rep.columns, rep.origin, rep.key
    )


def sample_of(
    rep: Representation,
    descriptors: Sequence[Descriptor],
    duplicates: str | Duplicates,
    memory_limit: str | float,
    device: str | None = None,
    store: Store | None = None,
    extra: Mapping[str, int] | None = None,
) -> Sample:
    """Prepare a representation for descriptors, with neighbour tables from the store if they are.

    `extra` says, for metrics, how many neighbours will be read besides.
    """
    values = as_tensor(rep.values)
    if device is not None:
        values = values.to(device)
    precomputed = any(d.neighbour_metric == "precomputed" for d in descriptors)
    policy = check_policy(duplicates) if isinstance(duplicates, str) else duplicates
    sample = prepare_sample(
        values,
        rep.labels,
        duplicates=policy,
        memory_limit=memory_limit,
        precomputed=precomputed,
        name=rep.name,
    )
    planned = plan_neighbours(list(descriptors), sample.n, sample.labels)
    for metric, k in (extra or {}).items():
        planned[metric] = max(planned.get(metric, 0), min(k, sample.n - 1))
    sample.planned = planned
    if store is not None and rep.key is not None:
        _use_store(sample, rep.key, store)
    return sample


def describe_sample(
    sample: Sample, descriptors: Sequence[Descriptor]
) -> list[tuple[Descriptor, Described]]:
    """Every descriptor with its curve, or with the error that says why there is none."""
    results: list[tuple[Descriptor, Described]] = []
    for descriptor in descriptors:
        try:
            results.append((descriptor, _finite(descriptor.describe(sample))))
        except RepscapeError as problem:
            results.append((descriptor, problem))
    return results


def _finite(curve: Curve) -> Curve:
    """The curve, unless it holds a value that is no number."""
    for reading in curve.readings:
        if not math.isfinite(reading.value):
            raise UndefinedScoreError(f"the value came out as {reading.value}: {SQUARES_OVERFLOW}")
    return curve


def records(
    rep: Representation,
    sample: Sample,
    results: Sequence[tuple[Descriptor, Described]],
    columns: Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """The rows of a geometry table for one representation; `columns` are set in every row."""
    known = sample.diagnostics
    shared = {
        "data": rep.origin.data,
        "split": rep.origin.split,
        "sample_digest": rep.sample_digest,
        "rep": rep.name,
        "model": rep.origin.model,
        "layer": rep.origin.layer,
        "depth": None,
        "key": rep.key,
        "control": None,
        "n": sample.n,
        "duplicates": known.policy,
        "dropped": known.given - known.kept,
        "near_duplicates": known.near_duplicates,
        "tie_fraction": known.tie_fraction,
        **{tag_column(tag, GEOMETRY_COLUMNS): value for tag, value in rep.origin.tags.items()},
        **(columns or {}),
    }
    rows = []
    for descriptor, result in results:
        own = {
            "descriptor": descriptor.name,
            "quantity": descriptor.declared.quantity,
            "scale_kind": descriptor.declared.scale or None,
        }
        rows += [{**shared, **own, **row} for row in _result_rows(result)]
    return rows


def frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """A geometry table of these rows: the documented columns, then those of the tags."""
    import pandas as pd

    extra = sorted({name for row in rows for name in row} - set(GEOMETRY_COLUMNS))
    table = pd.DataFrame.from_records(rows, columns=[*GEOMETRY_COLUMNS, *extra])
    return table.astype(dict.fromkeys(_FLOATS, "float64") | dict.fromkeys(_WHOLE, "Int64"))


_FLOATS = (
    "depth",
    "scale",
    "distance",
    "value",
    "standard_error",
    "independent_error",
    "spread",
    "chance",
    "tie_fraction",
)
_WHOLE = ("n", "samples", "dropped", "near_duplicates")


def _result_rows(result: Described) -> list[dict[str, Any]]:
    if isinstance(result, RepscapeError):
        return [{"chosen": False, "reason": str(result)}]
    return [
        {
            **_reading_columns(reading),
            "chosen": position == result.chosen,
            "choice": result.choice or None if position == result.chosen else None,
            "notes": "; ".join(result.notes) or None,
        }
        for position, reading in enumerate(result.readings)
    ]


def _reading_columns(reading: Reading) -> dict[str, Any]:
    return dict(vars(reading))


def _use_store(sample: Sample, key: str, store: Store) -> None:
    """Put the planned tables into the sample from the store, or into the store once computed."""
    rows = None
    if sample.duplicates is not None and sample.policy == "drop" and sample.given != sample.n:
        rows = hashlib.sha256(np.packbits(sample.duplicates.mask).tobytes()).hexdigest()[:16]
    for metric, k in sample.planned.items():
        recipe = neighbours_recipe(key, metric, k, rows)
        table = load_neighbours(store, recipe)
        if table is None and metric in ("euclidean", "cosine"):
            table = sample.neighbours("cosine" if metric == "cosine" else "euclidean", k)
            save_neighbours(store, recipe, table)
        if table is not None:
            sample.tables[metric] = table
