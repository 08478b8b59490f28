"""SIGKILL, again and again, while texts are extracted by length."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from killed_texts import SAMPLES, SHARD_ROWS, computed

from repscape.store import Store

KILLS = 20
KILLS_OF_SEVERAL = 2


def killed_and_resumed(root: Path, kills: int, *devices: str) -> int:
    """Extract with kills, to the shards of one run; return how many samples were repeated."""
    folder = Path(__file__).parent
    path = os.pathsep.join([str(folder), *sys.path])
    command = [sys.executable, "-c", "import killed_texts; killed_texts.main()"]
    subprocess.run(
        [*command, str(root), str(kills), *devices],
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=600,
    )
    whole, killed = (
        {str(p.relative_to(root / name)): p.read_bytes() for p in files}
        for name in ("whole", "killed")
        for files in [sorted((root / name).rglob("*.safetensors"))]
    )
    assert len(whole) > 6 * (SAMPLES // SHARD_ROWS)
    assert killed == whole
    assert Store(root / "killed").verify() == []
    assert not list((root / "killed").rglob("*.tmp.*"))
    return computed(root / "killed.log") - computed(root / "whole.log")


@pytest.mark.slow
def test_twenty_kills_leave_the_bytes_of_an_uninterrupted_run(tmp_path):
    assert 0 < killed_and_resumed(tmp_path, KILLS) <= KILLS * SHARD_ROWS


@pytest.mark.slow
def test_killing_one_of_several_processes_or_the_one_that_started_them(tmp_path):
    """At most a shard is repeated of each process (a window is a shard here)."""
    devices = ("cpu", "cpu:0")
    most = KILLS_OF_SEVERAL * len(devices) * SHARD_ROWS
    assert 0 < killed_and_resumed(tmp_path, KILLS_OF_SEVERAL, *devices) <= most
