"""`extract`: the representations of many layers in one forward pass over the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from repscape.data.source import DataSource
from repscape.errors import InvalidParameterError, ModelFailedError, SampleError, did_you_mean
from repscape.extract.calls import CallRecorder
from repscape.extract.devices import DevicesRunner, Replica, chosen_devices, packed, several_devices
from repscape.extract.forward import Forward, Wanted
from repscape.extract.loop import Carried, Extraction, MakeRunner, Progress
from repscape.extract.pooling import Pooling, get_poolings
from repscape.extract.revision import digest_of_weights
from repscape.extract.runners import Runner
from repscape.extract.setup import (
    OUTPUT_DTYPES,
    DataLike,
    ModelLike,
    Options,
    Setup,
    open_model,
    set_up,
)
from repscape.extract.skipping import extract_without_bad
from repscape.extract.source import Source
from repscape.extract.state import usable_device
from repscape.representation import Representation

if TYPE_CHECKING:
    from repscape.store import Store

DEFAULT_SHARD_ROWS = 4096


def extract(
    network: ModelLike,
    samples: DataLike,
    /,
    layers: str | Sequence[str] | None = None,
    pooling: str | Sequence[str] = "mean",
    *,
    store: Store | str | Path | None = None,
    batch_size: int | None = None,
    workers: int | None = None,
    on_error: str = "stop",
    output_dtype: str = "float32",
    model: str | None = None,
    model_revision: str | None = None,
    data: str | None = None,
    data_revision: str | None = None,
    split: str | None = None,
    preprocessing: str | None = None,
    tags: Mapping[str, str] | None = None,
    shard_rows: int = DEFAULT_SHARD_ROWS,
    device: str | torch.device | None = None,
    devices: str | Sequence[str] | None = None,
    allow_non_finite: bool = False,
    progress: Progress | None = None,
) -> dict[str, Representation]:
    """Extract the representations of the layers of a module, in one pass over the data.

    The module runs in evaluation mode and without gradients; each pass but the first stops
    as soon as the last of the requested layers has given its output. Afterwards, also after
    an error or Ctrl-C, training flags, device, hooks and random states are as before.

    Parameters
    ----------
    network : str, LoadedModel or torch.nn.Module
        The model: a name (`"hf:…"`, see `load_model`), one that is loaded, or a module.
    samples : str, DataSource, or iterable of (ids, inputs) or (ids, inputs, labels)
        The data: a name (`"folder:…"`, see `load_data`) or a source, whose samples the model
        prepares; or batches that are made already. Of a batch, `ids` are n distinct texts or
        whole numbers; `inputs` is a tensor with n samples along its first axis, or a tuple or
        list of positional arguments, or a dictionary of keyword arguments; `labels` are n
        classes. To such batches no mask is applied: tokens of padding would count as tokens.
    layers : str or sequence of str, optional
        Canonical names (`"block.3"`, see `load_model`), names of submodules, globs over either
        (`"block.*"`; over submodules `*` crosses dots), `"name:input"` for what goes into a
        submodule, or one call of a submodule that is called several times in a forward pass
        (`"block#1"`, from 0). Layers that a glob matches but that are never called (containers)
        are left out. By default all canonical layers, or all submodules.
    pooling : str or sequence of str
        How an output (n, tokens, d) or (n, channels, height, width, …) becomes rows: `"mean"`,
        `"last_token"`, `"first_token"`, `"cls"`, `"max"`, `"weighted_mean"`, `"spatial_mean"`,
        `"flatten"`, or `"none"`: a row for each token or pixel, with ids `id/0`, `id/1`, …;
        see `repscape.extract.pooling`. Outputs (n, d) stay as they are. Several are taken from
        the same forward passes. Of a tuple, list, mapping or dataclass the first tensor is
        taken.
    store : Store, str or Path, optional
        A store, or its folder, made if needed. Rows are streamed into it, shard by shard, and an
        interrupted extraction resumes at its last full shard when called again with the same
        batches. What is there already is not computed again: the batches are read for their
        ids only.
    batch_size : int, optional
        Samples of a batch, 64 by default; for data sources only. Where a batch does not fit
        into memory it is halved, and what is made records it; a resumed extraction follows the
        recorded sizes.
    workers : int, optional
        Threads that read and prepare samples ahead of the model.
    on_error : {"stop", "skip"}
        What happens if a sample of a data source cannot be read or prepared, or the network fails
        at it or gives values that are not finite. `"stop"` raises at once; shards that are full
        stay. `"skip"` reads all samples once beforehand, runs those of a batch that fails one by
        one, and leaves the bad ones out, as if they were not there: their ids and reasons are
        recorded under `skipped` beside what is stored (without a store, told by a
        `SkippedSamplesWarning`), and `split`, and so the key, says which are missing. A network
        that takes no sample is an error all the same.
    output_dtype : {"float32", "float16"}
        In what the rows are kept; a value too large for float16 (65,504) is an error, one nearer
        to 0 than 3e-8 becomes 0.
    model, data : str, optional
        Names for tables and figures; by default those of the model and of the data source.
    model_revision : str, optional
        Content revision of the model; by default that of the loaded model, or
        `digest_of_weights(module)`.
    data_revision : str, optional
        Content revision of the data; by default that of the data source. Required for batches
        with a store: together with `split` it must name these very samples in this order.
    split, preprocessing : str, optional
        The part of the data, and what was done to the inputs.
    tags : mapping, optional
        Free tags of the origin: objective, architecture, seed, …
    shard_rows : int
        Rows of a shard in the store.
    device : str or torch.device, optional
        Where to run; by default where the module is. Inputs are moved there.
    devices : sequence of str, or "all", optional
        Run on several: one process for each (`["cuda:0", "cuda:1"]`; `"all"` GPUs), for data
        sources only. The rows are the same as on one. By default on all GPUs, if there are
        several and the model is given by name; one that is loaded already runs where it is.
        The model must be one that can be sent to other processes, and a script needs
        `if __name__ == "__main__":`.
    allow_non_finite : bool
        Keep NaN and infinite outputs instead of refusing them.
    progress : callable, optional
        Called at the start (for data sources) and after each window of samples (a batch, or
        1,024 texts) with the samples done and the number of all, or None;
        `repscape.extract.progress.progress_bar` makes one.

    Returns
    -------
    dict of str to Representation
        In the order in which the layers end in the forward pass. The key is the name of the
        layer, or `name#0`, `name#1`, … if the first pass calls it several times; with a
        sequence of poolings, `name[pooling]`. Values are float32 (float64 where the layer gives
        float64) or float16, on the CPU; from a store they are memory-mapped. Labels and metadata
        columns travel along; sequences have a column `truncated`, tokens `token_id`.

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
    SampleError
        If a sample cannot be read or prepared, unless it is to be skipped.
    ModelFailedError
        Naming model, data and sample, if torch refuses the size or type of a batch. Any other
        error of the model's own comes as it is, with a note that names the batch.
    """
    poolings = get_poolings(pooling)
    kept = _kept(output_dtype)
    if isinstance(network, torch.nn.Module):  # before it is moved, perhaps in vain
        model_revision = model_revision or digest_of_weights(network)
    named = Source(
        model=model,
        model_revision=model_revision,
        pooling=poolings[0].name,
        data=data,
        data_revision=data_revision,
        split=split,
        preprocessing=preprocessing,
        tags=tags or {},
        kept=kept,
    )
    is_source = isinstance(samples, str | DataSource)
    if devices is None and device is None and isinstance(network, str) and is_source:
        devices = several_devices()
    spread = [] if devices is None else chosen_devices(devices)
    if spread and (device is not None or not is_source):
        raise InvalidParameterError("devices= is for data sources, and instead of device=")
    where = torch.device("cpu") if spread else None if device is None else usable_device(device)
    store = _opened(store)
    with ExitStack() as stack:
        setup = set_up(
            open_model(network, where, stack),
            samples,
            layers,
            named,
            Options(where, store, batch_size, workers, on_error),
            stack,
        )
        make_runner = _on(spread, setup, poolings, allow_non_finite) if spread else None
        recorder = stack.enter_context(CallRecorder(setup.module, setup.selection))
        forward = Forward(recorder, poolings, setup.device, allow_non_finite)
        where_run = ",".join(spread) if spread else str(setup.device or "cpu")

        asked = {
            "layers": sorted(setup.selection.texts),
            "poolings": [one.name for one in poolings],
            "allow_non_finite": allow_non_finite,
        }

        def make(one: Setup, carried: Carried) -> Extraction:
            listed = {"skipped": dict(one.skipped)} if one.skipped else {}
            return Extraction(
                forward,
                one.selection,
                {pooling.name: one.pooled(pooling.name) for pooling in poolings},
                one.feed,
                store,
                shard_rows,
                kept,
                beside={"device": where_run, **listed},
                make_runner=make_runner,
                finds_failing=on_error == "skip",
                carried=carried,
            )

        with _said_of(setup.source):
            if on_error == "skip":
                found = extract_without_bad(setup, asked, store, make, progress)
            else:
                found = make(setup, Carried()).run(progress)
    if isinstance(pooling, str):
        return {layer: rep for (layer, _), rep in found.items()}
    return {f"{layer}[{one}]": rep for (layer, one), rep in found.items()}


@contextmanager
def _said_of(source: Source) -> Iterator[None]:
    """Let errors about samples say how to leave them out, and those of the model whose they are."""
    mend = "on_error='skip' (--on-error skip) leaves such samples out"
    try:
        yield
    except SampleError as problem:
        raise SampleError(f"{problem}; {mend}") from problem
    except ModelFailedError as problem:
        about = f"{source.model} on {source.data or 'these batches'}"
        rest = "" if source.data is None else f"; {mend}"
        raise ModelFailedError(f"{about}: {problem}{rest}") from problem


def _opened(store: Store | str | Path | None) -> Store | None:
    if not isinstance(store, str | Path):
        return store
    from repscape.store import Store

    return Store(store)


def _on(
    devices: Sequence[str], setup: Setup, poolings: Sequence[Pooling], allow_non_finite: bool
) -> MakeRunner:
    """What starts a process for each device; the module is taken as it is now."""
    module = packed(setup.module)

    def start(wanted: Wanted) -> Runner:
        names = tuple(pooling.name for pooling in poolings)
        threads = torch.get_num_threads()
        replica = Replica(module, setup.selection, names, allow_non_finite, wanted, threads)
        return DevicesRunner(replica, devices)

    return start


def _kept(output_dtype: str) -> str | None:
    """The type to store rows in, or None for that in which they are made."""
    if output_dtype not in OUTPUT_DTYPES:
        raise InvalidParameterError(
            f"output_dtype={output_dtype!r}: {did_you_mean(output_dtype, OUTPUT_DTYPES)}"
        )
    return None if output_dtype == "float32" else output_dtype
