"""`repscape validate`: check a study file without running anything."""

from __future__ import annotations

import typer

from repscape.cli.study_options import Settings, StudyName, read_study


def validate(study: StudyName, settings: Settings = None) -> None:
    """Check a study file without running it.

    Keys, names of measures and steps, options, products. Prints one line for each thing that is
    wrong: file, line, column, and the mend. Models and data are not opened: `repscape plan`
    does that.
    """
    checked = read_study(study, settings).study
    counts = [
        (len(checked.models), "model"),
        (len(checked.data), "data set"),
        (len(checked.measures), "measure"),
        (len(checked.descriptors), "descriptor"),
    ]
    words = ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts if n)
    typer.echo(f"{checked.source.name}: fine: study {checked.name!r} of {words}")
