"""Start and stop a real SLURM of one node, with nothing left behind."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
CPUS = 4
_PATIENCE = 60.0


@contextmanager
def local_slurm(folder: Path) -> Iterator[Path]:
    """Run munged, slurmctld and slurmd; yield the configuration for `SLURM_CONF`."""
    conf = _configure(folder)
    environment = {**os.environ, "SLURM_CONF": str(conf)}
    daemons: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        log = (folder / f"{Path(command[0]).name}.out").open("wb")
        daemons.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))

    with _munge(folder):
        try:
            start("slurmctld", "-D")
            start("slurmd", "-D")
            _wait_until(lambda: _said(environment, "sinfo", "-h", "-o", "%T") == "idle", folder)
            yield conf
        finally:
            subprocess.run(["scancel", "--user=root"], env=environment, check=False)
            with contextlib.suppress(TimeoutError):
                _wait_until(lambda: not _said(environment, "squeue", "-h"), folder)
            for daemon in daemons:
                _stop(daemon)


def _configure(folder: Path) -> Path:
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    text = (HERE / "slurm.conf.in").read_text()
    values = {
        "HOST": socket.gethostname().partition(".")[0],
        "DIR": str(folder),
        "CPUS": str(min(CPUS, os.cpu_count() or 1)),
        "CONTROL_PORT": str(_free_port()),
        "NODE_PORT": str(_free_port()),
    }
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    conf = folder / "slurm.conf"
    conf.write_text(text)
    return conf


@contextmanager
def _munge(folder: Path) -> Iterator[None]:
    """A munged of our own, whatever else runs on this machine."""
    socket_path, key = folder / "munge.socket", folder / "munge.key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o600)
    files = {"socket": socket_path, "key-file": key}
    files |= {f"{name}-file": folder / f"munged.{name}" for name in ("pid", "seed", "log")}
    options = [f"--{name}={path}" for name, path in files.items()]
    # By force: others cannot look into the folders of pytest, and need not.
    command = ["munged", "--foreground", "--force", *options]
    with (folder / "munged.out").open("wb") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_until(lambda: _munge_works(socket_path), folder)
        yield
    finally:
        _stop(daemon)


def _stop(daemon: subprocess.Popen[bytes]) -> None:
    daemon.terminate()
    try:
        daemon.wait(10)
    except subprocess.TimeoutExpired:
        daemon.kill()
        daemon.wait()


def _munge_works(socket_path: Path) -> bool:
    command = 'set -o pipefail; munge -S "$0" -n | unmunge -S "$0"'
    words = ["bash", "-c", command, str(socket_path)]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def _said(environment: dict[str, str], *command: str) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    return done.stdout.strip()


def _wait_until(ready: object, folder: Path) -> None:
    until = time.monotonic() + _PATIENCE
    while not ready():
        if time.monotonic() > until:
            logs = "\n".join(p.read_text(errors="replace") for p in folder.glob("*.out"))
            raise TimeoutError(f"the local SLURM did not start:\n{logs}")
        time.sleep(0.2)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
