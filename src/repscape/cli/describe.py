"""`repscape describe`: what shape does the representation in a file have?"""

from __future__ import annotations

import shlex
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from repscape.cli.output import JSON_HELP, note, print_json, print_table, shown_name
from repscape.errors import InvalidParameterError, UndefinedScoreError

if TYPE_CHECKING:
    import pandas as pd

NO_VALUE = 2

LABELS_HELP = "Labels of the samples: a .npy file, or a text file with one per line."
DESCRIPTOR_HELP = "What to compute, or a preset; may be given several times."


class Duplicates(StrEnum):
    """What to do with rows that equal an earlier one."""

    drop = "drop"
    keep = "keep"
    error = "error"


def describe(
    file: Annotated[str | None, typer.Argument(metavar="FILE", help="The representation.")] = None,
    descriptor: Annotated[
        list[str] | None,
        typer.Option("--descriptor", "-d", metavar="NAME", help=DESCRIPTOR_HELP),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Compute every descriptor, and say why not.")
    ] = False,
    labels: Annotated[
        str | None, typer.Option("--labels", "-l", metavar="FILE", help=LABELS_HELP)
    ] = None,
    duplicates: Annotated[
        Duplicates, typer.Option(help="Drop, keep or refuse rows that equal an earlier one.")
    ] = Duplicates.drop,
    curve: Annotated[
        bool, typer.Option("--curve", help="Print whole curves, not one value of each.")
    ] = False,
    memory_limit: Annotated[
        str | None,
        typer.Option(metavar="SIZE", help="Bytes to hold beyond the input, 1GiB if not given."),
    ] = None,
    listing: Annotated[
        bool, typer.Option("--list", help="Print what descriptors there are, and stop.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help=JSON_HELP)] = False,
) -> None:
    """Estimate the dimension and shape of a representation.

    Files are those of `repscape compare`. Names are quoted, since shells expand brackets;
    without any, a few dimension estimates and the anisotropy are computed:

    repscape describe layer.npy -d gride -d 'label_overlap[k=30]' --labels labels.npy

    Exits with 2 if a descriptor that was named has no value, or with --all if none has one.
    """
    from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
    from repscape.data.files import load
    from repscape.data.labels import load_labels
    from repscape.describe import DEFAULT_DESCRIPTORS
    from repscape.describe import describe as describe_representation
    from repscape.geometry.base import DESCRIPTORS

    if listing:
        _print_list(as_json)
        return
    if file is None:
        raise InvalidParameterError("give the FILE of a representation, or --list")
    names = DESCRIPTORS.names() if everything else descriptor or list(DEFAULT_DESCRIPTORS)
    result = describe_representation(
        load(file),
        names,
        labels=None if labels is None else load_labels(labels),
        duplicates=duplicates.value,
        memory_limit=DEFAULT_MEMORY_LIMIT if memory_limit is None else memory_limit,
    )
    shown = result.table if curve else result.values
    missing = result.values[result.values["reason"].notna()]
    if as_json:
        print_json({"file": file, "descriptors": json_rows(shown)})
    else:
        print_values(shown, missing)
    if len(missing) == len(result.values) or (len(missing) and not everything):
        raise typer.Exit(NO_VALUE)


def _print_list(as_json: bool) -> None:
    """Print the name, the quantity and the scale of every descriptor."""
    from repscape.geometry.base import DESCRIPTORS

    specs = [cls.spec for cls in DESCRIPTORS.classes()]
    columns = ("descriptor", "value", "curve over", "labels", "what it is")
    cells = [
        [s.name, s.quantity, s.scale, "needed" if s.needs_labels else "", s.summary] for s in specs
    ]
    if as_json:
        print_json([dict(zip(columns, row, strict=True)) for row in cells])
    else:
        print_table(columns, cells, whole=("descriptor",))


def json_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a geometry table as what JSON can say; missing is null."""
    return [
        {str(name): _plain(value) for name, value in row.items()}
        for row in table.to_dict(orient="records")
    ]


def print_values(shown: pd.DataFrame, missing: pd.DataFrame) -> None:
    """Print values with their errors and scales, and on standard error why others are missing."""
    if len(shown) == 1 and len(missing) == 1:
        raise UndefinedScoreError(missing["reason"].iloc[0])
    found = shown[shown["value"].notna()]
    if len(found):
        columns = ("descriptor", "value", "± error", "scale", "by chance", "n")
        print_table(columns, [_cells(row) for row in found.to_dict(orient="records")])
    first = shown.iloc[0]
    if first["dropped"]:
        note(f"{first['dropped']} samples equal an earlier one and were dropped")
    for text in dict.fromkeys(found["notes"].dropna()):
        note(str(text))
    for reason, rows in missing.groupby("reason", sort=False):
        names = ", ".join(map(shlex.quote, rows["descriptor"]))
        note(f"no value for {names}: {' '.join(str(reason).split())}")


def _cells(row: dict[Any, Any]) -> list[str]:
    scale = "" if _plain(row["scale"]) is None else f"{row['scale']:g} {row['scale_kind']}"
    return [
        shown_name(row["descriptor"]),
        f"{row['value']:.6g}",
        _number(row["standard_error"], ".2g"),
        scale,
        _number(row["chance"], ".4g"),
        str(row["n"]),
    ]


def _number(value: Any, how: str) -> str:
    plain = _plain(value)
    return "" if plain is None else format(plain, how)


def _plain(value: Any) -> Any:
    """A cell as a plain value; None where it is missing."""
    import pandas as pd

    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value
