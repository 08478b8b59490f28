"""Scores between the layers of a profile, from the neighbour tables that it has already made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch

from repscape.compute.neighbours import NeighbourTable
from repscape.geometry.base import Reading
from repscape.geometry.imbalance import imbalances_onto
from repscape.geometry.overlap import overlap_of_pairs
from repscape.measures.base import Measure
from repscape.measures.information_imbalance import InformationImbalance
from repscape.measures.mutual_knn import MutualKNN
from repscape.representation import Representation
from repscape.tables import SIMILARITY_COLUMNS, tag_column

if TYPE_CHECKING:
    import pandas as pd

Tables = Mapping[tuple[str, str], NeighbourTable]
"""Neighbour tables by the name of the layer and the metric."""


def between_layers(
    named: Mapping[str, Representation],
    measures: Sequence[Measure[Any]],
    tables: Tables,
    values_of: Callable[[Representation], torch.Tensor],
    memory_limit: str | float,
) -> pd.DataFrame:
    """Score all pairs of layers: one row per pair, and per direction where a measure has one.

    Parameters
    ----------
    named
        The layers by name.
    measures
        `mutual_knn` and `information_imbalance`, by features.
    tables
        Their neighbours, at least as many as any measure reads.
    values_of
        The values of a layer, of the same samples as its table.
    memory_limit
        As in `describe`.
    """
    rows: list[dict[str, Any]] = []
    for measure in measures:
        if isinstance(measure, MutualKNN):
            found = _overlaps(list(named), measure, tables)
        else:
            assert isinstance(measure, InformationImbalance)
            found = _imbalances(named, measure, tables, values_of, memory_limit)
        rows += [_row(named, measure, pair, reading) for pair, reading in found.items()]
    return _frame(rows)


def _overlaps(
    names: Sequence[str], measure: MutualKNN, tables: Tables
) -> Mapping[tuple[str, str], Reading]:
    pairs = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    several = [tables[name, measure.metric] for name in names]
    found = overlap_of_pairs(several, pairs, measure.k)
    return {(names[a], names[b]): reading for (a, b), reading in found.items()}


def _imbalances(
    named: Mapping[str, Representation],
    measure: InformationImbalance,
    tables: Tables,
    values_of: Callable[[Representation], torch.Tensor],
    memory_limit: str | float,
) -> Mapping[tuple[str, str], Reading]:
    found: dict[tuple[str, str], Reading] = {}
    for onto in named:
        others = [name for name in named if name != onto]
        readings = imbalances_onto(
            [tables[name, measure.metric] for name in others],
            values_of(named[onto]),
            measure.k,
            measure.metric,
            memory_limit,
        )
        for name, reading in zip(others, readings, strict=True):
            found[(name, onto) if measure.direction == "xy" else (onto, name)] = reading
    order = {name: position for position, name in enumerate(named)}
    return dict(sorted(found.items(), key=lambda item: [order[name] for name in item[0]]))


def _row(
    named: Mapping[str, Representation],
    measure: Measure[Any],
    pair: tuple[str, str],
    reading: Reading,
) -> dict[str, Any]:
    a, b = (named[name] for name in pair)
    row: dict[str, Any] = {
        "data": a.origin.data,
        "split": a.origin.split,
        "sample_digest": a.sample_digest,
        "rep_a": pair[0],
        "rep_b": pair[1],
        "model_a": a.origin.model,
        "model_b": b.origin.model,
        "layer_a": a.origin.layer,
        "layer_b": b.origin.layer,
        "key_a": a.key,
        "key_b": b.key,
        "measure": measure.name,
        "kind": measure.declared.kind,
        "n": reading.samples,
        "duplicates_a": None,
        "duplicates_b": None,
        "value": reading.value,
        "reason": None,
    }
    for side, rep in (("a", a), ("b", b)):
        for tag, value in rep.origin.tags.items():
            row[tag_column(tag, SIMILARITY_COLUMNS, f"_{side}")] = value
    return row


def _frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    extra = sorted({name for row in rows for name in row} - set(SIMILARITY_COLUMNS))
    table = pd.DataFrame.from_records(rows, columns=[*SIMILARITY_COLUMNS, *extra])
    types = {"value": "float64", "n": "int64", "duplicates_a": "Int64", "duplicates_b": "Int64"}
    return table.astype(types)
