"""`repscape compare`: how alike are the representations in two files?"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repscape.cli import chance, sources
from repscape.cli.extracting import Extracting
from repscape.cli.output import JSON_HELP, finite_or_none, note, print_json, print_table, shown_name
from repscape.errors import InvalidParameterError, UndefinedScoreError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

    from repscape.measures.base import Measure
    from repscape.representation import Representation

NO_SCORE = 2


class Align(StrEnum):
    """What to do with samples that only one of the files has."""

    strict = "strict"
    intersection = "intersection"


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="The first file, or model with --data.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The second, of the same samples.")],
    measure: Annotated[
        list[str] | None,
        typer.Option(
            "--measure", "-m", metavar="NAME", help="What to compute; may be given several times."
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Run every measure that the input allows, and say why not."),
    ] = False,
    align: Annotated[
        Align,
        typer.Option(help="Refuse files of different samples, or compare those that both have."),
    ] = Align.strict,
    memory_limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Bytes to hold beyond the inputs, 2GiB if not given."),
    ] = None,
    data: Annotated[
        str | None, typer.Option(metavar="NAME", help="Extract from models on it: folder:…, csv:…")
    ] = None,
    layers: sources.Layers = None,
    pooling: sources.PoolingName = None,
    store: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Keep what is extracted in a store.")
    ] = None,
    model_option: sources.ModelOption = None,
    data_option: sources.DataOption = None,
    first: sources.First = None,
    random: sources.Random = None,
    per_class: sources.PerClass = None,
    seed: Annotated[int, typer.Option(help="Of --random, --per-class, --null and --interval.")] = 0,
    null: chance.Null = None,
    permutations: chance.PermutationCount = None,
    groups: chance.Groups = None,
    blocks: chance.Blocks = None,
    interval: chance.IntervalMethod = None,
    on_error: sources.Bad = sources.OnError.stop,
    batch_size: sources.BatchSize = None,
    device: sources.Device = None,
    devices: sources.Devices = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Score how alike two representations, or two models, are.

    Files: .npy, .npz, .safetensors, .pt, .csv, .parquet; rows are samples, in the same order or
    with sample ids. One array of several is chosen with "file.npz::name".

    Names are quoted, since shells expand brackets; without any, cka is computed:

    repscape compare a.npy b.npy -m cka -m 'unit_rows|cka[kernel=rbf,sigma=0.4]'

    With --data, A and B are models (or files of the same samples), and their last layers are
    compared, or all pairs of those that --layers names (options of models are for both):

    repscape compare hf:gpt2 hf:Qwen/Qwen3-0.6B --data csv:texts.csv -p last_token

    Is the score more than chance? Adds what chance gives, p and the effect (0 chance, 1 perfect):

    repscape compare a.npy b.npy --null permutation --interval jackknife

    Exits with 2 if a measure that was named has no score, or with --all if none has one.
    """
    from repscape.compare import similarity_matrix
    from repscape.compute.memory import DEFAULT_MEMORY_LIMIT

    chosen, left_out = _choose(measure, everything)
    asked = chance.Meaning(
        None if null is None else null.value,
        permutations,
        groups,
        blocks,
        None if interval is None else interval.value,
    )
    if data is None:
        samples = (model_option, data_option, first, random, per_class, batch_size)
        _only_with_data(layers, pooling, store, *samples, device, devices)
        first_side, second_side = _from_file(a), _from_file(b)
    else:
        ask = Extracting(
            sources.open_data(data, data_option, first, random, per_class, seed),
            model_option,
            sources.split_names(layers),
            (sources.split_names(pooling) or ["mean"])[0],
            store,
            on_error.value,
            batch_size,
            device,
            sources.chosen_devices(device, devices),
        )
        first_side, second_side = ask.layers_of(a), ask.layers_of(b)
    reps = [*first_side.values(), *second_side.values()]
    table = similarity_matrix(
        _named(first_side, second_side),
        chosen,
        pairs=[(i, j) for i in range(len(first_side)) for j in range(len(first_side), len(reps))],
        align=align.value,
        memory_limit=DEFAULT_MEMORY_LIMIT if memory_limit is None else memory_limit,
        seed=seed,
        **asked.arguments,
    ).table
    scores = _records(table)
    for score, (_, row) in zip(scores, table.iterrows(), strict=True):
        score |= asked.stated(row)
    if len(scores) > len(chosen):
        for score, pair in zip(scores, table.itertuples(), strict=True):
            score |= {"layer_a": pair.layer_a, "layer_b": pair.layer_b}
    if as_json:
        for score, (_, row) in zip(scores, table.iterrows(), strict=True):
            counts = (row["duplicates_a"], row["duplicates_b"])
            score["duplicates"] = [count if isinstance(count, int) else None for count in counts]
        missing = [_record(name, None, None, None, reason) for name, reason in left_out.items()]
        print_json({"a": a, "b": b, "scores": scores + missing})
    else:
        _print(scores, left_out, asked)
        _note_duplicates(table)
        asked.explain(scores)
    found = [score for score in scores if score["value"] is not None]
    if not found or (len(found) < len(scores) and not everything):
        raise typer.Exit(NO_SCORE)


