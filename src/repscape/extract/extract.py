"""`extract`: the representations of many layers in one forward pass over the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from repscape.errors import InvalidParameterError
from repscape.extract.batches import Batches, count_samples, read_batches
from repscape.extract.calls import CallRecorder
from repscape.extract.layers import select_layers
from repscape.extract.loop import Extraction, Forward, Progress
from repscape.extract.pooling import get_pooling
from repscape.extract.revision import digest_of_weights
from repscape.extract.source import Source, weights_dtype
from repscape.extract.state import device_of, evaluating
from repscape.representation import Representation

if TYPE_CHECKING:
    from repscape.store import Store

DEFAULT_SHARD_ROWS = 4096


def extract(
    module: torch.nn.Module,
    batches: Batches,
    layers: str | Sequence[str],
    pooling: str = "mean",
    *,
    store: Store | None = None,
    model: str | None = None,
    model_revision: str | None = None,
    data: str | None = None,
    data_revision: str | None = None,
    split: str | None = None,
    preprocessing: str | None = None,
    tags: Mapping[str, str] | None = None,
    shard_rows: int = DEFAULT_SHARD_ROWS,
    device: str | torch.device | None = None,
    allow_non_finite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Representation]:
    """Extract the representations of the layers of a module, in one pass over the data.

    The module runs in evaluation mode and without gradients; each pass but the first stops
    as soon as the last of the requested layers has given its output. Afterwards, also after
    an error or Ctrl-C, training flags, device, hooks and random states are as before.

    Parameters
    ----------
    module : torch.nn.Module
    batches : iterable of (ids, inputs) or (ids, inputs, labels)
        `ids` are n distinct texts or whole numbers. `inputs` is a tensor with n samples along
        its first axis, or a tuple or list of positional arguments, or a dictionary of
        keyword arguments. `labels` are n classes. No mask is applied: tokens of padding
        would count as tokens.
    layers : str or sequence of str
        Names of submodules, globs over them (`"blocks.*"`; `*` crosses dots), or one call of
        a submodule that is called several times in a forward pass (`"block#1"`, from 0).
        Layers that a glob matches but that are never called (containers) are left out.
    pooling : {"mean", "flatten", "none"}
        For outputs of shape (n, tokens, d) or (n, channels, height, width, …): the mean over
        the tokens or pixels, taken in float64; all of it as one row; or one row for each
        token or pixel, with ids `id/0`, `id/1`, … and the sample's label. Outputs (n, d) stay
        as they are. Of a tuple, list, mapping or dataclass the first tensor is taken.
    store : Store, optional
        Rows are streamed into the store, shard by shard, and an interrupted extraction
        resumes at its last full shard when called again with the same batches. What is there
        already is not computed again: the batches are read for their ids only.
    model, data : str, optional
        Names for tables and figures; `model` is by default the name of the class.
    model_revision : str, optional
        Content revision of the model; by default `digest_of_weights(module)`.
    data_revision : str
        Content revision of the data; required with a store. Together with `split` it must
        name these very samples in this order.
    split, preprocessing : str, optional
        The part of the data, and what was done to the inputs.
    tags : mapping, optional
        Free tags of the origin: objective, architecture, seed, …
    shard_rows : int
        Rows of a shard in the store.
    device : str or torch.device, optional
        Where to run; by default where the module is. Inputs are moved there.
    allow_non_finite : bool
        Keep NaN and infinite outputs instead of refusing them.
    progress : callable, optional
        Called after each batch with the samples done and the number of all, or None.

    Returns
    -------
    dict of str to Representation
        In the order in which the layers end in the forward pass. The key is the name of the
        layer, or `name#0`, `name#1`, … if the first pass calls it several times. Values are
        float32 (float64 where the layer gives float64) on the CPU.

    Raises
    ------
    UnknownNameError
        If a layer pattern matches nothing or nothing that is called, or there is no such
        pooling.
    InvalidParameterError
        If a store is given without `data_revision`, or batches have the wrong form.
    InvalidRepresentationError
        If ids repeat, there is no sample, or a layer gives no tensor of samples × features, or
        other shapes for other batches.
    NonFiniteError
        Naming the layer and the first sample, if an output is NaN or infinite.
    SampleMismatchError
        If the store holds other samples under these revisions.
    """
    selection = select_layers(module, layers)
    source = Source(
        model=model or type(module).__name__,
        model_revision=model_revision or digest_of_weights(module),
        pooling=get_pooling(pooling).name,
        data=data,
        data_revision=data_revision,
        split=split,
        preprocessing=preprocessing,
        dtype=weights_dtype(module),
        tags=tags or {},
    )
    if store is not None and data_revision is None:
        raise InvalidParameterError(
            "store= is given without data_revision=: results are kept under the content of "
            "model and data, so give a commit, version or digest of the data"
        )
    where = None if device is None else torch.device(device)
    with evaluating(module, where), CallRecorder(module, selection) as recorder:
        extraction = Extraction(
            Forward(recorder, get_pooling(pooling), where or device_of(module)),
            selection,
            source,
            store=store,
            shard_rows=shard_rows,
            allow_non_finite=allow_non_finite,
        )
        return extraction.run(read_batches(batches), count_samples(batches), progress)
