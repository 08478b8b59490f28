"""`repscape trace`: where a table or figure comes from."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated

import typer

from repscape.cli.output import JSON_HELP, note, print_json


def trace(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A table, figure or report of a study.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Print where a table, figure or report comes from.

    Digests of the study and of what the file was made from, revisions of models and data, seeds,
    versions, and the one command that computes it again, in whatever folder it is typed.
    """
    from repscape.errors import UnreadableFileError
    from repscape.studies.provenance import read_provenance
    from repscape.studies.recompute import recompute_command

    found = read_provenance(file)
    try:
        found = replace(found, command=recompute_command(file, found))
    except UnreadableFileError as problem:
        note(str(problem))
    if as_json:
        print_json(asdict(found))
        return
    typer.echo(f"{'file':10} {found.what}")
    typer.echo(f"{'study':10} {found.study}, digest {found.study_digest}")
    typer.echo(f"{'recompute':10} {found.command}")
    for title, entries in (
        ("made from", found.inputs),
        ("models", found.models),
        ("data", found.data),
        ("seeds", found.seeds),
        ("versions", found.versions),
    ):
        width = max(map(len, entries), default=0)
        for position, (name, value) in enumerate(entries.items()):
            typer.echo(f"{title if position == 0 else '':10} {name:{width}}  {value}")
