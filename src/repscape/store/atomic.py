"""Writing a file whole or not at all, and first come, first served.

Every file is written under a temporary name in its own directory, flushed to the disk, given
its name in one atomic step, and the directory is flushed too. A process that is killed anywhere
leaves at most a temporary file, which says by its name who made it.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from repscape.errors import StoreError, StoreNotWritableError

_ELSEWHERE = "or use a store in another place"
_NOT_WRITABLE = {
    errno.ENOSPC: ("the disk is full", f"free some space, {_ELSEWHERE}"),
    errno.EDQUOT: ("your disk quota is used up", f"free some space, {_ELSEWHERE}"),
    errno.EFBIG: ("the file would be larger than allowed", f"raise `ulimit -f`, {_ELSEWHERE}"),
    errno.EROFS: ("the file system is read-only", f"mount it writable, {_ELSEWHERE}"),
    errno.EACCES: ("you may not write there", f"ask for write permission, {_ELSEWHERE}"),
    errno.EPERM: ("writing there is not permitted", f"ask for write permission, {_ELSEWHERE}"),
}
NO_HARD_LINKS = frozenset(
    getattr(errno, name)
    for name in ("EPERM", "EACCES", "ENOTSUP", "EOPNOTSUPP", "ENOSYS", "EMLINK", "EXDEV")
)
_NO_DIRECTORY_FLUSH = frozenset((errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP))
_TEMPORARY = re.compile(r"\.tmp\.(?P<host>[A-Za-z0-9_-]+)\.(?P<pid>\d+)\.[0-9a-f]{8}$")
CLAIM_SUFFIX = ".claim"


@dataclass(frozen=True)
class WrittenFile:
    """A temporary file that is complete and flushed: where it lies, its checksum and size."""

    path: Path
    sha256: str
    size: int


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn the system's "cannot write" errors into `StoreNotWritableError`, naming `path`."""
    try:
        yield
    except StoreError:
        raise
    except FileNotFoundError as problem:
        raise StoreError(
            f"{path} vanished while it was being written: another process deleted the artefact "
            "or the store; run again"
        ) from problem
    except OSError as problem:
        if problem.errno not in _NOT_WRITABLE:
            raise
        reason, mend = _NOT_WRITABLE[problem.errno]
        error = StoreNotWritableError(
            f"cannot write {path}: {reason}; {mend}, and run again. "
            "What the store already holds is unharmed"
        )
        error.errno = problem.errno
        raise error from problem


def temporary_path(directory: Path, name: str) -> Path:
    """A fresh name in `directory` that says which host and process is writing `name`."""
    return directory / f"{name}.tmp.{host_name()}.{os.getpid()}.{secrets.token_hex(4)}"


def is_temporary(path: Path) -> bool:
    """Whether `path` is named like an unfinished file or directory."""
    return _TEMPORARY.search(path.name) is not None


def is_abandoned(path: Path, max_age: float) -> bool:
    """Whether the process that was writing the temporary `path` is gone.

    That is known for processes of this host; for others, a file that has not changed for
    `max_age` seconds counts as abandoned.
    """
    match = _TEMPORARY.search(path.name)
    if match is None:
        return False
    if match["host"] == host_name() and process_start(int(match["pid"])) is None:
        return True
    try:
        return time.time() - path.lstat().st_mtime > max_age
    except FileNotFoundError:
        return False


@contextmanager
def temporary_file(
    directory: Path, name: str, pieces: Iterable[memoryview | bytes]
) -> Iterator[WrittenFile]:
    """Write and flush a temporary file; it is removed at the end unless it was renamed."""
    path = temporary_path(directory, name)
    with writing(directory / name):
        try:
            yield _write(path, pieces)
        finally:
            with contextlib.suppress(OSError):  # must not hide why the writing itself failed
                path.unlink(missing_ok=True)


def move_into_place(written: WrittenFile, path: Path) -> None:
    """Give a complete temporary file its name, in place of what had it, and flush the directory."""
    written.path.replace(path)
    flush_directory(path.parent)


def replace_file(path: Path, content: bytes) -> None:
    """Write a whole file; readers see the old content or the new, never a part."""
    with temporary_file(path.parent, path.name, [content]) as written:
        move_into_place(written, path)


def publish_first(path: Path, content: bytes) -> bool:
    """Write a whole file unless it exists; of several writers exactly one is told True."""
    if path.exists():
        return False
    with temporary_file(path.parent, path.name, [content]) as written:
        try:
            path.hardlink_to(written.path)
            won = True
        except FileExistsError:
            # Over NFS the reply to a link that was made can be lost; the link count tells.
            won = written.path.stat().st_nlink > 1
        except OSError as problem:
            if problem.errno not in NO_HARD_LINKS:
                raise
            return _publish_first_by_directory(path, content)
        flush_directory(path.parent)
    return won


def link_or_copy(source: Path, path: Path) -> None:
    """Give a whole file another name as well, or copy it where there are no hard links.

    It is not flushed, so that many may be followed by one `flush_directory`.
    """
    with writing(path):
        try:
            path.hardlink_to(source)
        except FileExistsError:
            return
        except OSError as problem:
            if problem.errno not in NO_HARD_LINKS:
                raise
            replace_file(path, source.read_bytes())


def _publish_first_by_directory(path: Path, content: bytes) -> bool:
    """`publish_first` on a file system without hard links.

    A directory cannot be renamed onto one that is not empty, so of several proposals for the
    directory `NAME.claim` one wins. Since it holds the whole content, whoever comes next can
    finish the work of a winner that was killed before it wrote the file itself.
    """
    claim = path.with_name(path.name + CLAIM_SUFFIX)
    proposal = temporary_path(path.parent, claim.name)
    proposal.mkdir()
    try:
        _write(proposal / path.name, [content])
        flush_directory(proposal)
        proposal.rename(claim)
        won = True
    except OSError as problem:
        if problem.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        won = False
    finally:
        shutil.rmtree(proposal, ignore_errors=True)
    flush_directory(path.parent)
    replace_file(path, (claim / path.name).read_bytes())
    return won


def make_directory(path: Path) -> None:
    """Make a directory and its parents, so that they outlast a crash."""
    if path.is_dir():
        return
    with writing(path):
        make_directory(path.parent)
        path.mkdir(exist_ok=True)
        flush_directory(path.parent)


def remove_tree(path: Path) -> None:
    """Remove a directory: first its name, in one step, then what is in it."""
    with writing(path):
        doomed = temporary_path(path.parent, path.name)
        path.rename(doomed)
        flush_directory(path.parent)
        shutil.rmtree(doomed)


def flush_directory(path: Path) -> None:
    """Flush the names in a directory to the disk, where the file system can."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as problem:
        if problem.errno not in _NO_DIRECTORY_FLUSH:
            raise
    finally:
        os.close(descriptor)


def _write(path: Path, pieces: Iterable[memoryview | bytes]) -> WrittenFile:
    digest, size = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        for piece in pieces:
            rest = memoryview(piece)
            digest.update(rest)
            size += len(rest)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return WrittenFile(path, digest.hexdigest(), size)


def host_name() -> str:
    """The name of this machine, in letters that file names can hold."""
    return re.sub(r"[^A-Za-z0-9_-]", "-", socket.gethostname()) or "localhost"


def process_start(pid: int) -> str | None:
    """When a process of this machine began, in the machine's own count; None if it is gone.

    Empty where the system does not say.
    """
    try:
        state = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except OSError:
        return "" if _is_running(pid) else None
    return None if state[0] in ("Z", "X") else state[19]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
