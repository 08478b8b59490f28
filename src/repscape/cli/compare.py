"""`repscape compare`: how alike are the representations in two files?"""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repscape.cli.output import JSON_HELP, finite_or_none, note, print_json, print_table
from repscape.errors import InvalidParameterError, UndefinedScoreError

if TYPE_CHECKING:
    import pandas as pd

    from repscape.measures.base import Measure

NO_SCORE = 2


class Align(StrEnum):
    """What to do with samples that only one of the files has."""

    strict = "strict"
    intersection = "intersection"


def compare(
    a: Annotated[str, typer.Argument(metavar="A", help="The first file.")],
    b: Annotated[str, typer.Argument(metavar="B", help="The second file, of the same samples.")],
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
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Score how alike the representations in two files are.

    Files: .npy, .npz, .safetensors, .pt, .csv, .parquet; rows are samples, in the same order or
    with sample ids. One array of several is chosen with "file.npz::name".

    Names are quoted, since shells expand brackets; without any, cka is computed:

    repscape compare a.npy b.npy -m cka -m 'unit_rows|cka[kernel=rbf,sigma=0.4]'

    Exits with 2 if a measure that was named has no score, or with --all if none has one.
    """
    from repscape.compare import similarity_matrix
    from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
    from repscape.data.files import load

    chosen, left_out = _choose(measure, everything)
    second_name = b if b != a else f"{b} (B)"
    table = similarity_matrix(
        {a: load(a), second_name: load(b)},
        chosen,
        pairs=[(0, 1)],
        align=align.value,
        memory_limit=DEFAULT_MEMORY_LIMIT if memory_limit is None else memory_limit,
    ).table
    scores = _records(table)
    if as_json:
        missing = [_record(name, None, None, None, reason) for name, reason in left_out.items()]
        print_json({"a": a, "b": b, "scores": scores + missing})
    else:
        _print(scores, left_out)
    found = [score for score in scores if score["value"] is not None]
    if not found or (len(found) < len(scores) and not everything):
        raise typer.Exit(NO_SCORE)


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


def _print(scores: list[dict[str, Any]], left_out: dict[str, str]) -> None:
    """The scores as a table, and for people a line for each reason why there is none."""
    if len(scores) == 1 and scores[0]["value"] is None:
        raise UndefinedScoreError(scores[0]["reason"])
    found = [score for score in scores if score["value"] is not None]
    if found:
        print_table(
            ("measure", "value", "kind", "n"),
            [
                [shlex.quote(s["measure"]), f"{s['value']:.6g}", s["kind"], str(s["n"])]
                for s in found
            ],
        )
    reasons: dict[str, list[str]] = {}
    missing = {s["measure"]: s["reason"] for s in scores if s["value"] is None}
    for measure, reason in {**missing, **left_out}.items():
        reasons.setdefault(" ".join(reason.split()), []).append(shlex.quote(measure))
    for reason, names in reasons.items():
        note(f"no score for {', '.join(names)}: {reason}")
