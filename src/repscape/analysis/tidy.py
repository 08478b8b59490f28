"""Read a tidy table of scores: check it, split it by measure, find its models, layers and tags.

A tidy table holds one score per row. The columns ``rep_a``, ``rep_b``, ``measure``, ``kind`` and
``value`` must be there; ``data``, ``split``, ``sample_digest``, ``model_a``, ``model_b``,
``layer_a``, ``layer_b``, ``n`` and ``reason`` may be; every further pair of columns ``T_a``,
``T_b`` is a tag ``T`` (objective, architecture, seed, …) of the two representations.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean
from repscape.tables import SIMILARITY_COLUMNS

KINDS = ("similarity", "distance")
SIDES = ("rep", "model", "layer")
DEPTH_TAG = "depth"

_REQUIRED = ("rep_a", "rep_b", "measure", "kind", "value")
_OPTIONAL = ("data", "split", "sample_digest", "model_a", "model_b", "layer_a", "layer_b")
_CONTEXT = ("data", "split", "measure")


@dataclass(frozen=True)
class Slice:
    """The rows of a table that share one data set, one split and one measure.

    Attributes
    ----------
    data, split
        Data set and split; None where the table does not say.
    measure
        The measure's printable name.
    kind
        ``"similarity"`` (higher = more alike) or ``"distance"`` (lower = more alike).
    table
        The rows, in the table's order, with an index that starts at 0.
    """

    data: str | None
    split: str | None
    measure: str
    kind: str
    table: pd.DataFrame

    @property
    def context(self) -> dict[str, str | None]:
        """The columns that name this slice in a result table."""
        return {
            "data": self.data,
            "split": self.split,
            "measure": self.measure,
            "kind": self.kind,
        }


def as_tidy(table: pd.DataFrame) -> pd.DataFrame:
    """Check a table of scores and add the optional columns that it lacks, as nulls.

    Raises
    ------
    UnknownNameError
        A required column is missing.
    InvalidParameterError
        ``kind`` holds something else than ``similarity`` and ``distance``, ``value`` is not
        numeric, or the table has no rows.
    """
    for name in _REQUIRED:
        if name not in table.columns:
            raise UnknownNameError(
                f"the table has no column {name!r}, which every table of scores needs; "
                + did_you_mean(name, map(str, table.columns))
            )
    if table.empty:
        raise InvalidParameterError("the table of scores has no rows")
    tidy = table.reset_index(drop=True)
    for name in (*_OPTIONAL, "n", "reason"):
        if name not in tidy.columns:
            tidy[name] = None
    wrong = sorted({str(kind) for kind in tidy["kind"]} - set(KINDS))
    if wrong:
        raise InvalidParameterError(
            f"column 'kind' holds {wrong[0]!r}; it may hold 'similarity' or 'distance'"
        )
    try:
        tidy["value"] = pd.to_numeric(tidy["value"]).astype("float64")
    except (ValueError, TypeError) as error:
        raise InvalidParameterError(f"column 'value' is not numeric: {error}") from error
    return tidy


def slices(table: pd.DataFrame) -> Iterator[Slice]:
    """Yield the table's slices, one per (data set, split, measure), in order of appearance."""
    tidy = as_tidy(table)
    for key, rows in tidy.groupby(list(_CONTEXT), sort=False, dropna=False):
        data, split, measure = key
        kinds = sorted(set(rows["kind"]))
        if len(kinds) > 1:
            raise InvalidParameterError(
                f"the rows of {measure!r} are called both a similarity and a distance"
            )
        yield Slice(
            text_or_none(data),
            text_or_none(split),
            str(measure),
            kinds[0],
            rows.reset_index(drop=True),
        )


def only_slice(table: pd.DataFrame, measure: str | None = None) -> Slice:
    """Return the table's one slice, or that of the measure named.

    Raises
    ------
    UnknownNameError
        No row has this measure.
    InvalidParameterError
        The rows mix several measures, data sets or splits, whose numbers must not be mixed.
    """
    tidy = as_tidy(table)
    if measure is not None:
        chosen = tidy[tidy["measure"] == measure]
        if chosen.empty:
            raise UnknownNameError(
                f"the table has no measure {measure!r}; " + did_you_mean(measure, tidy["measure"])
            )
        tidy = chosen
    for column in ("measure", "data", "split"):
        found = [repr(text_or_none(value)) for value in tidy[column].unique()]
        if len(found) > 1:
            raise InvalidParameterError(
                f"the table mixes {len(found)} values of {column!r} ({', '.join(found)}), and "
                "their numbers do not belong in one matrix: choose the rows of one of them first"
            )
    return next(slices(tidy))


def only_measure_of(table: pd.DataFrame) -> tuple[str, str]:
    """Return the measure and the kind of a derived table (coordinates, effects, …) of one slice.

    Raises
    ------
    InvalidParameterError
        The table has no rows, or mixes measures, data sets or splits.
    """
    distinct = table[["data", "split", "measure", "kind"]].drop_duplicates()
    if len(distinct) != 1:
        names = ", ".join(repr(name) for name in dict.fromkeys(table["measure"])) or "none"
        raise InvalidParameterError(
            f"the table must hold one measure on one data set and split, and holds {len(distinct)} "
            f"such sets of rows (measures: {names})"
        )
    return str(distinct["measure"].iloc[0]), str(distinct["kind"].iloc[0])


