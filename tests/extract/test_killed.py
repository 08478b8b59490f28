"""Twenty times SIGKILL while texts are extracted by length."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from killed_texts import SAMPLES, SHARD_ROWS, computed

from repscape.store import Store

KILLS = 20


@pytest.mark.slow
def test_twenty_kills_leave_the_bytes_of_an_uninterrupted_run(tmp_path):
    folder = Path(__file__).parent
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-c", "import killed_texts; killed_texts.main()"]
    subprocess.run(
        [*command, str(tmp_path), str(KILLS)],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=600,
    )
    whole, killed = (
        {str(p.relative_to(tmp_path / name)): p.read_bytes() for p in files}
        for name in ("whole", "killed")
        for files in [sorted((tmp_path / name).rglob("*.safetensors"))]
    )
    assert len(whole) > 6 * (SAMPLES // SHARD_ROWS)
    assert killed == whole
    assert Store(tmp_path / "killed").verify() == []
    repeated = computed(tmp_path / "killed.log") - computed(tmp_path / "whole.log")
    assert 0 < repeated <= KILLS * SHARD_ROWS
