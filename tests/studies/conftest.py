"""The clusters on which whole studies run; each starts once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_ray import SMALL, client_server, local_ray
from local_slurm import local_slurm


@pytest.fixture(scope="package")
def slurm_configuration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with local_slurm(tmp_path_factory.mktemp("slurm") / "run") as conf:
        yield conf


@pytest.fixture
def slurm(slurm_configuration: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A real SLURM of one node, as `--executor` takes it."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_configuration))
    return "slurm[poll_seconds=0.5,minutes=5]"


@pytest.fixture(scope="package")
def ray_cluster() -> Iterator[str]:
    """A real Ray cluster of two nodes with one core each, as `--executor` takes it."""
    with local_ray() as cluster:
        cluster.add_node(num_cpus=1, **SMALL)
        cluster.wait_for_nodes()
        with client_server(cluster.address) as address:
            yield f"ray[address={address}]"
