"""How results are printed: tables on a terminal, tab-separated lines in a pipe, JSON on request."""

from __future__ import annotations

import json
import math
import shlex
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal

import typer

if TYPE_CHECKING:
    import pandas as pd

_NARROWEST = 40
_CELL_MARGINS = 3
"""What a table takes beside the text of a cell: a space on either side, and one between columns."""
_HARD_SPACE = "\N{NO-BREAK SPACE}"
_NAME_ENDS = ",[|"
"""After these a printable name may go on in the next line."""
JSON_HELP = "Print JSON on standard output, and nothing else there."


def by_reason(found: Iterable[tuple[str, str]]) -> list[str]:
    """Lines of (what, reason): all that have one reason stand in one line, each once.

    >>> by_reason([("model a", "no file"), ("model b", "no file"), ("data c", "no labels")])
    ['model a, model b: no file', 'data c: no labels']
    """
    whats: dict[str, dict[str, None]] = {}
    for what, reason in found:
        whats.setdefault(reason, {})[what] = None
    return [f"{', '.join(names)}: {reason}" for reason, names in whats.items()]


def print_json(value: Any) -> None:
    """Print strict JSON; a number that is not finite must have been made null by the caller."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def on_terminal() -> bool:
    """Whether results go to a terminal, not into a file or a pipe."""
    return sys.stdout.isatty()


def shown_name(name: str) -> str:
    """A printable name: for a shell on a terminal, as it is in a pipe."""
    return shlex.quote(name) if on_terminal() else name


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    title: str | None = None,
    whole: Sequence[str] = (),
    numbers: Sequence[str] = (),
    names: str | None = None,
) -> None:
    """Print a table on a terminal, and tab-separated lines below a header line elsewhere.

    On a narrow terminal, cells of columns that are not in `whole` go over several lines. The
    columns in `numbers` are set flush right. Long names in the column `names` are broken where a
    parameter ends; where even then there is no room, every row becomes a paragraph below its name.
    """
    if not on_terminal():
        for cells in (columns, *rows):
            typer.echo("\t".join(cells))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if names is not None:
        rows = _names_folded(columns, rows, names, console.width)
        if _table_width(columns, rows) > console.width:
            heading = f"{title}\n" if title else ""
            typer.echo(heading + _paragraphs(columns, rows, names, console.width))
            return
    table = Table(box=SIMPLE_HEAD, title=title, title_justify="left", title_style="bold cyan")
    for column in columns:
        side: Literal["left", "right"] = "right" if column in numbers else "left"
        table.add_column(column, overflow="fold", no_wrap=column in whole, justify=side)
    for cells in rows:
        # Text, since square brackets in a string would be taken for markup.
        table.add_row(*map(Text, cells))
    console.print(table)


def _names_folded(
    columns: Sequence[str], rows: Sequence[Sequence[str]], names: str, width: int
) -> list[list[str]]:
    """The rows with long names on several lines, so that the other columns keep theirs whole."""
    place = list(columns).index(names)
    others = [cells[:place] + cells[place + 1 :] for cells in map(list, (columns, *rows))]
    left = width - _table_width(others[0], others[1:]) - _CELL_MARGINS
    folded = [list(cells) for cells in rows]
    for cells in folded:
        cells[place] = fold_name(cells[place], max(_NARROWEST // 2, left))
    return folded


def _table_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """How wide a terminal must be for every line of every cell."""
    lines = [
        [line for cell in column for line in cell.split("\n")]
        for column in zip(columns, *rows, strict=True)
    ]
    return sum(max(map(len, column)) + _CELL_MARGINS for column in lines) + 1


def _paragraphs(
    columns: Sequence[str], rows: Sequence[Sequence[str]], names: str, width: int
) -> str:
    """For every row its name, and below it what the other columns hold, each after its header."""
    place = list(columns).index(names)
    paragraphs = []
    for cells in rows:
        # A name in one line can be copied, however narrow the terminal.
        name = "".join(line.strip() for line in cells[place].split("\n"))
        pairs = [
            f"{column} {cell}".replace(" ", _HARD_SPACE)
            for column, cell in zip(columns, cells, strict=True)
            if column != names and cell
        ]
        text = textwrap.fill("   ".join(pairs), width, initial_indent="  ", subsequent_indent="  ")
        paragraphs.append(f"{name}\n{text.replace(_HARD_SPACE, ' ')}")
    return "\n".join(paragraphs)


def fold_name(name: str, width: int) -> str:
    """A printable name over several lines, broken where a parameter ends.

    >>> print(fold_name("cka[kernel=linear,debiased=true]@1", 20))
    cka[kernel=linear,
      debiased=true]@1
    """
    lines = [""]
    for piece in _pieces(name):
        if len(lines[-1]) + len(piece) > width and lines[-1].strip():
            lines.append("  ")
        lines[-1] += piece
    return "\n".join(lines)


def _pieces(name: str) -> list[str]:
    pieces = [""]
    for character in name:
        pieces[-1] += character
        if character in _NAME_ENDS:
            pieces.append("")
    return [piece for piece in pieces if piece]


def fit(text: str, width: int) -> str:
    """Wrap a text for a terminal: plain paragraphs anew, other long lines below their beginning."""
    if width < _NARROWEST:
        return text
    return "\n\n".join(_fit_paragraph(part.splitlines(), width) for part in text.split("\n\n"))


def _fit_paragraph(lines: list[str], width: int) -> str:
    if all(len(line) <= width for line in lines):
        return "\n".join(lines)
    if _indent(lines[0]) == "" and all(map(_indent, lines[1:])) and len(lines) > 1:
        # A heading, and what stands below it.
        return f"{textwrap.fill(lines[0], width)}\n{_fit_paragraph(lines[1:], width)}"
    laid_out = len({*map(_indent, lines)}) > 1 or any("  " in line.strip() for line in lines)
    if not laid_out:
        indent = _indent(lines[0])
        return _wrapped(" ".join(line.strip() for line in lines), width, indent, indent)
    return "\n".join(
        _wrapped(line.strip(), width, _indent(line), f"{_indent(line)}  ") for line in lines
    )


def _wrapped(text: str, width: int, first: str, further: str) -> str:
    return textwrap.fill(
        text,
        width,
        initial_indent=first,
        subsequent_indent=further,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _indent(line: str) -> str:
    return " " * (len(line) - len(line.lstrip()))


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
