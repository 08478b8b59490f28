"""The layers of one model against the layers of another, as a matrix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from repscape.analysis.matrices import NOT_IN_TABLE, beside_scores, cell_reasons
from repscape.analysis.tidy import both_directions, layer_positions, only_slice
from repscape.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class LayerMatrix:
    """The scores between the layers of two models.

    Attributes
    ----------
    model_a, model_b
        The models of rows and columns.
    values
        Scores, float64; rows are the layers of ``model_a``, columns those of ``model_b``, in
        order of depth; NaN where missing.
    reasons
        Why an entry is missing, and None where it is not.
    samples
        The number of samples n behind each entry, Int64.
    beside
        What the table says of the scores, by column (`repscape.analysis.matrices.BESIDE`).
    """

    model_a: str
    model_b: str
    values: pd.DataFrame
    reasons: pd.DataFrame
    samples: pd.DataFrame
    beside: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def layer_matrix(
    table: pd.DataFrame, model_a: str, model_b: str, symmetric: bool = True
) -> LayerMatrix:
    """Return the scores between the layers of two models (or of one model with itself).

    Parameters
    ----------
    table
        The rows of one measure.
    model_a, model_b
        The models of rows and columns.
    symmetric
        Whether a pair of layers given in one direction stands for both.

    Raises
    ------
    UnknownNameError
        The table has no such model.
    InvalidParameterError
        The rows mix measures, data sets or splits, or two representations are the same layer.
    """
    rows = only_slice(table).table
    positions = layer_positions(rows)
    layers = positions.groupby("model", sort=False)["layer"].agg(list)
    for model in (model_a, model_b):
        if model not in layers.index:
            raise UnknownNameError(
                f"the table has no layers of model {model!r}; " + did_you_mean(model, layers.index)
            )
    both = both_directions(rows, symmetric=symmetric)
    both = both[(both["model_a"] == model_a) & (both["model_b"] == model_b)]
    index, columns = layers[model_a], layers[model_b]
    place = (
        pd.Index(index).get_indexer(pd.Index(both["layer_a"])),
        pd.Index(columns).get_indexer(pd.Index(both["layer_b"])),
    )
    shape = (len(index), len(columns))
    values, samples = np.full(shape, np.nan), np.full(shape, np.nan)
    values[place] = both["value"]
    samples[place] = pd.to_numeric(both["n"])
    reasons = np.full(shape, NOT_IN_TABLE, dtype=object)
    reasons[place] = cell_reasons(both)
    return LayerMatrix(
        model_a,
        model_b,
        pd.DataFrame(values, index, columns),
        pd.DataFrame(reasons, index, columns, dtype=object),
        pd.DataFrame(samples, index, columns).astype("Int64"),
        beside_scores(both, place, index, columns),
    )
