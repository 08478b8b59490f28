"""Leases: which worker is at which artefact, so that work is not done twice.

A lease is a file `_leases/KEY` that only one process can create. It says who holds it and holds
a number that the holder raises every few seconds. Clocks are never compared: whoever waits
watches the number by its own clock, and takes the lease for dead when the number has stood still
for as long as the lease says. On the holder's own machine the process is looked up instead.

Leases save time and decide nothing: if two processes do work at an artefact, the first commit
wins, as ever.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import threading
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from types import TracebackType

from repscape.store.atomic import (
    NO_HARD_LINKS,
    host_name,
    is_temporary,
    make_directory,
    process_start,
    temporary_path,
    writing,
)

LEASE_SECONDS = 90.0
_BEATS_PER_LEASE = 9
_FOLDER = "_leases"
_PROC = Path("/proc")


@dataclass(frozen=True)
class Holder:
    """Who holds a lease.

    Attributes
    ----------
    host : str
        The machine, its boot and its process namespace: where `pid` means something.
    pid, started
        The process, and when it began in the machine's own count (a pid is used again).
    nonce : str
        Of this lease.
    seconds : float
        A lease whose `beat` stood still for so long is dead.
    beat : int
        How often the holder has said that it lives.
    """

    host: str
    pid: int
    started: str
    nonce: str
    seconds: float
    beat: int = 0

    def to_bytes(self) -> bytes:
        """One line of JSON, as long for every beat."""
        return json.dumps({**asdict(self), "beat": f"{self.beat:012}"}).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> Holder | None:
        """Inverse of `to_bytes`; None for anything else."""
        try:
            known = json.loads(content)
            return cls(**{**known, "beat": int(known["beat"])})
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def is_known_dead(self) -> bool:
        """Whether its process ran on this machine and is gone."""
        return self.host == _machine() and process_start(self.pid) != self.started


class Lease:
    """A lease that this process holds; a context in which a thread renews it."""

    def __init__(self, path: Path, holder: Holder) -> None:
        self._path, self._holder = path, holder
        self._released = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._released.set()
        self._thread.join()
        # A lease that cannot be removed runs out by itself.
        with contextlib.suppress(OSError):
            if self._is_ours():
                self._path.unlink()

    def _renew(self) -> None:
        pause = self._holder.seconds / _BEATS_PER_LEASE
        while not self._released.wait(pause):
            # A beat that cannot be written is like none: at worst another worker joins in.
            with contextlib.suppress(OSError):
                if not self._is_ours():
                    return
                self._holder = replace(self._holder, beat=self._holder.beat + 1)
                _overwrite(self._path, self._holder.to_bytes())

    def _is_ours(self) -> bool:
        holder = Holder.from_bytes(self._path.read_bytes())
        return holder is not None and holder.nonce == self._holder.nonce


class Leases:
    """The leases of one store, as this process sees them.

    Parameters
    ----------
    root : path
        The directory of the store.
    seconds : float
        How long a lease taken here lives without a beat.
    """

    def __init__(self, root: Path, seconds: float = LEASE_SECONDS) -> None:
        self._folder = root / _FOLDER
        self._seconds = seconds
        self._seen: dict[str, tuple[bytes, float]] = {}

    def take(self, key: str) -> Lease | None:
        """Take the lease of an artefact; None if somebody who may be alive holds it.

        Raises
        ------
        StoreNotWritableError
            If the disk is full or read-only.
        """
        make_directory(self._folder)
        path = self._folder / key
        holder = Holder(
            _machine(),
            os.getpid(),
            process_start(os.getpid()) or "",
            secrets.token_hex(8),
            self._seconds,
        )
        if _create(path, holder.to_bytes()):
            return Lease(path, holder)
        if not self.is_held(key) and _create(path, holder.to_bytes()):
            return Lease(path, holder)
        return None

    def is_held(self, key: str) -> bool:
        """Whether somebody who may be alive is at this artefact; a dead lease is removed."""
        path = self._folder / key
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            self._seen.pop(key, None)
            return False
        holder = Holder.from_bytes(content)
        if holder is not None and holder.is_known_dead:
            return not _remove(path, content)
        seen, since = self._seen.setdefault(key, (content, time.monotonic()))
        if seen != content:
            self._seen[key] = (content, time.monotonic())
            return True
        patience = self._seconds if holder is None else holder.seconds
        if time.monotonic() - since <= patience:
            return True
        del self._seen[key]
        return not _remove(path, content)


def read_leases(root: Path) -> dict[str, Holder]:
    """Who holds which artefact of a store, as far as its files say; some may be dead."""
    found = {}
    folder = root / _FOLDER
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):  # it was just given back
            holder = Holder.from_bytes(path.read_bytes())
            if holder is not None and not is_temporary(path):
                found[path.name] = holder
    return found


def seconds_since_beat(root: Path, name: str) -> float | None:
    """How long ago a lease was renewed, by the time of its file; None if it was given back."""
    try:
        return time.time() - (root / _FOLDER / name).stat().st_mtime
    except FileNotFoundError:
        return None


def _create(path: Path, content: bytes) -> bool:
    """Make a file with this content unless there is one; nobody sees a part of it."""
    draft = temporary_path(path.parent, path.name)
    with writing(path):
        try:
            draft.write_bytes(content)
            path.hardlink_to(draft)
        except FileExistsError:
            return False
        except OSError as problem:
            if problem.errno not in NO_HARD_LINKS:
                raise
            return _create_in_place(path, content)
        finally:
            with contextlib.suppress(OSError):  # must not hide why the writing itself failed
                draft.unlink(missing_ok=True)
    return True


def _create_in_place(path: Path, content: bytes) -> bool:
    """`_create` on a file system without hard links: for a moment the file is empty."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    except FileExistsError:
        return False
    try:
        os.write(descriptor, content)
    except OSError:
        path.unlink(missing_ok=True)  # an empty lease would have to run out
        raise
    finally:
        os.close(descriptor)
    return True


def _overwrite(path: Path, content: bytes) -> None:
    # Opened anew each time, so that it reaches the server of a network file system.
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.pwrite(descriptor, content, 0)
    finally:
        os.close(descriptor)


def _remove(path: Path, content: bytes) -> bool:
    """Remove a dead lease; of several that try, one removes it. Return whether it is gone."""
    doomed = temporary_path(path.parent, path.name)
    try:
        with writing(path):
            path.rename(doomed)
    except FileNotFoundError:
        return True
    alive = doomed.read_bytes() != content
    if alive and not path.exists():
        doomed.rename(path)  # somebody was faster, and this is the new lease
    else:
        doomed.unlink()
    return not alive


@cache
def _machine() -> str:
    """Where a pid of this process means something: host, boot and process namespace."""
    parts = [host_name()]
    with contextlib.suppress(OSError):
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text().strip())
        parts.append(str((_PROC / "self/ns/pid").readlink()))
    return " ".join(parts)
