"""The same bytes whatever runs the tasks, however often it was killed, and with two at once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from micro import SETTINGS, run_micro, scored, tables
from micro_study import data_of

from repscape.store import Store

pytestmark = pytest.mark.slow
KILLS = 6


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run_micro(folder).complete
    return folder


def start(folder: Path, out: str = "out") -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "repscape", "run", "micro", "--out", str(folder / out)]
    command += ["--store", str(folder / "store")]
    for setting in SETTINGS:
        command += ["--set", setting]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_processes(uninterrupted, tmp_path):
    assert run_micro(tmp_path, "processes").complete
    assert_same(tmp_path, uninterrupted)


@pytest.mark.slurm
def test_slurm(uninterrupted, tmp_path, slurm):
    done = run_micro(tmp_path, slurm)
    assert done.complete
    assert len(list((tmp_path / "store-slurm").glob("*_result.pkl"))) == done.made
    assert_same(tmp_path, uninterrupted)


@pytest.mark.ray
def test_ray(uninterrupted, tmp_path, ray_cluster):
    """On both nodes."""
    assert run_micro(tmp_path, ray_cluster).complete
    assert_same(tmp_path, uninterrupted)


def assert_same(folder: Path, expected: Path) -> None:
    """Every table, and all that the store has: weights, representations, scores, figures' data."""
    assert tables(folder) == tables(expected)
    found, wanted = (data_of(one / "store") for one in (folder, expected))
    assert found.keys() == wanted.keys()
    assert [name for name in found if found[name] != wanted[name]] == []


def test_a_run_that_is_killed_at_random_moments_ends_with_the_same_bytes(uninterrupted, tmp_path):
    draw = random.Random(20261126)
    committed: dict[str, int] = {}
    for _ in range(KILLS):
        process = start(tmp_path)
        before = len(committed)
        # Anywhere between two commits: first a task must be through, then any moment may be it.
        while process.poll() is None and len(committed) <= before:
            committed = commits(tmp_path)
            time.sleep(0.02)
        time.sleep(draw.uniform(0, 0.6))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        committed = commits(tmp_path)
    assert run_micro(tmp_path).complete
    after = commits(tmp_path)
    assert {key: after[key] for key in committed} == committed, "nothing is committed twice"
    assert {name: content for name, content in tables(tmp_path).items() if "provenance" not in name}
    assert tables(tmp_path) == tables(uninterrupted)
    assert Store(tmp_path / "store").verify() == []


def commits(folder: Path) -> dict[str, int]:
    """When every artefact was committed, by the inode and time of its manifest."""
    manifests = (folder / "store").glob("*/*/manifest.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in manifests}


def test_two_runs_at_once_share_the_work_and_end_with_the_same_bytes(uninterrupted, tmp_path):
    both = [start(tmp_path, out) for out in ("out", "other")]
    assert [process.wait() for process in both] == [0, 0]
    others = {p.name: p.read_bytes() for p in sorted((tmp_path / "other" / "tables").iterdir())}
    plain = {name: text for name, text in tables(uninterrupted).items() if name.endswith(".csv")}
    assert plain == {name: text for name, text in others.items() if name.endswith(".csv")}
    assert plain == {n: text for n, text in tables(tmp_path).items() if n.endswith(".csv")}
    assert scored(tmp_path) == scored(uninterrupted)