def text_or_none(value: Any) -> str | None:
    """Return a cell as text, and None for every kind of missing cell."""
    return None if pd.isna(value) else str(value)


def in_order_of_appearance(table: pd.DataFrame, column: str) -> list[str]:
    """Return the distinct non-null values of ``column_a`` and ``column_b``, row by row."""
    cells = table[[f"{column}_a", f"{column}_b"]].to_numpy(dtype=object).ravel()
    return [str(cell) for cell in dict.fromkeys(cells) if not pd.isna(cell)]


def tag_names(table: pd.DataFrame) -> list[str]:
    """Return the names T for which the table has both ``T_a`` and ``T_b``, in column order."""
    columns = set(table.columns)
    stems = [str(c)[:-2] for c in table.columns if str(c).endswith("_a")]
    tags = [s for s in stems if f"{s}_a" not in SIMILARITY_COLUMNS]
    return [s for s in tags if f"{s}_b" in columns]


def model_tags(table: pd.DataFrame) -> pd.DataFrame:
    """Return the models of a table with the tags that describe a model as a whole.

    Returns
    -------
    DataFrame
        One row per model (the index, in order of appearance), one column per tag that has one
        value within each model. The tag ``depth`` belongs to layers and is left out.
    """
    models = in_order_of_appearance(table, "model")
    names = [name for name in tag_names(table) if name != DEPTH_TAG]
    sides = [
        table[[f"{c}_{side}" for c in ("model", *names)]].set_axis(["model", *names], axis=1)
        for side in "ab"
    ]
    seen = pd.concat(sides).dropna(subset=["model"]).drop_duplicates()
    kept = [name for name in names if (seen.groupby("model")[name].nunique() <= 1).all()]
    return seen.groupby("model")[kept].first().reindex(models)


def layer_positions(table: pd.DataFrame) -> pd.DataFrame:
    """Return every layer of every model with its place in the model.

    The order of a model's layers is that of the tag ``depth`` where the table has it, and
    otherwise the order in which the layers first appear in the table.

    Returns
    -------
    DataFrame
        Columns ``model``, ``layer``, ``position`` (0 … layers − 1), ``layers`` (their number).

    Raises
    ------
    InvalidParameterError
        Two representations are the same layer of the same model (e.g. two ways of pooling).
    """
    columns = ["model", "layer", "rep"]
    if f"{DEPTH_TAG}_a" in table.columns:
        columns.append(DEPTH_TAG)
    stacked = np.stack(
        [table[[f"{c}_{side}" for c in columns]].to_numpy(dtype=object) for side in "ab"], axis=1
    )
    found = pd.DataFrame(stacked.reshape(-1, len(columns)), columns=columns)
    found = found.dropna(subset=["model", "layer"]).drop_duplicates(["model", "layer", "rep"])
    _refuse_ambiguous_layers(found)
    if DEPTH_TAG in columns:
        found = found.sort_values(DEPTH_TAG, key=_depths, kind="stable")
    found["position"] = found.groupby("model", sort=False).cumcount()
    found["layers"] = found.groupby("model", sort=False)["layer"].transform("size").astype(int)
    return found[["model", "layer", "position", "layers"]].reset_index(drop=True)


def _depths(tags: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(tags)
    except (ValueError, TypeError) as problem:
        raise InvalidParameterError(
            f"the tag {DEPTH_TAG!r} says where a layer stands in its model, so it is a number "
            f"({problem}): call another thing by another name"
        ) from None


def _refuse_ambiguous_layers(found: pd.DataFrame) -> None:
    repeated = found[found.duplicated(["model", "layer"], keep=False)]
    if not repeated.empty:
        first = repeated.iloc[0]
        same = repeated[
            (repeated["model"] == first["model"]) & (repeated["layer"] == first["layer"])
        ]
        names = " and ".join(repr(name) for name in same["rep"])
        raise InvalidParameterError(
            f"{names} are both layer {first['layer']!r} of model {first['model']!r}: "
            "keep the rows of one of them (one pooling, one preprocessing) first"
        )


def both_directions(
    table: pd.DataFrame, by: Sequence[str] = ("rep",), *, symmetric: bool = True
) -> pd.DataFrame:
    """Return the rows and, for each pair that is there in one direction only, its mirror image.

    A symmetric measure needs each pair once; what looks from one side at all others wants both.
    Rows that are there in both directions (an asymmetric measure) are left as they are.

    Parameters
    ----------
    table
        The rows of one slice.
    by
        What names the two sides of a pair: ``("rep",)``, ``("model",)`` or
        ``("model", "layer")``.
    symmetric
        False adds nothing: of an asymmetric measure the other direction is not known.
    """
    if not symmetric:
        return table
    stems = [*SIDES, *tag_names(table)]
    swap = {f"{s}_a": f"{s}_b" for s in stems} | {f"{s}_b": f"{s}_a" for s in stems}
    mirrored = table.rename(columns=swap)[list(table.columns)]
    key = [f"{name}_{side}" for name in by for side in "ab"]
    known = pd.MultiIndex.from_frame(table[key])
    absent = ~pd.MultiIndex.from_frame(mirrored[key]).isin(known)
    return pd.concat([table, mirrored[absent]], ignore_index=True)
