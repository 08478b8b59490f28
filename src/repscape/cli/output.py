"""How results are printed: tables on a terminal, tab-separated lines in a pipe, JSON on request."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd

JSON_HELP = "Print JSON on standard output, and nothing else there."


def print_json(value: Any) -> None:
    """Print strict JSON; a number that is not finite must have been made null by the caller."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def on_terminal() -> bool:
    """Whether results go to a terminal, not into a file or a pipe."""
    return sys.stdout.isatty()


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str | None = None,
    whole: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> None:
    """Print a table on a terminal, and tab-separated lines below a header line elsewhere.

    On a narrow terminal, cells of columns that are not in `whole` go over several lines. The
    columns in `numbers` are set flush right.
    """
    if not on_terminal():
        for cells in (columns, *rows):
            typer.echo("\t".join(cells))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold cyan")
    for column in columns:
        side: Literal["left", "right"] = "right" if column in numbers else "left"
        table.add_column(column, overflow="fold", no_wrap=column in whole, justify=side)
    for cells in rows:
        # Text, since square brackets in a string would be taken for markup.
        table.add_row(*map(Text, cells))
    Console().print(table)


def note(text: str) -> None:
    """Print a message for people, on standard error."""
    typer.echo(text, err=True)


def plain_records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as JSON can say them: null for what is missing."""
    rows = table.astype(object).where(table.notna(), None).to_dict("records")
    return [{str(name): value for name, value in row.items()} for row in rows]


def finite_or_none(value: float) -> float | None:
    """What JSON can say of a number: null for one that is missing or unbounded."""
    return float(value) if math.isfinite(value) else None
