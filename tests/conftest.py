"""What every test may rely on: few threads, markers that skip with a reason, the golden values."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A machine that is busy with other things is no defect of what is tested.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Before numpy and torch are imported, here or in a process that a test starts: numbers that are
# compared bit for bit must not depend on the machine, and two threads are enough for small data.
# Where several workers share the machine, each has one.
_THREADS = "1" if "PYTEST_XDIST_WORKER" in os.environ else "2"
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, _THREADS)

# Helper modules stand beside the tests that use them and are imported by their own names.
_TESTS = Path(__file__).parent
sys.path += [str(folder) for folder in (_TESTS, *sorted(_TESTS.iterdir())) if folder.is_dir()]

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@cache
def _no_gpu() -> str | None:
    import torch

    return None if torch.cuda.is_available() else "no CUDA device"


@cache
def _no_browser() -> str | None:
    return None if any(map(shutil.which, BROWSERS)) else f"none of {', '.join(BROWSERS)} is there"


@cache
def _no_slurm() -> str | None:
    absent = [name for name in ("slurmctld", "slurmd", "sbatch") if shutil.which(name) is None]
    if absent:
        return f"SLURM is not installed ({', '.join(absent)} missing)"
    return None if os.geteuid() == 0 else "a local SLURM can only be started by root"


@cache
def _no_ray() -> str | None:
    return None if importlib.util.find_spec("ray") else "the extra 'ray' is not installed"


@cache
def _no_hub() -> str | None:
    if importlib.util.find_spec("huggingface_hub") is None:
        return "the extra 'hub' is not installed"
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        urllib.request.urlopen(endpoint, timeout=5).close()
    except (OSError, urllib.error.URLError) as problem:
        return f"{endpoint} cannot be reached: {problem}"
    return None


_OBSTACLES: dict[str, Callable[[], str | None]] = {
    "gpu": _no_gpu,
    "browser": _no_browser,
    "slurm": _no_slurm,
    "ray": _no_ray,
    "hub": _no_hub,
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, obstacle in _OBSTACLES.items():
        if item.get_closest_marker(marker) is not None:
            reason = obstacle()
            if reason is not None:
                pytest.skip(reason)


@pytest.fixture(scope="session")
def oracles() -> Path:
    """The folder of golden values that `REPSCAPE_ORACLES` names."""
    named = os.environ.get("REPSCAPE_ORACLES")
    if not named:
        pytest.skip("REPSCAPE_ORACLES names no folder of golden values")
    folder = Path(named)
    assert (folder / "values.json").is_file(), f"REPSCAPE_ORACLES={named} holds no values.json"
    return folder
