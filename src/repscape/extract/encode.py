"""`encode`: a few samples through a loaded model at once, their rows in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from repscape.errors import InvalidParameterError
from repscape.extract.calls import CallRecorder
from repscape.extract.models.base import LoadedModel
from repscape.extract.pooling import get_poolings
from repscape.extract.rows import RowCollector, Rows
from repscape.extract.state import isolated_forward


def encode(
    model: LoadedModel,
    contents: Sequence[Any],
    layers: str | Sequence[str],
    pooling: str | Sequence[str] = "mean",
) -> dict[tuple[str, str], Rows]:
    """Run one batch through a model and return the rows of every layer and pooling.

    It is what `extract` does for each of its batches, without samples' ids, checks for
    non-finite values, or a store: for experiments that feed what they make on the way.

    Parameters
    ----------
    model : LoadedModel
    contents : sequence
        What the samples are; they share one batch.
    layers, pooling : str or sequence of str
        See `extract`.

    Returns
    -------
    dict of (layer, pooling) to Rows

    Raises
    ------
    SampleError
        If a sample cannot be prepared.
    """
    if not contents:
        raise InvalidParameterError("contents is empty: give at least one sample")
    selection = model.resolve(layers)
    inputs = model.collate([model.prepare(content) for content in contents]).to(model.device)
    collector = RowCollector(len(contents), get_poolings(pooling), inputs.marks_of)
    with CallRecorder(model.module, selection) as recorder, isolated_forward(model.device, seed=0):
        trace = recorder.learn(inputs.arguments, collector.receive)
    names = selection.names(trace.calls)
    selection.among(trace.calls)
    return {(names[call], name): rows for (call, name), rows in collector.rows.items()}
