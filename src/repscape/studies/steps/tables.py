"""The tables of a study, merged from what its tasks have made, with the study's own names."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from repscape.geometry.marks import marks_of
from repscape.measures.base import get_measure
from repscape.studies.steps.layers import layer_table
from repscape.tables import GEOMETRY_COLUMNS, SIMILARITY_COLUMNS
from repscape.tasks import Task

if TYPE_CHECKING:
    from repscape.store import Store

KIND = "table"
VERSION = 2


def run_models(store: Store, task: Task) -> None:
    """One row per model: name, where it comes from, tags, and what evaluations found."""
    rows = []
    models = task.recipe.parameters["models"]
    found = [_evaluated(store, model["evaluations"]) for model in models]
    kinds = {name: type(value) for one in found for name, value in one.items()}
    for model, evaluated in zip(models, found, strict=True):
        # A tag may have the name of a column of numbers, which a model that could not be evaluated
        # has not: there it is no text either.
        tags = {
            name: value if isinstance(value, kinds.get(name, object)) else None
            for name, value in model["tags"].items()
        }
        row = {"model": model["name"], "source": model["source"], **tags}
        rows.append({**row, "revision": model["revision"], **evaluated})
    store.write_table(task.recipe, pd.DataFrame(rows))


def _evaluated(store: Store, keys: Sequence[str]) -> dict[Hashable, Any]:
    """What the evaluations of one model found."""
    row: dict[Hashable, Any] = {}
    for key in keys:
        row |= store.read_table(key).iloc[0].to_dict()
    return row


def run_representations(store: Store, task: Task) -> None:
    """One row per representation: model, data, layer, pooling, n, d, key."""
    pieces = []
    for one in task.recipe.parameters["extractions"]:
        table = store.read_table(one["extraction"])
        pieces.append(
            pd.DataFrame({"data": one["data"], "model": one["model"], **dict(table.items())})
        )
    store.write_table(task.recipe, pd.concat(pieces, ignore_index=True))


def run_scores_table(store: Store, task: Task) -> None:
    """The tidy table of all scores, in the order of the study."""
    known = task.recipe.parameters
    names = _Names(known["models"])
    pieces = []
    for group in known["groups"]:
        symmetric = get_measure(group["measure"]).declared.symmetric
        parts = [store.read_table(key) for key in group["parts"]]
        order, split = _layers(store, group["extractions"], group["pooling"])
        group = {**group, "split": split or group["split"]}
        pieces.append(_scores(parts, group, order, names, symmetric))
    store.write_table(task.recipe, _joined(_with_reasons(pieces), SIMILARITY_COLUMNS))


def _with_reasons(pieces: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """Beside measures with a null those that the study asks none of say so."""
    if not any("null_reason" in piece for piece in pieces):
        return list(pieces)
    reason = "no null was asked for: significance.measures of the study does not name it"
    return [
        piece if "null_reason" in piece else piece.assign(null_reason=reason) for piece in pieces
    ]


def run_geometry_table(store: Store, task: Task) -> None:
    """The tidy table of all descriptors."""
    store.write_table(task.recipe, _geometry(store, task.recipe.parameters))


def run_marks_table(store: Store, task: Task) -> None:
    """Peaks, minima and second bumps of every profile."""
    geometry = store.read_table(task.recipe.inputs["geometry"])
    pieces = []
    context = [name for name in ("data", "split", "pooling") if name in geometry]
    for values, part in geometry.groupby(context, sort=False, dropna=False):
        marks = marks_of(part)
        for position, (name, value) in enumerate(zip(context, values, strict=True)):
            marks.insert(position, name, str(value))
        pieces.append(marks)
    store.write_table(task.recipe, pd.concat(pieces, ignore_index=True))


def run_overlaps_table(store: Store, task: Task) -> None:
    """The tidy table of the measures between layers of a profile."""
    known = task.recipe.parameters
    names = _Names(known["models"])
    pieces = [
        _with_context(names.put_in(store.read_table(key), ("_a", "_b")), group)
        for group in known["groups"]
        for key in group["parts"]
    ]
    store.write_table(task.recipe, _joined(pieces, SIMILARITY_COLUMNS))


def _geometry(store: Store, known: Mapping[str, Any]) -> pd.DataFrame:
    names = _Names(known["models"])
    pieces = [
        _with_context(names.put_in(store.read_table(key), ("",)), group)
        for group in known["groups"]
        for key in group["parts"]
    ]
    return _joined(pieces, GEOMETRY_COLUMNS)


class _Names:
    """What the study calls the models, by the keys of their extractions."""

    def __init__(self, models: Mapping[str, Mapping[str, Any]]) -> None:
        self._names = {key: model["name"] for key, model in models.items()}
        self._tags = {key: model["tags"] for key, model in models.items()}
        self._tag_names = list(dict.fromkeys(tag for tags in self._tags.values() for tag in tags))

    def put_in(self, table: pd.DataFrame, sides: Sequence[str]) -> pd.DataFrame:
        """The table with names and tags in place of keys."""
        columns = {name: table[name] for name in table.columns}
        for side in sides:
            keys = table[f"model{side}"].astype(str)
            models = keys.map(self._names)
            columns[f"model{side}"] = models
            columns[f"rep{side}"] = models + ":" + table[f"layer{side}"].astype(str)
        for side in sides:
            keys = table[f"model{side}"].astype(str)
            for tag in self._tag_names:
                values = {key: tags.get(tag) for key, tags in self._tags.items()}
                columns[f"{tag}{side}"] = keys.map(values)
        if table["reason"].notna().any():
            columns["reason"] = table["reason"].map(self._readable, na_action="ignore")
        return pd.DataFrame(columns)

    def _readable(self, reason: str) -> str:
        for key, name in self._names.items():
            reason = reason.replace(f"{key}/", f"{name}:").replace(f"{key}:", f"{name}:")
        return reason


def _layers(
    store: Store, extractions: Sequence[str], pooling: str
) -> tuple[dict[tuple[str, str], int], str | None]:
    """The position of every layer in the study, and the split that was extracted."""
    order: dict[tuple[str, str], int] = {}
    splits: dict[str, None] = {}
    for key in extractions:
        table = layer_table(store, key, pooling)
        for layer in table["layer"]:
            order[key, layer] = len(order)
        splits |= dict.fromkeys(table["split"].dropna())
    return order, next(iter(splits), None)


def _scores(
    parts: Sequence[pd.DataFrame],
    group: Mapping[str, Any],
    order: Mapping[tuple[str, str], int],
    names: _Names,
    symmetric: bool,
) -> pd.DataFrame:
    """The rows of one data set, pooling and measure; each pair from the first part that has it."""
    table = pd.concat(parts, ignore_index=True)
    a, b = (_positions(table, side, order) for side in ("a", "b"))
    if symmetric:
        turned = (a > b) & (b >= 0) & (a >= 0)
        table = _turn(table, turned)
        a, b = np.where(turned, b, a), np.where(turned, a, b)
    code = a * (len(order) + 1) + b
    wanted = (a >= 0) & (b >= 0)
    _, first = np.unique(code[wanted], return_index=True)  # sorted by a, then b
    chosen = np.flatnonzero(wanted)[first]
    rows = table.iloc[chosen].reset_index(drop=True)
    return _with_context(names.put_in(rows, ("_a", "_b")), group)


def _positions(
    table: pd.DataFrame, side: str, order: Mapping[tuple[str, str], int]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The position of each row's representation in the study; -1 for one that is not in it."""
    index = pd.MultiIndex.from_tuples(list(order))
    asked = pd.MultiIndex.from_arrays([table[f"model_{side}"], table[f"layer_{side}"]])
    return np.asarray(index.get_indexer(asked), dtype=np.int64)


def _turn(table: pd.DataFrame, turned: np.ndarray[Any, Any]) -> pd.DataFrame:
    """Swap the sides of some rows."""
    if not turned.any():
        return table
    columns = {name: table[name] for name in table.columns}
    for name in [name for name in table.columns if name.endswith("_a")]:
        other = f"{name[:-2]}_b"
        columns[name] = table[name].where(~turned, table[other])
        columns[other] = table[other].where(~turned, table[name])
    return pd.DataFrame(columns)


def _with_context(table: pd.DataFrame, group: Mapping[str, Any]) -> pd.DataFrame:
    context = {name: group[name] for name in ("data", "split") if name in group}
    if group["several_poolings"]:
        context["pooling"] = group["pooling"]
    return table.assign(**context)


def _joined(pieces: Sequence[pd.DataFrame], documented: Mapping[str, str]) -> pd.DataFrame:
    """One table with the documented columns first, then others as they come."""
    whole = pd.concat(pieces, ignore_index=True)
    first = [name for name in documented if name in whole.columns]
    return whole[[*first, *(name for name in whole.columns if name not in first)]]
