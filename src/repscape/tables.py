"""The documented columns of result tables. One row per number; missing is null, with a reason."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path
from typing import TYPE_CHECKING, Final

from repscape.errors import UnknownNameError, UnreadableFileError, did_you_mean

if TYPE_CHECKING:
    import pandas as pd

SIMILARITY_COLUMNS: Final = {
    "data": "data set that the representations were computed on",
    "split": "its split",
    "sample_digest": "digest of the sample ids in their order",
    "rep_a": "name of the first representation",
    "rep_b": "name of the second",
    "model_a": "its model",
    "model_b": "its model",
    "layer_a": "its layer",
    "layer_b": "its layer",
    "key_a": "content-addressed key of the first representation, if it is stored",
    "key_b": "of the second",
    "measure": "printable name: transforms, measure, parameters, version",
    "kind": "similarity (larger is more alike) or distance (smaller is more alike)",
    "n": "number of samples compared",
    "duplicates_a": "of these, how many equal an earlier one in the first representation; kept",
    "duplicates_b": "and in the second; null where they were dropped before",
    "value": "the score; null where it is undefined",
    "reason": "why the value is null",
}
"""Columns of a similarity table; a tag T of the origins adds the columns T_a and T_b.

Where these names are taken, they are called tag_T_a and tag_T_b.
"""

NULL_COLUMNS: Final = {
    "null_mean": "mean under random pairing of the samples: the closed form where known",
    "null_sd": "standard deviation over permutations",
    "expected": "the closed form of the null mean, where known",
    "p_value": "(1 + exceedances) / (1 + permutations), one-sided: as much alike, or more",
    "effect": "(value - null mean) / (best value - null mean)",
    "p_max": "p-value under the null of the best layer pair of the two models: for all of them",
    "max_null_mean": "mean of that null",
    "max_effect": "(value - max_null_mean) / (best value - max_null_mean)",
    "n_permutations": "number of permutations",
    "null_reason": "why the null or the effect is null",
}
"""Further columns of a similarity table that was asked for a null."""

INTERVAL_COLUMNS: Final = {
    "interval_low": "lower end of the interval over samples",
    "interval_high": "its upper end",
    "standard_error": "of the score over samples",
    "interval_method": "jackknife or subsampling",
    "confidence": "nominal coverage of the interval",
    "interval_reason": "why there is none, or that it reaches beyond the range of the measure",
}
"""Further columns of a similarity table that was asked for intervals."""

SIMILARITY_KEY: Final = ("rep_a", "rep_b", "measure")
"""The columns that name one row of a similarity table of one data set."""


GEOMETRY_COLUMNS: Final = {
    "data": "data set that the representation was computed on",
    "split": "its split",
    "sample_digest": "digest of the sample ids in their order, before duplicates were dropped",
    "rep": "name of the representation",
    "model": "its model",
    "layer": "its layer",
    "depth": "position of the layer in a profile, from 0 (first) to 1 (last); null outside one",
    "key": "content-addressed key of the representation, if it is stored",
    "control": "what was done to the values: null, or shuffled, gaussian, untrained",
    "descriptor": "printable name: descriptor, parameters, version",
    "quantity": "what the value is: dimension, label overlap, log density, …",
    "scale_kind": "what the scale counts: neighbour rank, samples, component, quantile; or null",
    "scale": "where on the curve; null where there is no scale",
    "distance": "mean distance between neighbours at this scale, in the units of the features",
    "value": "the number; null where it is undefined",
    "standard_error": "of the value, allowing for shared neighbours; null where not known",
    "independent_error": "as if samples shared no neighbours (Fisher information)",
    "spread": "standard deviation over subsets or samples",
    "chance": "what a representation that ignores the labels would give",
    "chosen": "whether this row stands for the whole curve",
    "choice": "why it was chosen; null where there was nothing to choose",
    "n": "number of samples described, after duplicates were dropped",
    "samples": "number of samples that the value rests on",
    "duplicates": "what was done with equal rows: drop, keep or error",
    "dropped": "number of samples left out as duplicates",
    "near_duplicates": "number of samples that almost equal another",
    "tie_fraction": "share of samples with neighbours at equal distances",
    "notes": "what to know about the result; null if nothing",
    "reason": "why the value is null",
}
"""Columns of a geometry table: one row per number; a tag T of the origin adds a column T.

Where this name is taken, it is called tag_T.
"""


def tag_column(tag: str, documented: Container[str], side: str = "") -> str:
    """The column of a tag: its name, or ``tag_…`` where a documented column has that name.

    >>> tag_column("seed", SIMILARITY_COLUMNS, "_a"), tag_column("model", SIMILARITY_COLUMNS, "_a")
    ('seed_a', 'tag_model_a')
    """
    plain = f"{tag}{side}"
    return f"tag_{plain}" if plain in documented else plain


def read_scores(path: str | Path) -> pd.DataFrame:
    """Read a table of scores from a `.parquet` or `.csv` file.

    Raises
    ------
    UnreadableFileError
        If the file is missing, of another kind, not what its suffix says, or has no rows.
    UnknownNameError
        If it lacks a column that every table of scores has.
    """
    file = Path(path)
    table = _read_table(file)
    for name in ("rep_a", "rep_b", "measure", "value"):
        if name not in table.columns:
            raise UnknownNameError(
                f"{file}: the table has no column {name!r}, so it is no table of scores; "
                + did_you_mean(name, map(str, table.columns))
            )
    if table.empty:
        raise UnreadableFileError(f"{file}: the table of scores has no rows")
    return table


_NUMBERS = ("n", "duplicates_a", "duplicates_b", "value")


def _read_table(file: Path) -> pd.DataFrame:
    import pandas as pd

    suffix = file.suffix.lower()
    if suffix not in (".parquet", ".csv"):
        raise UnreadableFileError(f"{file}: a table of scores is a .parquet or a .csv file")
    if not file.is_file():
        raise UnreadableFileError(f"{file}: there is no such file")
    # Otherwise a column of text that is empty, or of digits, would come back as numbers.
    texts = {name: "str" for name in SIMILARITY_COLUMNS if name not in _NUMBERS}
    try:
        if suffix == ".parquet":
            return pd.read_parquet(file, engine="pyarrow")
        return pd.read_csv(file, dtype=texts)
    except (ValueError, OSError) as problem:  # what pandas and pyarrow raise derives from these
        raise UnreadableFileError(f"{file}: not a {suffix} table ({problem})") from None
