"""The documented columns of result tables. One row per number; missing is null, with a reason."""

from __future__ import annotations

from typing import Final

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
    "measure": "printable name: transforms, measure, parameters, version",
    "kind": "similarity (larger is more alike) or distance (smaller is more alike)",
    "n": "number of samples compared",
    "value": "the score; null where it is undefined",
    "reason": "why the value is null",
}
"""Columns of a similarity table; a tag T of the origins adds the columns T_a and T_b."""

SIMILARITY_KEY: Final = ("rep_a", "rep_b", "measure")
"""The columns that name one row of a similarity table of one data set."""
