"""Leases: one holder at a time, renewed while it lives, taken over when it is dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from repscape.errors import StoreNotWritableError
from repscape.store import Store
from repscape.store.atomic import process_start
from repscape.store.leases import Holder, Leases

KEY = "ab" * 20
HOLD = """
import sys, time
from pathlib import Path
from repscape.store.leases import Leases
with Leases(Path(sys.argv[1])).take(sys.argv[2]):
    print("held", flush=True)
    time.sleep(600)
"""


def holder_of(root: Path) -> Holder:
    holder = Holder.from_bytes((root / "_leases" / KEY).read_bytes())
    assert holder is not None
    return holder


def leave_a_lease(root: Path, **changes: object) -> None:
    """A lease of this process with some things changed, and nobody who renews it."""
    with Leases(root).take(KEY):
        holder = replace(holder_of(root), **changes)
    (root / "_leases" / KEY).write_bytes(holder.to_bytes())


def test_one_at_a_time_and_free_again_afterwards(tmp_path):
    mine, yours = Leases(tmp_path), Leases(tmp_path)
    with mine.take(KEY):
        assert yours.take(KEY) is None
        assert yours.is_held(KEY)
        assert not yours.is_held("cd" * 20)
    assert not yours.is_held(KEY)
    assert list((tmp_path / "_leases").iterdir()) == []
    with yours.take(KEY):
        assert mine.take(KEY) is None


def test_it_is_released_after_an_error(tmp_path):
    def work() -> None:
        with Leases(tmp_path).take(KEY):
            raise RuntimeError

    with pytest.raises(RuntimeError):
        work()
    assert not Leases(tmp_path).is_held(KEY)


@pytest.mark.parametrize("links", [True, False])
def test_of_many_that_try_at_once_one_gets_it(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", _refuse)
    for round_ in range(20):
        key = f"{round_:040x}"
        gate, got = threading.Barrier(8), []

        def race(key=key, gate=gate, got=got) -> None:
            gate.wait()
            got.append(Leases(tmp_path).take(key))

        threads = [threading.Thread(target=race) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(lease is not None for lease in got) == 1


def _refuse(self: Path, target: Path) -> None:
    raise PermissionError(1, "no hard links here")


def test_a_killed_holder_on_this_machine_is_known_to_be_dead(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path), KEY]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    assert Leases(tmp_path).is_held(KEY)
    process.send_signal(signal.SIGKILL)
    while process_start(process.pid) is not None:  # not yet waited for: a zombie counts as gone
        time.sleep(0.01)
    assert process.returncode is None
    lease = Leases(tmp_path).take(KEY)
    assert lease is not None
    process.communicate()


def test_a_pid_that_was_used_again_is_another_process(tmp_path):
    leave_a_lease(tmp_path, started="1")
    assert not Leases(tmp_path).is_held(KEY)


def test_the_lease_of_a_dead_host_runs_out_by_the_clock_of_whoever_waits(tmp_path):
    leave_a_lease(tmp_path, host="gone", pid=1, seconds=0.3)
    waiting = Leases(tmp_path)
    begin = time.monotonic()
    assert waiting.take(KEY) is None
    while waiting.is_held(KEY):
        time.sleep(0.02)
    assert time.monotonic() - begin >= 0.3
    with waiting.take(KEY):
        assert Leases(tmp_path).is_held(KEY)


@pytest.mark.parametrize("skew", [-(10**9), 10**9])
def test_clocks_that_disagree_change_nothing(tmp_path, monkeypatch, skew):
    """A holder whose wall clock is decades off, on a file whose time is too."""
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + skew)
    with Leases(tmp_path, seconds=0.45).take(KEY):
        os.utime(tmp_path / "_leases" / KEY, (real() + skew, real() + skew))
        monkeypatch.undo()
        elsewhere = replace(holder_of(tmp_path), host="far away")
        assert not elsewhere.is_known_dead
        waiting = Leases(tmp_path)
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            assert waiting.is_held(KEY)
            time.sleep(0.02)
        assert holder_of(tmp_path).beat >= 2
    assert not waiting.is_held(KEY)


def test_something_that_is_no_lease_runs_out_too(tmp_path):
    (tmp_path / "_leases").mkdir()
    (tmp_path / "_leases" / KEY).write_bytes(b"")
    waiting = Leases(tmp_path, seconds=0.1)
    assert waiting.is_held(KEY)
    time.sleep(0.15)
    assert not waiting.is_held(KEY)


def test_whoever_was_taken_for_dead_leaves_the_new_lease_alone(tmp_path):
    with Leases(tmp_path, seconds=0.9).take(KEY):
        leave = holder_of(tmp_path)
        (tmp_path / "_leases" / KEY).unlink()
        other = Leases(tmp_path).take(KEY)
        assert other is not None
        theirs = (tmp_path / "_leases" / KEY).read_bytes()
        time.sleep(0.3)
        assert (tmp_path / "_leases" / KEY).read_bytes() == theirs
        assert leave.nonce != holder_of(tmp_path).nonce
    assert (tmp_path / "_leases" / KEY).read_bytes() == theirs


def test_a_store_that_may_not_be_written_says_so(tmp_path, monkeypatch):
    def full(self: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(StoreNotWritableError, match="the disk is full"):
        Leases(tmp_path).take(KEY)
    assert list((tmp_path / "_leases").iterdir()) == []


def test_drafts_of_dead_processes_are_cleaned_away(tmp_path):
    store = Store(tmp_path / "store")
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    with Leases(store.root).take(KEY):
        name = next((store.root / "_leases").glob(KEY)).name
        host = holder_of(store.root).host.split()[0]
        draft = store.root / "_leases" / f"{name}.tmp.{host}.{process.pid}.00000000"
        draft.touch()
        assert store.clean() == [draft]
        assert Leases(store.root).is_held(KEY)
