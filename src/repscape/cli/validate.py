"""`repscape validate`: check a study file without running anything."""

from __future__ import annotations

import typer

from repscape.cli.output import note
from repscape.cli.study_options import Settings, StudyName, say_unchecked


def validate(study: StudyName, settings: Settings = None) -> None:
    """Check a study file without running it.

    Keys, names of measures and steps, options, products; sources and splits of data that lie
    here, sources of models, and their layers where the configuration of a model is at hand.
    Prints one line for each thing that is wrong: file, line, column, and the mend. No weights
    are read, no sample is decoded.
    """
    from repscape.studies.load import checked
    from repscape.studies.look import look
    from repscape.studies.places import find_study
    from repscape.studies.problems import Problems
    from repscape.studies.yaml_file import read_source, with_settings

    problems = Problems()
    source = with_settings(read_source(find_study(study).file), settings or ())
    found = checked(source, problems)
    looked = look(found, problems)
    problems.raise_all()
    for one in looked.absent:
        note(f"not at hand: {one.place}: {one.reason}")
    for line in looked.unscored:
        note(line)
    say_unchecked(looked.unchecked)
    counts = [
        (len(found.models), "model"),
        (len(found.data), "data set"),
        (len(found.measures), "measure"),
        (len(found.descriptors), "descriptor"),
    ]
    words = ", ".join(f"{n} {what}{'' if n == 1 else 's'}" for n, what in counts if n)
    typer.echo(f"{source.name}: fine: study {found.name!r} of {words}")
