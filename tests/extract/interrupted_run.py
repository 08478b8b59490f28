"""An extraction in a process of its own, which a test kills.

    python -c "import interrupted_run; interrupted_run.main()" STORE LOG SIZE DELAY [STOP_AFTER]

(run as a script it would be the module `__main__`, and its classes other ones) writes one line
per forward pass into LOG, waits DELAY seconds in each, and, with STOP_AFTER, sends itself
Ctrl-C after so many passes, in the middle of the model.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch import nn
from toy_networks import Conv, build, images

from repscape.extract.extract import extract
from repscape.store import Store

SAMPLES, SHARD_ROWS = 120, 16
LAYERS = ["conv1", "conv2", "norm"]


class Logging(nn.Module):
    def __init__(self, log: Path, delay: float, stop_after: int | None) -> None:
        super().__init__()
        self.network = build(Conv)
        self._log, self._delay, self._stop_after = log, delay, stop_after
        self._passes = 0

    def forward(self, x):
        with self._log.open("a") as log:
            log.write(f"{len(x)}\n")
        time.sleep(self._delay)
        self._passes += 1
        if self._passes == self._stop_after:
            os.kill(os.getpid(), signal.SIGINT)
        return self.network(x)


def run(store: Path, log: Path, size: int, delay: float = 0.0, stop_after: int | None = None):
    module = Logging(log, delay, stop_after)
    means = extract(
        module,
        iter(images(SAMPLES, size)),
        [f"network.{layer}" for layer in LAYERS],
        store=Store(store),
        data_revision="r",
        shard_rows=SHARD_ROWS,
    )
    pixels = extract(
        module,
        iter(images(SAMPLES, size)),
        "network.conv2",
        "none",
        store=Store(store),
        data_revision="r",
        shard_rows=100,
    )
    return [*means.values(), *pixels.values()]


def main():
    torch.set_num_threads(1)
    store, log, size, delay, *stop = sys.argv[1:]
    run(Path(store), Path(log), int(size), float(delay), int(stop[0]) if stop else None)
