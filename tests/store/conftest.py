from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from repscape.store import Store

HERE = Path(__file__).parent
IN_OWN_MOUNTS = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


@pytest.fixture
def run_script() -> Callable[..., str]:
    """Run one of the scripts beside this file in a fresh process; return what it prints."""

    def run(name: str, *arguments: object, before: tuple[str, ...] = ()) -> str:
        command = [*before, sys.executable, str(HERE / name), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def own_mounts() -> tuple[str, ...]:
    """The command prefix that lets a process mount file systems that only it sees."""
    try:
        probe = subprocess.run(
            [*IN_OWN_MOUNTS, "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        pytest.skip("mounting a small disk needs util-linux (unshare)")
    if probe.returncode != 0:
        pytest.skip(f"mounting a small disk needs user namespaces: {probe.stderr.strip()}")
    return tuple(IN_OWN_MOUNTS)
