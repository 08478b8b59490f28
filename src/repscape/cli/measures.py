"""`repscape measures`: what measures there are, and everything about one of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from shutil import get_terminal_size
from typing import Annotated, Any

import typer

from repscape.cli.output import (
    JSON_HELP,
    finite_or_none,
    fit,
    fold_name,
    note,
    on_terminal,
    print_json,
    print_table,
    shown_name,
)
from repscape.errors import InvalidParameterError
from repscape.papers import PAPERS, get_paper


def measures(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Explain this measure: formula, parameters, pitfalls."),
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="FAMILY", help="Only this family, e.g. alignment.")
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(metavar="PAPER", help=f"The set that a paper used: {', '.join(PAPERS)}."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """List the measures by family, or explain one of them.

    repscape measures cka, or with parameters: repscape measures 'cka[kernel=rbf]'
    """
    if name is not None:
        if family is not None or paper is not None:
            raise InvalidParameterError("give a NAME, or --family and --paper, not both")
        _describe(name, as_json)
        return
    from repscape.catalogue import records

    rows = records(family, paper)
    study = None if paper is None else get_paper(paper)
    left_out = {} if study is None else dict(study.left_out)
    if as_json:
        listed = [_without_infinities(row) for row in rows]
        print_json({"paper": study and study.title, "measures": listed, "left_out": left_out})
        return
    if study is not None:
        _note_fitting(f"{study.title} ({study.source}). {study.notes}".rstrip())
    _print_families(rows, study is not None)
    for what, reason in left_out.items():
        _note_fitting(f"left out: {what}: {reason}")


def _note_fitting(text: str) -> None:
    note(fit(text, get_terminal_size().columns) if on_terminal() else text)


def _describe(name: str, as_json: bool) -> None:
    from repscape.catalogue import describe_measure, measure_card, ordered_invariances

    if not as_json:
        text = describe_measure(name)
        typer.echo(fit(text, get_terminal_size().columns) if on_terminal() else text)
        return
    card = measure_card(name)
    spec = card.declared
    low, high = spec.range
    print_json(
        {
            "measure": card.name,
            "family": spec.family,
            "kind": spec.kind,
            "low": finite_or_none(low),
            "high": finite_or_none(high),
            "symmetric": spec.symmetric,
            "metric": spec.metric,
            "invariances": ordered_invariances(spec),
            "minimum_n": spec.minimum_n,
            "chance": spec.chance,
            "cost": spec.cost,
            "summary": spec.summary,
            "formula": spec.formula,
            "definition": card.definition,
            "parameters": [asdict(parameter) for parameter in card.parameters],
            "aliases": card.aliases,
            "transforms": card.transforms,
            "pitfalls": spec.pitfalls,
            "citation": asdict(spec.citation),
        }
    )


def _without_infinities(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, **{side: finite_or_none(row[side]) for side in ("low", "high")}}


def _print_families(rows: list[dict[str, Any]], of_paper: bool) -> None:
    """By family, two lines each, on a terminal; everything in one table elsewhere."""
    if not on_terminal():
        print_table(_COLUMNS, [_cells(row) for row in rows])
        return
    if not rows:
        return
    from rich.console import Console
    from rich.padding import Padding
    from rich.text import Text

    console = Console(highlight=False)
    entries = [_entry(row, of_paper) for row in rows]
    widths = [max(map(len, column)) for column in zip(*(e.facts for e in entries), strict=True)]
    families = list(dict.fromkeys(entry.family for entry in entries))
    shown = ""
    for entry in sorted(entries, key=lambda entry: families.index(entry.family)):
        if entry.family != shown:
            console.print(Text(f"\n{entry.family}", style="bold cyan"))
            shown = entry.family
        cells = [cell.ljust(width) for cell, width in zip(entry.facts, widths, strict=True)]
        head, below = ("  ".join(["", *cells]).rstrip(), entry.further)
        if of_paper:
            head, below = f"  {entry.name}", f"{head.strip()}  {entry.further}"
        console.print(Text(fold_name(head, console.width)), soft_wrap=True)
        console.print(Padding(Text(below, style="dim"), (0, 0, 0, 6)))
    console.print(Text(f"\n{_ABOUT_PAPER if of_paper else _ABOUT_ALL}\n{_LEGEND}"))


_COLUMNS = (
    "measure",
    "family",
    "kind",
    "range",
    "invariant to",
    "minimum n",
    "by chance",
    "cost",
    "source",
)
_LETTERS = {
    "orthogonal": "O",
    "permutation": "P",
    "isotropic_scaling": "S",
    "translation": "T",
    "invertible_linear": "L",
}
_ABOUT_ALL = """\
Each with its range, what does not change it, the fewest samples and its source;
below, its parameters where none are given, and its cost."""
_ABOUT_PAPER = """\
Below each: its range, what does not change it, the fewest samples, source and cost."""
_LEGEND = """\
↑ larger is more alike, ↓ smaller is more alike
O orthogonal maps of the features, P permutations, S scaling all by one factor,
T translation, L invertible linear maps
More on one of them: repscape measures NAME; what a study used: --paper NAME"""


def _cells(row: dict[str, Any]) -> list[str]:
    from repscape.catalogue import format_range

    return [
        shown_name(row["measure"]),
        row["family"],
        row["kind"],
        format_range(row["low"], row["high"]),
        ", ".join(name.replace("_", " ") for name in row["invariances"]),
        str(row["minimum_n"]),
        row["chance"] or "",
        row["cost"],
        row["citation"],
    ]


@dataclass(frozen=True)
class _Entry:
    """What a terminal shows of a measure: facts in columns, and the rest below."""

    family: str
    name: str
    facts: list[str]
    further: str


def _entry(row: dict[str, Any], of_paper: bool) -> _Entry:
    name, family, kind, span, _, minimum_n, _, cost, source = _cells(row)
    arrow = "↑" if kind == "similarity" else "↓"
    letters = "".join(_LETTERS[invariance] for invariance in row["invariances"])
    facts = [arrow, span, letters, minimum_n, source]
    if of_paper:
        return _Entry(family, name, facts, f"cost {cost}")
    bare, _, rest = row["measure"].partition("[")
    parameters = rest.rpartition("]")[0].replace(",", ", ")
    further = f"{parameters}; cost {cost}" if parameters else f"cost {cost}"
    return _Entry(family, name, [bare.partition("@")[0], *facts], further)
