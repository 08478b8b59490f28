"""The arguments that commands about studies share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from repscape.studies.study import Study

StudyName = Annotated[
    str, typer.Argument(metavar="STUDY", help="A study file (.yaml), or a built-in study.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change the study: a dotted path and YAML, e.g. data.0.split=train. Repeatable.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Where outputs go; by default the name of the study."),
]
StoreFolder = Annotated[
    Path | None,
    typer.Option(
        "--store", metavar="DIR", help="Where what is computed is kept; by default OUT/store."
    ),
]


def read_study(name: str, settings: list[str] | None) -> Study:
    """The checked study that the arguments name."""
    from repscape.studies.study import load_study

    return load_study(name, settings or ())


def places(study: Study, out: Path | None, store: Path | None) -> tuple[Path, Path]:
    """The output folder and the folder of the store."""
    folder = Path(study.name) if out is None else out
    return folder, folder / "store" if store is None else store
