"""The arguments that commands about studies share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from repscape.cli.output import by_reason, note

if TYPE_CHECKING:
    from repscape.studies.look_at_layers import Unchecked
    from repscape.studies.study import Study

StudyName = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A study file (.yaml), a built-in study, or the folder of a run."
    ),
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


@dataclass(frozen=True)
class Given:
    """The checked study that the arguments name, its output folder and the folder of its store."""

    study: Study
    out: Path
    store: Path


def read_study(
    name: str,
    settings: list[str] | None,
    out: Path | None = None,
    store: Path | None = None,
    folder_first: bool = False,
) -> Given:
    """The study that the arguments name, and where its outputs and its store are."""
    from repscape.studies.load import load_study
    from repscape.studies.places import find_study

    named = find_study(name, folder_first)
    study = load_study(str(named.file), settings or ())
    if out is None and named.out is not None:
        return Given(study, named.out, store or named.store or named.out / "store")
    folder = Path(study.name) if out is None else out
    return Given(study, folder, store or folder / "store")


def say_unchecked(models: Sequence[Unchecked]) -> None:
    """Name the models whose layers could not be checked, and why."""
    for line in by_reason([(one.model, one.reason) for one in models]):
        note(f"layers not checked: {line}")
