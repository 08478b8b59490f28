"""Extractions of a text model that are killed at random moments, and resumed.

    python -c "import killed_texts; killed_texts.main()" ROOT KILLS [DEVICES]

Every extraction is a fork of this process, so that twenty kills do not mean twenty imports of
torch. Each forward pass notes its samples and its process in a log. The last run is not killed.
With DEVICES there is a process for each, and the one that is killed is in turn the one that
started them and one of them.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import torch
from toy_texts import CharacterModel, Characters, texts

from repscape.data.load_data import load_data
from repscape.extract.extract import extract
from repscape.store import Store

SAMPLES, SHARD_ROWS, SIZE = 1500, 32, 8


class Logging(Characters):
    """Notes how many samples every pass has, and takes its time."""

    def __init__(self, log: Path, delay: float) -> None:
        super().__init__()
        self._log, self._delay = log, delay

    def forward(self, tokens):
        with self._log.open("a") as log:
            log.write(f"{len(tokens)} {os.getpid()}\n")
        time.sleep(self._delay)
        return super().forward(tokens)


def run(store: Path, log: Path, delay: float, devices: list[str] | None = None) -> None:
    torch.manual_seed(0)
    model = CharacterModel(
        name="characters",
        revision="1",
        modality="text",
        module=Logging(log, delay).eval(),
        preprocessing="ord",
        device=torch.device("cpu"),
    )
    data = load_data(texts(SAMPLES))
    arguments = {"batch_size": SIZE, "shard_rows": SHARD_ROWS, "devices": devices}
    layers, poolings = ["embed", "blocks.*"], ["mean", "last_token"]
    extract(model, data, layers, poolings, store=Store(store), **arguments)


def computed(log: Path) -> int:
    """The samples that went through the model so far."""
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(int(line.split()[0]) for line in lines)


def last_worker(log: Path) -> int:
    """The process that ran the last pass."""
    return int(log.read_text().splitlines()[-1].split()[1])


def main() -> None:
    torch.set_num_threads(1)
    root, kills, devices = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:] or None
    run(root / "whole", root / "whole.log", 0.0)
    draws = np.random.default_rng(0)
    store, log, killed = root / "killed", root / "killed.log", 0
    while killed < kills:
        target = computed(log) + int(draws.integers(30, 90))
        child = os.fork()
        if child == 0:
            with contextlib.suppress(RuntimeError):  # a process that it started was killed
                run(store, log, 0.01, devices)
                os._exit(0)
            os._exit(1)
        while computed(log) < target:
            if os.waitpid(child, os.WNOHANG)[0]:
                sys.exit(f"finished after {killed} kills")
            time.sleep(0.001)
        time.sleep(float(draws.uniform(0, 0.02)))
        os.kill(last_worker(log) if devices and killed % 2 else child, signal.SIGKILL)
        os.waitpid(child, 0)
        killed += 1
    run(store, log, 0.0)
