"""`repscape compare`: how alike are the representations in two files?"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
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

    chosen = _choose(measure, everything)
    second_name = b if b != a else f"{b} (B)"
    scores = similarity_matrix(
        {a: load(a), second_name: load(b)},
        chosen,
        pairs=[(0, 1)],
        align=align.value,
        memory_limit=DEFAULT_MEMORY_LIMIT if memory_limit is None else memory_limit,
    ).table
    missing = scores[scores["value"].isna()]
    if as_json:
        print_json({"a": a, "b": b, "scores": _records(scores)})
    else:
        _print(scores, missing)
    if len(missing) == len(scores) or (len(missing) and not everything):
        raise typer.Exit(NO_SCORE)


def _choose(names: list[str] | None, everything: bool) -> list[Measure[Any]]:
    from repscape.catalogue import select
    from repscape.measures.base import get_measure

    if everything and names:
        raise InvalidParameterError("--all and --measure were both given: choose one of them")
    chosen = select() if everything else [get_measure(name) for name in names or ["cka"]]
    return list({measure.name: measure for measure in chosen}.values())


def _records(scores: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {
            "measure": measure,
            "kind": kind,
            "n": int(n),
            "value": finite_or_none(value),
            "reason": reason if isinstance(reason, str) else None,
        }
        for measure, kind, n, value, reason in _cells(scores)
    ]


def _cells(scores: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    columns = ["measure", "kind", "n", "value", "reason"]
    return zip(*(scores[name] for name in columns), strict=True)


def _print(scores: pd.DataFrame, missing: pd.DataFrame) -> None:
    if len(scores) == 1 and len(missing) == 1:
        raise UndefinedScoreError(missing["reason"].iloc[0])
    found = scores[scores["value"].notna()]
    if len(found):
        print_table(
            ("measure", "value", "kind", "n"),
            [
                (shlex.quote(measure), f"{value:.6g}", kind, str(n))
                for measure, kind, n, value, _ in _cells(found)
            ],
        )
    for reason, rows in missing.groupby("reason", sort=False):
        names = ", ".join(map(shlex.quote, rows["measure"]))
        note(f"no score for {names}: {' '.join(str(reason).split())}")
