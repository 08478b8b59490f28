"""A study whose stages ask for a GPU finds what the study on the CPU finds."""

from __future__ import annotations

import pandas as pd
import pytest

from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.run import run_study

pytestmark = pytest.mark.gpu

PLAIN = ("figures=[]", "report=[]")
ON_GPU = (
    *PLAIN,
    "extract.device=cuda",
    "compare.device=cuda",
    "describe.device=cuda",
    "resources.extract.gpus=1",
    "resources.compare.gpus=1",
    "resources.describe.gpus=1",
)


def test_the_micro_study(tmp_path):
    store = Store(tmp_path / "store")
    run_study(load_study("micro", PLAIN), tmp_path / "cpu", store)
    again = Store(tmp_path / "other")
    found = run_study(load_study("micro", ON_GPU), tmp_path / "gpu", again, "processes")
    assert not found.failed
    here, there = (
        pd.read_parquet(tmp_path / side / "tables" / "scores.parquet") for side in ("cpu", "gpu")
    )
    assert len(here) == len(there) > 0
    assert there["value"].tolist() == pytest.approx(here["value"].tolist(), abs=1e-3)
