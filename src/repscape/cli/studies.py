"""`repscape studies`: the built-in studies, and one of them to copy."""

from __future__ import annotations

from typing import Annotated

import typer

from repscape.cli.output import print_table

app = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def studies(context: typer.Context) -> None:
    """List the built-in studies; `studies show NAME` prints one."""
    if context.invoked_subcommand is not None:
        return
    from repscape.studies.builtin_studies import builtin_names
    from repscape.studies.load import load_study

    found = [load_study(name) for name in builtin_names()]
    print_table(
        ("study", "models", "what it asks"),
        [
            [one.name, str(len(one.models)), " ".join((one.file.question or one.title).split())]
            for one in found
        ],
        whole=("study",),
        numbers=("models",),
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A built-in study.")],
) -> None:
    """Print a built-in study file: the beginning of one of your own."""
    from repscape.studies.builtin_studies import builtin_path

    typer.echo(builtin_path(name).read_text(encoding="utf-8").rstrip("\n"))
