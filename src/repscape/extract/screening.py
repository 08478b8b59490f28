"""Which samples cannot be read or prepared: found before the extraction, and kept.

Batches, rows and keys depend on which samples there are. So with `on_error="skip"` all samples
are read and prepared once beforehand, and those that fail are left out; in a store the list is
an artefact of its own, and later extractions of the same data find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from repscape.data.source import DataSource
from repscape.errors import SampleError
from repscape.extract.models.base import LoadedModel
from repscape.extract.sampled import SampleFeed, prepare_sample
from repscape.extract.setup import Setup
from repscape.tasks import Recipe

if TYPE_CHECKING:
    from repscape.store import Store

SCREENING_KIND = "screening"
SCREENING_VERSION = 1
_AT_ONCE = 256


def unusable_samples(setup: Setup, store: Store | None) -> Mapping[str, str]:
    """Return why some samples of an extraction cannot be prepared, by their ids."""
    assert setup.model is not None
    assert setup.data is not None
    assert isinstance(setup.feed, SampleFeed)
    if store is None:
        return _screen(setup.model, setup.data, setup.feed.pool)
    return _screened(setup.model, setup.data, setup.feed.pool, store)


def _screened(
    model: LoadedModel, source: DataSource, pool: ThreadPoolExecutor, store: Store
) -> Mapping[str, str]:
    parameters = {
        "data_revision": source.revision,
        "split": source.split,
        "preprocessing": model.preprocessing,
        "modality": model.modality,
    }
    recipe = Recipe(SCREENING_KIND, SCREENING_VERSION, parameters)
    if not store.has(recipe.key):
        reasons = _screen(model, source, pool)
        count = {"bad_samples": np.asarray([len(reasons)])}
        store.write_arrays(recipe, count, metadata={"reasons": dict(reasons)})
    found: Mapping[str, str] = store.manifest(recipe.key).metadata["reasons"]
    return found


def _screen(model: LoadedModel, source: DataSource, pool: ThreadPoolExecutor) -> dict[str, str]:
    source = replace(source, written=source.name)  # what is kept does not say where the files lie
    reasons: dict[str, str] = {}
    for start in range(0, len(source), _AT_ONCE):
        rows = range(start, min(start + _AT_ONCE, len(source)))
        for row, reason in zip(rows, pool.map(partial(_reason, model, source), rows), strict=True):
            if reason is not None:
                reasons[str(source.ids[row].item())] = reason
    return reasons


def _reason(model: LoadedModel, source: DataSource, row: int) -> str | None:
    try:
        prepare_sample(model, source, row)
    except SampleError as problem:
        return str(problem)
    return None
