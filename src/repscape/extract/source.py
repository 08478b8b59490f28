"""`Source`: where the representations of one extraction come from, and their keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from repscape.extract.trace import TRACE_KIND, TRACE_VERSION, dtype_name
from repscape.representation import Origin
from repscape.tasks import Recipe

REPRESENTATION_KIND = "representation"
EXTRACTION_VERSION = 4
"""The axis of the features is followed through products of activations: 3 lost it there, and took
it from its length, 2 always did."""


@dataclass(frozen=True)
class Source:
    """The provenance that all layers of one extraction share.

    The names of model and data and the tags stand in the origin only; the key holds what
    determines the numbers: content revisions, split, preprocessing, dtype, layer, pooling, and
    `kept`, the type in which rows are stored if it is not that in which they are made.
    """

    model: str | None
    model_revision: str | None
    pooling: str
    data: str | None = None
    data_revision: str | None = None
    split: str | None = None
    preprocessing: str | None = None
    dtype: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    kept: str | None = None

    def origin(self, layer: str) -> Origin:
        """The origin of one layer's representation."""
        known = {name: value for name, value in vars(self).items() if name != "kept"}
        return replace(Origin(**known), layer=layer)

    def recipe(self, layer: str) -> Recipe:
        """The recipe of one layer's representation."""
        parameters = {**self._content, "layer": layer, "pooling": self.pooling}
        if self.kept is not None:
            parameters["kept"] = self.kept
        return Recipe(REPRESENTATION_KIND, EXTRACTION_VERSION, parameters)

    @property
    def trace_recipe(self) -> Recipe:
        """The recipe of the model's trace on these data."""
        return Recipe(TRACE_KIND, TRACE_VERSION, self._content)

    @property
    def _content(self) -> dict[str, Any]:
        return {
            "model_revision": self.model_revision,
            "data_revision": self.data_revision,
            "split": self.split,
            "preprocessing": self.preprocessing,
            "dtype": self.dtype,
        }


def weights_dtype(module: torch.nn.Module) -> str | None:
    """The floating dtypes of the parameters, e.g. `float32`, or None without parameters."""
    dtypes = {dtype_name(p) for p in module.parameters()}
    return "+".join(sorted(dtypes)) or None
