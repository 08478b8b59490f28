"""The command `repscape`: its commands, and what becomes of errors."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from repscape import __version__
from repscape.cli.by_n import by_n
from repscape.cli.closer import closer
from repscape.cli.compare import compare
from repscape.cli.describe import describe
from repscape.cli.extract import extract
from repscape.cli.groups import groups
from repscape.cli.inspect import inspect
from repscape.cli.measures import measures
from repscape.cli.plan import plan
from repscape.cli.plot import plot
from repscape.cli.profile import profile
from repscape.cli.quickstart import quickstart
from repscape.cli.report import report
from repscape.cli.run import run
from repscape.cli.status import status
from repscape.cli.studies import app as studies
from repscape.cli.trace import trace
from repscape.cli.validate import validate
from repscape.errors import RepscapeError

BAD_INPUT = 2
INTERRUPTED = 130


class _Commands(TyperGroup):
    """The commands; after Ctrl-C one line says what is kept, as far as that is known."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            notes = getattr(interruption, "__notes__", [])
            typer.echo(": ".join(["interrupted", *notes]), err=True)
            raise typer.Exit(INTERRUPTED) from interruption


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 done; 2 wrong usage or input; 1 unexpected; 130 interrupted.",
)
COMMANDS: tuple[Callable[..., None], ...] = (
    quickstart,
    validate,
    plan,
    run,
    status,
    report,
    trace,
    extract,
    inspect,
    compare,
    closer,
    by_n,
    groups,
    describe,
    profile,
    measures,
    plot,
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(studies, name="studies")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"repscape {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Measure what neural networks represent, and how alike two of them are."""


def main() -> NoReturn:
    """Run the command line and exit: 0 done, 2 wrong usage or input, 130 interrupted.

    An error that Repscape raises on purpose, or one of the operating system (a full disk, a
    folder that may not be written), is told in one message; anything else is a bug and shows
    its traceback with exit code 1.
    """
    try:
        app(prog_name="repscape")
    except (RepscapeError, OSError) as problem:
        typer.echo(f"error: {problem}", err=True)
        sys.exit(BAD_INPUT)
    sys.exit(0)
