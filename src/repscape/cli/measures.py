"""`repscape measures`: what measures there are, and everything about one of them."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from typing import Annotated, Any

import typer

from repscape.cli.output import (
    JSON_HELP,
    finite_or_none,
    note,
    on_terminal,
    print_json,
    print_table,
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
        note(f"{study.title} ({study.source}). {study.notes}".rstrip())
    _print_families(rows)
    for what, reason in left_out.items():
        note(f"left out: {what}: {reason}")


def _describe(name: str, as_json: bool) -> None:
    from repscape.catalogue import describe_measure, measure_card, ordered_invariances

    if not as_json:
        typer.echo(describe_measure(name))
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


def _print_families(rows: list[dict[str, Any]]) -> None:
    """One short table per family on a terminal; everything in one table elsewhere."""
    if not on_terminal():
        print_table(_COLUMNS, [_cells(row) for row in rows])
        return
    for family in dict.fromkeys(row["family"] for row in rows):
        members = [_short_cells(row) for row in rows if row["family"] == family]
        print_table(_SHORT_COLUMNS, members, title=family, whole=("range", "↕", "same", "n ≥"))
    typer.echo(_LEGEND)


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
_SHORT_COLUMNS = ("measure", "↕", "range", "same", "n ≥", "cost", "source")
_LETTERS = {
    "orthogonal": "O",
    "permutation": "P",
    "isotropic_scaling": "S",
    "translation": "T",
    "invertible_linear": "L",
}
_LEGEND = """\
↕     ↑ larger is more alike, ↓ smaller is more alike
same  what does not change the score: O orthogonal maps of the features, P permutations,
      S scaling all by one factor, T translation, L invertible linear maps
More on one of them: repscape measures NAME"""


def _cells(row: dict[str, Any]) -> list[str]:
    from repscape.catalogue import format_range

    return [
        shlex.quote(row["measure"]),
        row["family"],
        row["kind"],
        format_range(row["low"], row["high"]),
        ", ".join(name.replace("_", " ") for name in row["invariances"]),
        str(row["minimum_n"]),
        row["chance"] or "",
        row["cost"],
        row["citation"],
    ]


def _short_cells(row: dict[str, Any]) -> list[str]:
    name, _, kind, span, _, minimum_n, _, cost, source = _cells(row)
    arrow = "↑" if kind == "similarity" else "↓"
    letters = "".join(_LETTERS[name] for name in row["invariances"])
    return [name, arrow, span, letters, minimum_n, cost, source]
