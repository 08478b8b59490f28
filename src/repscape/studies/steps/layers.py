"""The representations that extractions have made, by the keys of their tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from repscape.errors import InvalidRepresentationError
from repscape.representation import Origin, Representation

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store


def layer_table(store: Store, extraction: str, pooling: str) -> pd.DataFrame:
    """The rows of an extraction with one pooling, in the order of depth."""
    table = store.read_table(extraction)
    return table[table["pooling"] == pooling].reset_index(drop=True)


def load_layers(
    store: Store, extractions: Iterable[str], pooling: str
) -> dict[str, Representation]:
    """The layers of several extractions, called `extraction/layer`.

    Their origins name the extraction as the model, since what a study calls a model is no part
    of what is computed; tables put the names in.
    """
    layers: dict[str, Representation] = {}
    for extraction in extractions:
        table = layer_table(store, extraction, pooling)
        for layer, key in zip(table["layer"], table["rep_key"], strict=True):
            rep = store.load_representation(key)
            origin = Origin(model=extraction, layer=layer)
            layers[f"{extraction}/{layer}"] = replace(rep, origin=origin)
    if not layers:
        raise InvalidRepresentationError(f"the extractions have no layer with pooling {pooling!r}")
    return layers
