"""`retries` of a study file: how often a task that failed is tried again in one run."""

from __future__ import annotations

from repscape.execution.outcomes import Event
from repscape.store import Store
from repscape.studies.load import as_study
from repscape.studies.run import run_study
from repscape.studies.yaml_file import parse_source

STUDY = """\
study: failing
models:
  - model: "python:repscape.no_such_module:network"
    options: {revision: one}
data: [{data: digits, split: held_out, subset: {first: 20}}]
measures: [cka]
retries: 2
"""


def test_a_task_is_tried_as_often_as_the_study_says(tmp_path):
    seen: list[str] = []

    def tell(event: Event) -> None:
        if event.task.stage == "extract":
            seen.append(event.what)

    study = as_study(parse_source(STUDY, "s"))
    done = run_study(study, tmp_path / "out", Store(tmp_path / "store"), tell=tell)
    [failure] = done.failed
    assert failure.attempts == 3
    assert (seen.count("started"), seen.count("retried"), seen.count("failed")) == (3, 2, 1)
