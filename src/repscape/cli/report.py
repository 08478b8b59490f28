"""`repscape report`: write tables, figures and report again, from what the store has."""

from __future__ import annotations

import typer

from repscape.cli.output import note
from repscape.cli.run import missing_lines
from repscape.cli.study_options import Out, Settings, StoreFolder, StudyName, read_study


def report(
    study: StudyName, settings: Settings = None, out: Out = None, store: StoreFolder = None
) -> None:
    """Write the outputs of a study again; nothing is computed.

    What the store does not have yet is left out, and the report says so: a look at a run that
    has not ended. Of a folder, the study that was run into it is meant.
    """
    given = read_study(study, settings, out, store, folder_first=True)
    from repscape.store import Store
    from repscape.studies.run import run_study

    kept = Store(given.store, create=False)
    done = run_study(given.study, given.out, kept, only="report")
    assert done.outputs is not None
    for line in missing_lines(done):
        note(line)
    typer.echo(f"report: {done.outputs.report}")
