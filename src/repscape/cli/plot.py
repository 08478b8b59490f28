"""`repscape plot`: figures of a table of scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repscape.cli.output import JSON_HELP, print_json
from repscape.errors import RepscapeError

if TYPE_CHECKING:
    import pandas as pd


def plot(
    table: Annotated[
        Path, typer.Argument(metavar="TABLE", help="A table of scores: .parquet or .csv.")
    ],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where to write.")] = Path("figures"),
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Draw the figures that a table of scores allows.

    Each as PNG and PDF: heat maps of models and of layers, a map of the models, and the scores
    of pairs by what they have in common. Prints the path of each file.
    """
    from repscape.plots.figures import figures_for
    from repscape.plots.saving import save_figure
    from repscape.tables import read_scores

    written: list[Path] = []
    for symmetric, part in _by_symmetry(read_scores(table)):
        for name, figure in figures_for(part, symmetric=symmetric).items():
            written += save_figure(figure, out / name)
    if as_json:
        print_json({"files": [str(path) for path in written]})
        return
    for path in written:
        typer.echo(str(path))


def _by_symmetry(scores: pd.DataFrame) -> list[tuple[bool, pd.DataFrame]]:
    """The rows of symmetric measures, where (a, b) stands for (b, a) too, and those of others."""
    symmetric = scores["measure"].map(_is_symmetric).astype(bool)
    parts = [(True, scores[symmetric]), (False, scores[~symmetric])]
    return [(value, part) for value, part in parts if len(part)]


def _is_symmetric(measure: str) -> bool:
    """What the measure declares; a table of another program may name measures of its own."""
    from repscape.measures.base import get_measure

    try:
        return get_measure(measure).declared.symmetric
    except RepscapeError:
        return True
