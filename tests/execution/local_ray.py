"""Start and stop a real Ray cluster on this machine."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SMALL = {"object_store_memory": 80 * 2**20}


@contextmanager
def local_ray() -> Iterator[Any]:
    """A cluster of one node with one core, to which a test may add others."""
    import ray
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 1, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args={**head, **SMALL})
    try:
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@contextmanager
def client_server(address: str) -> Iterator[str]:
    """What `ray start --head` runs for clients from outside; yields its `ray://` address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = {"host": "127.0.0.1", "port": port, "mode": "legacy", "address": address}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    server = subprocess.Popen([sys.executable, "-m", "ray.util.client.server", *words])
    try:
        _wait_until_it_listens(server, port)
        yield f"ray://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int, seconds: int = 120) -> None:
    """It imports much before it listens, which takes its time on a busy machine."""
    end = time.monotonic() + seconds
    while server.poll() is None and time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"the client server of Ray did not listen within {seconds} seconds")
