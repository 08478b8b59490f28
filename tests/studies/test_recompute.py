"""The command that computes a file again, where the study names files by relative paths."""

from __future__ import annotations

import json

from repscape.studies.provenance import Provenance
from repscape.studies.recompute import recompute_command
from repscape.studies.yaml_file import parse_source
from repscape.tasks import digest_json

STUDY = """\
study: mine
models: [{model: "hf:gpt2"}]
data: [{data: "text:sentences.txt"}]
measures: [cka]
"""


def test_it_goes_to_where_the_run_was_started_if_the_study_names_files_that_lie_there(tmp_path):
    home, out = tmp_path / "my work", tmp_path / "out"
    home.mkdir()
    (out / "tables").mkdir(parents=True)
    (out / "study.yaml").write_text(STUDY)
    started = {"study": "mine", "store": "store", "started_in": "../my work", "tasks": []}
    (out / "tasks.json").write_text(json.dumps(started))
    digest = digest_json(parse_source(STUDY, "s").content)
    known = Provenance("tables/scores.csv", "mine", digest, "", {}, {}, {})
    run = f"repscape run {out}/study.yaml --out {out}"
    assert recompute_command(out / "tables" / "scores.csv", known) == run
    (home / "sentences.txt").write_text("One.\n")
    assert recompute_command(out / "tables" / "scores.csv", known) == f"cd '{home}' && {run}"
