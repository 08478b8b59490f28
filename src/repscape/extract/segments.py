"""`encode_segment`: the rows of one text, kept in a store by (model, tokenizer, text)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from repscape.extract.encode import encode
from repscape.extract.models.hf_texts import TextModel
from repscape.extract.rows import Rows
from repscape.store import Store
from repscape.tasks import Recipe

SEGMENT_KIND = "segment"
SEGMENT_VERSION = 2
_VALUES, _COUNTS, _TOKENS = "values", "counts", "token_id"


def encode_segment(
    model: TextModel,
    text: str,
    layers: Sequence[str],
    pooling: Sequence[str],
    store: Store,
) -> dict[tuple[str, str], Rows]:
    """Return what `encode` gives for one text alone; the model runs only if it is not kept.

    It is kept under the revision of the model, its dtype, tokenizer and options, the text, the
    layers and the poolings. Of two processes that make it at once the first to commit wins.
    """
    parameters = {
        "segment": model.segment_key(text),
        "layers": list(layers),
        "pooling": list(pooling),
    }
    recipe = Recipe(SEGMENT_KIND, SEGMENT_VERSION, parameters)
    if not store.has(recipe.key):
        found = encode(model, [text], list(layers), list(pooling))
        arrays: dict[str, Any] = {}
        for place, rows in enumerate(found.values()):
            arrays[f"{place}/{_VALUES}"] = rows.values
            arrays[f"{place}/{_COUNTS}"] = rows.counts
            if _TOKENS in rows.columns:
                arrays[f"{place}/{_TOKENS}"] = rows.columns[_TOKENS]
        store.write_arrays(recipe, arrays, metadata={"names": [list(name) for name in found]})
    kept: dict[str, Any] = dict(store.read_arrays(recipe.key))
    names = store.manifest(recipe.key).metadata["names"]
    return {(layer, name): _rows(kept, place) for place, (layer, name) in enumerate(names)}


def _rows(kept: dict[str, Any], place: int) -> Rows:
    tokens = kept.get(f"{place}/{_TOKENS}")
    columns = {} if tokens is None else {_TOKENS: np.asarray(tokens)}
    return Rows(kept[f"{place}/{_VALUES}"], kept[f"{place}/{_COUNTS}"], columns)
