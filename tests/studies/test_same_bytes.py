"""The same bytes whatever runs the tasks, and with two runs at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from micro import DRAWN, SETTINGS, assert_same, figures, run_micro, scored, tables

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run_micro(folder, settings=DRAWN).complete
    assert {path.rpartition(".")[2] for path in figures(folder)} == {"png", "pdf"}
    return folder


def start(folder: Path, out: str = "out") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "repscape", "run", "micro", "--out", str(folder / out)]
    command += ["--store", str(folder / "store")]
    for setting in SETTINGS:
        command += ["--set", setting]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_processes(uninterrupted, tmp_path):
    assert run_micro(tmp_path, "processes", DRAWN).complete
    assert_same(tmp_path, uninterrupted)


@pytest.mark.slurm
def test_slurm(uninterrupted, tmp_path, slurm):
    done = run_micro(tmp_path, slurm, DRAWN)
    assert done.complete
    assert len(list((tmp_path / "store-slurm").glob("*_log.out"))) == done.made
    assert_same(tmp_path, uninterrupted)


@pytest.mark.ray
def test_ray(uninterrupted, tmp_path, ray_cluster):
    """On both nodes."""
    assert run_micro(tmp_path, ray_cluster, DRAWN).complete
    assert_same(tmp_path, uninterrupted)


def test_two_runs_at_once_share_the_work_and_end_with_the_same_bytes(uninterrupted, tmp_path):
    both = [start(tmp_path, out) for out in ("out", "other")]
    assert [process.wait() for process in both] == [0, 0]
    others = {p.name: p.read_bytes() for p in sorted((tmp_path / "other" / "tables").iterdir())}
    plain = {name: text for name, text in tables(uninterrupted).items() if name.endswith(".csv")}
    assert plain == {name: text for name, text in others.items() if name.endswith(".csv")}
    assert plain == {n: text for n, text in tables(tmp_path).items() if n.endswith(".csv")}
    assert scored(tmp_path) == scored(uninterrupted)
