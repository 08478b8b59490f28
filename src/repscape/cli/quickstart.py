"""`repscape quickstart`: from nothing to compared networks and a report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from repscape.cli.output import JSON_HELP, note, print_json


def quickstart(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("quickstart"),
    store: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to keep what is computed, OUT/store if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Train twelve small networks, compare them, write a report.

    The data are the handwritten digits of scikit-learn: nothing is downloaded. Takes about two
    minutes on two cores. What is computed is kept: run again, it takes seconds.
    """
    from repscape.studies.quickstart import run

    done = run(out=out, store=store, tell=note if as_json else typer.echo)
    if as_json:
        headlines = [asdict(finding) for finding in done.headlines]
        print_json({"report": str(done.report), "made": done.made, "headlines": headlines})
        return
    typer.echo("")
    for headline in done.headlines:
        typer.echo(f"{headline.value:>6}  {headline.label}")
        typer.echo(f"{'':8}({headline.detail})")
    typer.echo(f"\nreport: {done.report}")
