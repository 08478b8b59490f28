"""What is broken is named; the rest of a study of geometry goes on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from repscape.data.protein_families import protein_families
from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.run import run_study

pytest.importorskip("transformers", reason="the extra 'hub' is not installed")

TEXT = """
study: broken
models:
  - {train: pretrained_transformer, name: esm,
     options: {family: esm, layers: 2, width: 8, heads: 2, steps: 1}}
  - {model: "hf:./no-such-checkpoint", name: gone}
data:
  - {name: proteins, data: "fasta:FOLDER/good.fasta"}
  - {name: strange, data: "fasta:FOLDER/strange.fasta"}
layers: [embeddings, "block.*"]
descriptors: [gride, "label_overlap[k=10]"]
figures: []
report: []
analyses: [peak_and_labels]
"""


def test_unlabelled_data_unknown_residues_and_a_missing_checkpoint(tmp_path: Path) -> None:
    proteins = [f">{p.id}\n{p.sequence}\n" for p in protein_families(6, 10)]
    (tmp_path / "good.fasta").write_text("".join(proteins))
    (tmp_path / "strange.fasta").write_text("".join([*proteins, ">odd\nMKV7LAG\n"]))
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.replace("FOLDER", str(tmp_path)))
    done = run_study(load_study(str(path)), tmp_path / "out", Store(tmp_path / "store"))
    assert not done.complete
    said = " ".join([*map(str, done.missing), *(str(failure) for failure in done.failed)])
    assert "no-such-checkpoint" in said
    assert "residues that the model does not know" in said
    assert "sample 'odd'" in said.replace("\\", "")
    geometry = pd.read_parquet(tmp_path / "out" / "tables" / "geometry.parquet")
    assert set(geometry["data"]) == {"proteins"}
    dimension = geometry[geometry["quantity"] == "dimension"]
    assert dimension["value"].notna().any()
    overlap = geometry[geometry["descriptor"].str.startswith("label_overlap")]
    assert overlap["value"].isna().all()
    assert overlap["reason"].str.contains("label").all()
