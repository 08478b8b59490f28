"""Kill a writing process at its 1st, 2nd, … system call that changes the disk.

After each kill a second process checks what is there, resumes, cleans up and compares the
store with one that was written without interruption. Prints the number of kills.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from scenario import check_what_is_there, interrupted_at, tree, write_everything

from repscape.store import Store


def in_child(work: Callable[[], None]) -> int:
    """Fork, do the work in the child, and return its exit status (negative: the signal)."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def without_hard_links(source: object, target: object, **_: object) -> None:
    raise OSError(errno.EPERM, "this file system has no hard links")


def main(folder: Path, links: str) -> None:
    # A killed process loses nothing that it wrote; only a power cut would. Not waiting for the
    # disk makes the test quick, and the calls still count as points where the kill may come.
    os.fsync = lambda descriptor: None
    if links == "no-links":
        os.link = without_hard_links
    reference = folder / "reference"
    assert in_child(lambda: write_everything(reference)) == 0
    kills = 0
    while True:
        root = folder / f"killed-{kills + 1:04d}"

        def write_and_die(root: Path = root, count: int = kills + 1) -> None:
            with interrupted_at(count, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                write_everything(root)

        def look_and_resume(root: Path = root) -> None:
            check_what_is_there(root)
            write_everything(root)
            Store(root).clean()
            check_what_is_there(root)
            assert tree(root) == tree(reference), (tree(root), tree(reference))

        status = in_child(write_and_die)
        assert in_child(look_and_resume) == 0, f"after the kill at system call {kills + 1}"
        if status == 0:
            break
        assert status == -signal.SIGKILL, status
        kills += 1
    sys.stdout.write(f"{kills}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
