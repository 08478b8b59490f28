"""`repscape status`: how far a run is."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from repscape.cli.output import JSON_HELP, print_json, print_table
from repscape.cli.progress import first_line

if TYPE_CHECKING:
    from pathlib import Path

    from repscape.studies.status import Status


def status(
    name: Annotated[
        str,
        typer.Argument(
            metavar="DIR", help="The output folder of the run; or the study, for its folder here."
        ),
    ] = ".",
    traceback: Annotated[
        bool, typer.Option("--traceback", help="Show the whole traceback of each failure.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Say how far a run is, if it is alive, and what failed.

    What is done, running and failed, by stage. Works from any terminal while it runs, and
    afterwards.
    """
    from repscape.studies.places import find_output_folder
    from repscape.studies.status import study_status

    folder = find_output_folder(name)
    found = study_status(folder)
    if as_json:
        record = {
            "study": found.study,
            "complete": found.complete,
            "written": found.written,
            "stages": [{**asdict(one), "waiting": one.waiting} for one in found.stages],
            "alive": list(found.drivers),
            "running": dict(found.running),
            "failures": [one.to_dict() for one in found.failures],
            "report": None if found.report is None else str(found.report),
        }
        print_json(record)
        return
    _print(found, folder, traceback)


def _print(found: Status, folder: Path, traceback: bool) -> None:
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
    typer.echo(_life(found, folder))
    for label, who in found.running.items():
        typer.echo(f"running: {label}  ({who})")
    for failure in found.failures:
        typer.echo(f"failed: {failure.label}: {failure.error}: {first_line(failure.message)}")
        if traceback:
            typer.echo(failure.traceback.rstrip())
    if found.report is not None:
        typer.echo(f"report: {found.report}")


def _life(found: Status, folder: Path) -> str:
    """Whether somebody is at it."""
    if found.drivers:
        many = "a run is" if len(found.drivers) == 1 else f"{len(found.drivers)} runs are"
        return f"{many} alive: {', '.join(found.drivers)}"
    if found.complete:
        return "complete; no run is alive"
    if found.done:
        return (
            "all tasks are done, but tables, figures and report are not written; no run is alive; "
            f"`repscape report {shlex.quote(str(folder))}` writes them"
        )
    at_work = f", but tasks are running: {len(found.running)}" if found.running else ""
    return f"no run is alive{at_work}; `repscape run {shlex.quote(str(folder))}` goes on"
