"""`repscape status`: how far a run is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repscape.cli.output import JSON_HELP, print_json, print_table
from repscape.cli.progress import first_line

if TYPE_CHECKING:
    from repscape.studies.status import Status


def status(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The output folder of the run.")
    ] = Path(),
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the whole traceback of each failure.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Say how far a run is, and why something failed.

    What is done, running and failed, by stage. Works from any terminal while it runs, and
    afterwards.
    """
    from repscape.studies.status import study_status

    found = study_status(folder)
    if as_json:
        record = {
            "study": found.study,
            "complete": found.complete,
            "stages": [{**asdict(one), "waiting": one.waiting} for one in found.stages],
            "running": dict(found.running),
            "failures": [one.to_dict() for one in found.failures],
            "report": None if found.report is None else str(found.report),
        }
        print_json(record)
        return
    _print(found, traceback)


def _print(found: Status, traceback: bool) -> None:
    columns = ("stage", "tasks", "done", "running", "failed", "waiting")
    print_table(
        columns,
        [
            [
                one.stage,
                *(
                    str(count) if count else "–"
                    for count in (one.tasks, one.done, one.running, one.failed, one.waiting)
                ),
            ]
            for one in found.stages
        ],
        title=f"study {found.study}",
        numbers=columns[1:],
    )
    for label, who in found.running.items():
        typer.echo(f"running: {label}  ({who})")
    for failure in found.failures:
        typer.echo(f"failed: {failure.label}: {failure.error}: {first_line(failure.message)}")
        if traceback:
            typer.echo(failure.traceback.rstrip())
    if found.report is not None:
        typer.echo(f"report: {found.report}")
