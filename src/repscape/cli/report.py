"""`repscape report`: write tables, figures and report again, from what the store has."""

from __future__ import annotations

import typer

from repscape.cli.output import note
from repscape.cli.progress import first_line
from repscape.cli.study_options import Out, Settings, StoreFolder, StudyName, places, read_study


def report(
    study: StudyName, settings: Settings = None, out: Out = None, store: StoreFolder = None
) -> None:
    """Write the outputs of a study again; nothing is computed.

    What the store does not have yet is left out, and the report says so: a look at a run that
    has not ended.
    """
    checked = read_study(study, settings)
    from repscape.store import Store
    from repscape.studies.builtin_studies import builtin_names
    from repscape.studies.run import recompute_command, run_study

    folder, store_folder = places(checked, out, store)
    command = recompute_command(study, settings or (), study in builtin_names())
    kept = Store(store_folder, create=False)
    done = run_study(checked, folder, kept, only="report", command=command)
    assert done.outputs is not None
    for one in done.missing:
        note(f"missing: {one.what}: {first_line(one.reason)}")
    typer.echo(f"report: {done.outputs.report}")
