"""Use a store on a disk of one megabyte that becomes full, and then read-only."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scenario import (
    CHECKPOINT,
    ROWS,
    check_what_is_there,
    tree,
    write_everything,
    write_representation,
)

from repscape.errors import StoreNotWritableError
from repscape.representation import Origin
from repscape.store import Store
from repscape.tasks import Recipe


def expect_not_writable(number: int, words: str, write: object) -> None:
    with pytest.raises(StoreNotWritableError, match=words) as caught:
        write()
    assert caught.value.errno == number


def stream(store: Store, recipe: Recipe) -> None:
    with store.representation_writer(recipe, Origin(), shard_rows=4) as writer:
        writer.start_at(0)
        for start in range(0, 40, 4):
            writer.append(np.ones((4, 2_000)), range(start, start + 4))
        writer.commit()


def main(disk: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], check=True)
    root, ballast = disk / "store", disk / "ballast"
    ballast.write_bytes(bytes(600_000))
    write_everything(root)
    store, before = Store(root), tree(root)

    big, streamed = Recipe("checkpoint", 1, {"big": True}), Recipe("representation", 2)
    expect_not_writable(
        errno.ENOSPC, "the disk is full", lambda: store.write_arrays(big, {"x": np.ones(10**6)})
    )
    assert not store.has(big.key)
    assert {k: v for k, v in tree(root).items() if big.key not in k} == before
    assert not [name for name in tree(root) if ".tmp." in name]

    expect_not_writable(errno.ENOSPC, "the disk is full", lambda: stream(store, streamed))
    assert not store.has(streamed.key)
    assert not [name for name in tree(root) if ".tmp." in name]
    done = store.representation_writer(streamed, Origin()).rows_done
    assert done in range(4, 40, 4), done
    check_what_is_there(root)

    ballast.unlink()
    stream(store, streamed)
    assert store.load_representation(streamed.key).n == 40

    subprocess.run(["mount", "-o", "remount,bind,ro", str(disk)], check=True)
    check_what_is_there(root)
    write_everything(root)  # all of it is there: nothing needs writing
    assert write_representation(Store(root)) == ROWS
    expect_not_writable(
        errno.EROFS, "read-only", lambda: store.write_arrays(big, {"x": np.ones(3)})
    )
    expect_not_writable(errno.EROFS, "read-only", lambda: stream(store, Recipe("other", 1)))
    expect_not_writable(errno.EROFS, "read-only", lambda: store.delete(CHECKPOINT.key))
    expect_not_writable(errno.EROFS, "read-only", lambda: Store(disk / "another"))
    check_what_is_there(root)
    sys.stdout.write("ok\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
