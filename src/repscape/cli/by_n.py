"""`repscape by-n`: does a score depend on the number of samples?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from repscape.cli import chance
from repscape.cli.output import JSON_HELP, note, plain_records, print_json, print_table

_HEAD = ("n", "score", "95% interval", "chance", "effect", "p")


def by_n(
    x: Annotated[str, typer.Argument(metavar="A", help="One file.")],
    y: Annotated[str, typer.Argument(metavar="B", help="Another, of the same samples.")],
    measure: Annotated[
        str, typer.Option("--measure", "-m", metavar="NAME", help="What to compute.")
    ] = "cka",
    size: Annotated[
        list[str] | None,
        typer.Option(
            "--size",
            "-n",
            metavar="N",
            help="Samples; repeat it for more sizes (n/8, n/4, n/2, n if not given).",
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Random subsets of each size.")] = 10,
    permutations: chance.PermutationCount = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the subsets and the random pairings.")] = 0,
    figure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Also draw it, as FILE.png and FILE.pdf.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Score growing subsets of the samples, beside chance.

    A score that changes with n says as much about n as about the representations; its effect (0
    chance, 1 perfect) tells what is left. Score and effect are means over the subsets of a size;
    chance and p are those of the first of them.

    repscape by-n a.npy b.npy -m 'mutual_knn[k=10]'
    """
    from repscape.data.files import load
    from repscape.plots.curves import score_by_n_figure
    from repscape.plots.saving import save_figure
    from repscape.significance.questions import dependence_on_n

    sizes = None if size is None else [_size(text) for text in size]
    found = dependence_on_n(
        load(x),
        load(y),
        measure,
        sizes,
        repeats=repeats,
        n_permutations=chance.how_many(permutations),
        seed=seed,
    )
    if figure is not None:
        save_figure(score_by_n_figure(found), figure.with_suffix(""))
    records = plain_records(found)
    if as_json:
        print_json({"a": x, "b": y, "sizes": records})
        return
    rows = [
        [
            str(row["n"]),
            _number(row["value"]),
            f"{_number(row['interval_low'])} … {_number(row['interval_high'])}",
            _number(row["null_mean"]),
            _number(row["effect"]),
            _number(row["p_value"], 3),
        ]
        for row in records
    ]
    for row in records:
        if row["interval_reason"] is not None:
            note(f"n={row['n']}: {row['interval_reason']}")
    print_table(_HEAD, rows, title=str(found["measure"].iloc[0]), numbers=_HEAD)


def _size(text: str) -> int:
    from repscape.errors import InvalidParameterError

    if not text.strip().isdecimal():
        raise InvalidParameterError(
            f"-n {text!r}: give one whole number, and repeat -n for more sizes, as in -n 20 -n 40"
        )
    return int(text)


def _number(value: object, digits: int = 4) -> str:
    return "-" if value is None else f"{value:.{digits}g}"
