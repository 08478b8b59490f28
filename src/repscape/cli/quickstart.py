"""`repscape quickstart`: from nothing to compared networks and a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repscape.cli.output import JSON_HELP
from repscape.cli.run import run_and_tell


def quickstart(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("quickstart"),
    store: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Where to keep what is computed, OUT/store if not given."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Train twelve small networks, compare them, write a report.

    The same as `repscape run quickstart`. The data are the handwritten digits of scikit-learn:
    nothing is downloaded. Takes a few minutes on two cores. What is computed is kept: run
    again, it takes seconds.
    """
    run_and_tell("quickstart", None, out, store, as_json)