def _from_file(path: str) -> dict[str, Representation]:
    from repscape.data.files import load

    if not Path(path.partition("::")[0]).is_file():
        _refuse_a_model(path)
    return {path: load(path)}


def _refuse_a_model(name: str) -> None:
    """Say that a model needs data; what is no name of a model either, `load` tells about."""
    from repscape.extract.models.base import check_name

    try:
        check_name(name, {})
    except UnknownNameError:
        return
    what = "a folder" if Path(name).expanduser().is_dir() else "the name of a model"
    raise InvalidParameterError(
        f"{name} is {what}, not a file of representations: to compare models, give the data that "
        "they are shown, e.g. --data jsonl:texts.jsonl"
    )


def _named(
    first: Mapping[str, Representation], second: Mapping[str, Representation]
) -> dict[str, Representation]:
    """Both sides by their names; what stands on both is told apart."""
    return {**first, **{n if n not in first else f"{n} (B)": rep for n, rep in second.items()}}


def _only_with_data(*given: object) -> None:
    if any(value is not None for value in given):
        raise InvalidParameterError(
            "--layers, --pooling, --store, --device and the choice of samples are for models: give "
            "--data"
        )


def _choose(names: list[str] | None, everything: bool) -> tuple[list[Measure[Any]], dict[str, str]]:
    """The measures to run, and those that --all leaves out with the reason of each."""
    from repscape.catalogue import for_representations
    from repscape.measures.base import get_measure

    if everything and names:
        raise InvalidParameterError("--all and --measure were both given: choose one of them")
    if everything:
        return for_representations()
    chosen = [get_measure(name) for name in names or ["cka"]]
    return list({measure.name: measure for measure in chosen}.values()), {}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = [table[name] for name in ("measure", "kind", "n", "value", "reason")]
    return [_record(*cells) for cells in zip(*columns, strict=True)]


def _record(
    measure: str, kind: str | None, n: int | None, value: float | None, reason: object
) -> dict[str, Any]:
    return {
        "measure": measure,
        "kind": kind,
        "n": None if n is None else int(n),
        "value": None if value is None else finite_or_none(value),
        "reason": reason if isinstance(reason, str) else None,
    }


def _note_duplicates(table: pd.DataFrame) -> None:
    """A line for each representation that holds samples more than once."""
    sides = [table[[f"rep_{s}", f"duplicates_{s}", "n"]].to_numpy(dtype=object) for s in "ab"]
    for name, count, n in dict.fromkeys(tuple(row) for side in sides for row in side):
        if isinstance(count, int) and count > 0:
            note(f"{name}: {count} of {n} samples equal an earlier one; measures keep them")


def _print(scores: list[dict[str, Any]], left_out: dict[str, str], asked: chance.Meaning) -> None:
    """The scores as a table, and for people a line for each reason why there is none."""
    if len(scores) == 1 and scores[0]["value"] is None:
        raise UndefinedScoreError(scores[0]["reason"])
    found = [score for score in scores if score["value"] is not None]
    if found:
        pairs = ("layer_a", "layer_b") if "layer_a" in found[0] else ()
        print_table(
            (*pairs, "measure", "value", *asked.columns, "kind", "n"),
            [
                [
                    *(str(s[side]) for side in pairs),
                    shown_name(s["measure"]),
                    f"{s['value']:.6g}",
                    *asked.cells(s),
                    s["kind"],
                    str(s["n"]),
                ]
                for s in found
            ],
            names="measure",
        )
    reasons: dict[str, list[str]] = {}
    missing = {s["measure"]: s["reason"] for s in scores if s["value"] is None}
    for measure, reason in {**missing, **left_out}.items():
        # The line names the measures that it is about: what it says of all of them stands once.
        said = " ".join(reason.removeprefix(measure).lstrip(": ").split())
        reasons.setdefault(said, []).append(shlex.quote(measure))
    for reason, names in reasons.items():
        note(f"no score for {', '.join(names)}: {reason}")
