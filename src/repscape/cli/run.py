"""`repscape run`: execute what is missing of a study, and write its outputs."""

from __future__ import annotations

import shlex
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from repscape.cli.output import JSON_HELP, by_reason, note, print_json
from repscape.cli.progress import display, first_line
from repscape.cli.study_options import Out, Settings, StoreFolder, StudyName, read_study

if TYPE_CHECKING:
    from pathlib import Path

    from repscape.studies.run import StudyResult

FAILED = 1


def run(
    study: StudyName,
    executor: Annotated[
        str,
        typer.Option(
            "--executor",
            "-x",
            metavar="NAME",
            help="inline, 'processes[cpus=4]', 'slurm[partition=gpu]' or 'ray[address=auto]'.",
        ),
    ] = "inline",
    settings: Settings = None,
    only: Annotated[
        str | None,
        typer.Option(
            metavar="STAGE",
            help="One stage and what it needs: train, extract, compare, describe, tables, analyse.",
        ),
    ] = None,
    out: Out = None,
    store: StoreFolder = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Run a study: what is there already is not computed again.

    Writes tables, figures and report.html. Kill it and run it again: it goes on where it was.
    Several runs on one store share the work.

    Exits with 1 if something failed; the rest is there, and another run tries it again.
    """
    run_and_tell(study, settings, out, store, as_json, only, executor)


def run_and_tell(
    name: str,
    settings: list[str] | None,
    out: Path | None,
    store: Path | None,
    as_json: bool,
    only: str | None = None,
    executor: str = "inline",
) -> None:
    """Run a study and print what came of it."""
    given = read_study(name, settings, out, store)
    from repscape.store import Store
    from repscape.studies.run import run_study

    try:
        with display(note if as_json else typer.echo, None if not as_json else False) as shown:
            done = run_study(
                given.study,
                given.out,
                Store(given.store),
                executor,
                only=only,
                tell=shown.event,
                on_phase=shown.phase,
                on_write=shown.writing,
            )
    except KeyboardInterrupt as interruption:
        again = shlex.join(["repscape", *sys.argv[1:]])
        kept = f"what was computed is kept in {given.store}, and `{again}` goes on"
        # Instead of what the task that was running says of itself.
        interruption.__notes__ = [kept]
        raise
    if as_json:
        print_json(_record(done))
    else:
        _print(done)
    if not done.complete:
        raise typer.Exit(FAILED)


def _record(done: StudyResult) -> dict[str, object]:
    outputs = done.outputs
    return {
        "report": None if outputs is None else str(outputs.report),
        "made": done.made,
        "found": done.found,
        "failed": [
            {"task": one.label, "error": one.error, "message": one.message} for one in done.failed
        ],
        "blocked": done.blocked,
        "missing": [asdict(one) for one in done.missing],
        "unscored": [] if outputs is None else list(outputs.unscored),
        "headlines": [] if outputs is None else [asdict(one) for one in outputs.headlines],
    }


def missing_lines(done: StudyResult) -> list[str]:
    """What a run lacked, and why: one line for each reason."""
    lines = by_reason((one.what, first_line(one.reason)) for one in done.missing)
    unscored = () if done.outputs is None else done.outputs.unscored
    return [*(f"missing: {line}" for line in lines), *map(first_line, unscored)]


def _print(done: StudyResult) -> None:
    if done.outputs is not None and done.outputs.headlines:
        typer.echo("")
        for headline in done.outputs.headlines:
            typer.echo(f"{headline.value:>6}  {headline.label}")
            typer.echo(f"{'':8}({headline.detail})")
    for line in missing_lines(done):
        note(line)
    for failure in done.failed:
        note(f"failed: {failure.label}: {failure.error}: {first_line(failure.message)}")
    if done.blocked:
        many = "1 task was" if done.blocked == 1 else f"{done.blocked} tasks were"
        note(f"{many} not tried, since one that they need failed")
    if not done.complete:
        note("what is there is kept; run again to try what is missing")
    if done.outputs is not None:
        typer.echo(f"\nreport: {done.outputs.report}")
