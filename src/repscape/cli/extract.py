"""`repscape extract`: the representations of a model on data, into a store or a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repscape.cli import sources
from repscape.cli.extracting import note_skipped
from repscape.cli.output import JSON_HELP, note, on_terminal, print_json, print_table
from repscape.errors import InvalidParameterError

if TYPE_CHECKING:
    from repscape.representation import Representation
    from repscape.store import Store

_WORK = ".unfinished"
_KEY_SHOWN = 12
_KIND = "representation"


def extract(
    model: Annotated[str, typer.Option("--model", metavar="NAME", help="hf:…, timm:…, a folder")],
    data: Annotated[str, typer.Option("--data", metavar="NAME", help="folder:…, hf:…, csv:…, …")],
    layers: sources.Layers = None,
    pooling: sources.PoolingName = None,
    store: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep them in a store, made if needed.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FOLDER",
            help="Or write a .npz file for each layer; none of something else is replaced.",
        ),
    ] = None,
    model_option: sources.ModelOption = None,
    data_option: sources.DataOption = None,
    first: sources.First = None,
    random: sources.Random = None,
    per_class: sources.PerClass = None,
    seed: sources.Seed = 0,
    on_error: sources.Bad = sources.OnError.stop,
    output_dtype: Annotated[
        sources.OutputType, typer.Option(help="In what the rows are kept.")
    ] = sources.OutputType.float32,
    batch_size: sources.BatchSize = None,
    workers: sources.Workers = None,
    shard_rows: Annotated[int, typer.Option(help="Rows of a shard in the store.")] = 4096,
    device: sources.Device = None,
    devices: sources.Devices = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Extract the representations of the layers of a model on data.

    All layers and poolings come from one pass over the data. An interrupted run goes on where
    it ended when the same command is given again. What is in a store already is not made again;
    files are, and a file of another model, data set or pooling is never overwritten.

    repscape extract --model hf:Qwen/Qwen3-0.6B --data csv:texts.csv -l 'block.*' --store reps

    repscape extract --model timm:resnet50 --data folder:photos -l layer4 -o reps
    """
    from repscape.extract.extract import extract as extract_layers
    from repscape.store import Store

    if (store is None) == (out is None):
        raise InvalidParameterError("give --store FOLDER or --out FOLDER, one of them")
    where = Store(store if store is not None else _work(out))
    source = sources.open_data(data, data_option, first, random, per_class, seed)
    on = sources.chosen_devices(device, devices)
    loaded = sources.open_model(model, model_option, "cpu" if on else device)
    poolings = sources.split_names(pooling) or ["mean"]
    before = Before(set(where.keys(_KIND)), where.unfinished(_KIND))
    with sources.progress(loaded.name, source.name) as progress:
        found = extract_layers(
            loaded,
            source,
            sources.split_names(layers) or None,
            poolings,
            store=where,
            batch_size=batch_size,
            workers=workers,
            on_error=on_error.value,
            output_dtype=output_dtype.value,
            shard_rows=shard_rows,
            devices=on,
            progress=progress,
        )
    rows = [_row(rep, before) for rep in found.values()]
    _tell(next(iter(found.values())), where)
    _tell_resumed([row["key"] for row in rows], before, where)
    if out is not None:
        _write(list(found.values()), rows, out, single=len(poolings) == 1)
    if as_json:
        print_json({"model": loaded.name, "data": source.written, "made": rows})
    else:
        _print(rows, in_store=out is None)


def _work(out: Path | None) -> Path:
    """Where an extraction into a folder keeps what it has so far, so that it can go on."""
    assert out is not None
    out.mkdir(parents=True, exist_ok=True)
    return out / _WORK


@dataclass(frozen=True)
class Before:
    """What the store held when the command began: whole representations, and full shards."""

    whole: set[str]
    shards: dict[str, int]

    def state(self, key: str | None) -> str:
        """What has become of a representation."""
        if key in self.whole:
            return "found"
        return "resumed" if self.shards.get(key or "") else "made"


def _row(rep: Representation, before: Before) -> dict[str, Any]:
    return {
        "layer": rep.origin.layer,
        "pooling": rep.origin.pooling,
        "n": rep.n,
        "d": rep.d,
        "dtype": str(rep.values.dtype).removeprefix("torch."),
        "bytes": int(rep.values.nbytes),
        "key": rep.key,
        "state": before.state(rep.key),
    }


def _write(reps: list[Representation], rows: list[dict[str, Any]], out: Path, single: bool) -> None:
    """Write the files, then let go of the store that the run was resumed from."""
    import shutil

    from repscape.data.saving import file_name, refuse_others, save_npz

    for row in rows:
        name = str(row["layer"]) if single else f"{row['layer']}.{row['pooling']}"
        row["file"] = str(out / file_name(name))
    targets = {Path(row["file"]): rep for rep, row in zip(reps, rows, strict=True)}
    refuse_others(targets)
    for path, rep in targets.items():
        save_npz(rep, path)
    shutil.rmtree(out / _WORK, ignore_errors=True)


def _tell(rep: Representation, store: Store) -> None:
    """Say on standard error what a user must know about the samples."""
    beside = store.manifest(rep.key or "").beside
    note_skipped(rep, store)
    if "truncated" in rep.columns and (cut := int(rep.columns["truncated"].sum())):
        note(f"truncated: {cut} of {rep.n} were longer than the context of the model")
    sizes = [step["plan"].get("batch_samples") for step in beside.get("plan", [])]
    if len(sizes) > 1:
        note(f"out of memory: the batch size went from {sizes[0]} to {sizes[-1]}")


def _tell_resumed(keys: list[str], before: Before, store: Store) -> None:
    """Say how much of it an interrupted run had made."""
    there = {key: before.shards[key] for key in keys if before.state(key) == "resumed"}
    if there:
        whole = sum(len(store.manifest(key).files) for key in there)
        note(f"resumed: {sum(there.values())} of {whole} shards were there, the rest was computed")


def _print(rows: list[dict[str, Any]], in_store: bool) -> None:
    last = "key" if in_store else "file"
    columns = ("layer", "pooling", "n", "d", "dtype", "MB", "state", last)
    # People do not read forty characters, and a pipe gets all of them.
    shown = _KEY_SHOWN if in_store and on_terminal() else None
    print_table(
        columns,
        [
            [
                row["layer"],
                row["pooling"],
                str(row["n"]),
                str(row["d"]),
                row["dtype"],
                f"{row['bytes'] / 1e6:.3g}",
                row["state"],
                str(row[last])[:shown],
            ]
            for row in rows
        ],
        whole=columns if in_store else columns[:-1],
    )
