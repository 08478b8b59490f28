"""`repscape closer`: is A closer to B than to C?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from repscape.cli import chance
from repscape.cli.output import JSON_HELP, note, print_json, print_table


def closer(
    a: Annotated[str, typer.Argument(metavar="A", help="The file that is asked about.")],
    b: Annotated[str, typer.Argument(metavar="B", help="One file, of the same samples.")],
    c: Annotated[str, typer.Argument(metavar="C", help="The other.")],
    measure: Annotated[
        str, typer.Option("--measure", "-m", metavar="NAME", help="What to compute.")
    ] = "cka",
    permutations: chance.PermutationCount = None,
    groups: chance.Groups = None,
    blocks: chance.Blocks = None,
    seed: Annotated[int, typer.Option(help="Of the random pairings and the intervals.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Test whether file A is closer to file B than to file C.

    p is that of "A is no closer to B than to C", by leaving out the same samples from all three
    (a paired jackknife); the interval is that of the difference. The difference of the effects
    takes away what chance gives each.

    repscape closer a.npy b.npy c.npy -m 'mutual_knn[k=20]'
    """
    from repscape.data.files import load
    from repscape.significance.questions import closer as ask

    found = ask(
        load(a),
        load(b),
        load(c),
        measure,
        n_permutations=chance.how_many(permutations),
        seed=seed,
        groups=groups,
        blocks=blocks,
    )
    if as_json:
        print_json({"a": a, "b": b, "c": c, **asdict(found)})
        return
    if found.interval.reason is not None:
        note(found.interval.reason)
    effects = "-" if found.calibrated_difference is None else f"{found.calibrated_difference:.4g}"
    interval = f"{found.interval.low:.4g} … {found.interval.high:.4g}"
    print_table(
        ("measure", "A, B", "A, C", "B closer by", "95% interval", "p", "in effects", "n"),
        [
            [
                found.measure,
                f"{found.value_b:.6g}",
                f"{found.value_c:.6g}",
                f"{found.difference:.4g}",
                interval,
                f"{found.p_value:.3g}",
                effects,
                str(found.n),
            ]
        ],
    )
