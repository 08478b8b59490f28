"""`repscape groups`: do groups of models differ?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from repscape.cli.output import JSON_HELP, plain_records, print_json, print_table

_HEAD = ("measure", "factor", "models", "more alike by", "p", "p (Holm)", "least p")


def groups(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A table of scores: .parquet or .csv.")
    ],
    factor: Annotated[
        list[str] | None,
        typer.Option("--factor", "-f", help="A tag of the models; by default all that group them."),
    ] = None,
    rule: Annotated[
        str, typer.Option(help="How layers make one score: last, matched_depth_mean, most_alike.")
    ] = "last",
    permutations: Annotated[
        int, typer.Option("--permutations", min=1, metavar="N", help="How often tags change hands.")
    ] = 999,
    seed: Annotated[int, typer.Option(min=0, help="Of the permutations.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Test whether models that share a tag are more alike.

    The tags change hands between models, never between pairs: pairs that share a model are not
    independent. With few models all ways to hand them out are taken, and the least p that can be
    reached is stated.

    repscape groups quickstart/tables/scores.parquet -f objective
    """
    from repscape.studies.steps.group_tests import run
    from repscape.tables import read_scores

    options = {
        "rule": rule,
        "factors": tuple(factor) if factor else None,
        "permutations": permutations,
        "seed": seed,
    }
    found = run({"scores": read_scores(table)}, options).get("group_tests")
    rows = [] if found is None else plain_records(found)
    if as_json:
        print_json({"table": str(table), "tests": rows})
        return
    if not rows:
        typer.echo("no tag of the table puts two models into one group and others into another")
        return
    shown = [[_text(row, key) for key in _KEYS] for row in rows]
    print_table(_HEAD, shown, numbers=_HEAD[2:])
    for reason in dict.fromkeys(str(row["reason"]) for row in rows if row["reason"]):
        typer.echo(f"-: {reason}")


_KEYS = ("measure", "factor", "models", "difference", "p_value", "p_value_holm", "smallest_p")


def _text(row: Mapping[str, object], key: str) -> str:
    value = row[key]
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
