"""What the crash tests write: one artefact of every sort, and how they look at the result."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd

from repscape.representation import Origin
from repscape.store import Store
from repscape.tasks import Recipe

ROWS, WIDTH, SHARD_ROWS, BATCH = 10, 3, 4, 3
REPRESENTATION = Recipe("representation", 1, {"layer": "blocks.0"})
CHECKPOINT = Recipe("checkpoint", 1, {"step": 10})
TABLE = Recipe("table", 1, inputs={"left": REPRESENTATION.key})

VALUES = np.arange(ROWS * WIDTH, dtype=np.float32).reshape(ROWS, WIDTH)
IDS = np.asarray([f"sample-{row}" for row in range(ROWS)])
LABELS = np.arange(ROWS) % 2
WEIGHTS = {"weight": np.linspace(0, 1, 7), "generator": np.arange(16, dtype=np.uint8)}
FRAME = pd.DataFrame({"measure": ["cka", "rsa"], "value": [0.5, None], "n": [10, 10]})

WRITE_POINTS = ("write", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir")


def write_representation(store: Store) -> int:
    """Write or resume the representation; return the row at which this run began."""
    with store.representation_writer(
        REPRESENTATION, Origin(layer="blocks.0"), SHARD_ROWS, plan={"batch": BATCH}
    ) as writer:
        began = writer.rows_done
        # A run resumes at the beginning of a batch, which may lie before the last full shard.
        batch = writer.plan["batch"]
        first = began // batch * batch
        writer.start_at(first)
        for start in range(first, ROWS, batch):
            rows = slice(start, start + batch)
            writer.append(VALUES[rows], IDS[rows], LABELS[rows])
        writer.commit()
    return began


def write_everything(root: Path) -> None:
    store = Store(root)
    write_representation(store)
    store.write_arrays(CHECKPOINT, WEIGHTS, metadata={"loss": 0.25})
    store.write_table(TABLE, FRAME)


def check_what_is_there(root: Path) -> None:
    """Whatever a dead process left behind: what is served is whole and right."""
    if not (root / "store.json").exists():
        return
    store = Store(root)
    assert store.verify() == []
    if store.has(REPRESENTATION.key):
        loaded = store.load_representation(REPRESENTATION.key)
        np.testing.assert_array_equal(loaded.values, VALUES)
        np.testing.assert_array_equal(loaded.sample_ids, IDS)
    if store.has(CHECKPOINT.key):
        read = store.read_arrays(CHECKPOINT.key)
        for name, array in WEIGHTS.items():
            np.testing.assert_array_equal(read[name], array)
    if store.has(TABLE.key):
        pd.testing.assert_frame_equal(store.read_table(TABLE.key), FRAME)


def tree(root: Path) -> dict[str, str]:
    """The digest of every file below `root`, by relative path."""
    files = (path for path in sorted(root.rglob("*")) if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


@contextmanager
def interrupted_at(count: int, interrupt: Callable[[], None]) -> Iterator[None]:
    """Call `interrupt` instead of the `count`-th system call that changes the disk.

    The call that writes data first writes half of it. Writing by another way than these calls
    would escape the interrupts, so it is an error.
    """
    left = count
    real_open = io.open

    def open_to_read(file: object, mode: str = "r", *rest: object, **keywords: object) -> object:
        assert set(mode) <= set("rbt"), f"{file} is opened with mode {mode}"
        return real_open(file, mode, *rest, **keywords)

    def hooked(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*arguments: object, **keywords: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                if name == "write":
                    descriptor, content = arguments
                    real(descriptor, content[: len(content) // 2])
                interrupt()
            return real(*arguments, **keywords)

        return call

    hooks = {name: hooked(name) for name in WRITE_POINTS}
    with mock.patch.multiple(os, **hooks), mock.patch.object(io, "open", open_to_read):
        yield
