from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from repscape.errors import StoreError, StoreNotWritableError
from repscape.store.atomic import (
    is_abandoned,
    is_temporary,
    make_directory,
    publish_first,
    remove_tree,
    replace_file,
    temporary_file,
    temporary_path,
    writing,
)

WEEK = 7 * 24 * 3600.0


def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def test_a_temporary_name_says_who_writes_and_is_fresh(tmp_path: Path) -> None:
    first, second = temporary_path(tmp_path, "a.json"), temporary_path(tmp_path, "a.json")
    assert first != second
    assert first.parent == tmp_path
    assert first.name.startswith("a.json.tmp.")
    assert f".{os.getpid()}." in first.name
    assert is_temporary(first)


@pytest.mark.parametrize("name", ["manifest.json", "a.tmp.b", "x.tmp.host.12.zzzzzzzz", ".tmp."])
def test_other_names_are_not_temporary(name: str) -> None:
    assert not is_temporary(Path(name))
    assert not is_abandoned(Path(name), 0)


def test_abandoned_means_dead_here_or_old_elsewhere(tmp_path: Path) -> None:
    mine = temporary_path(tmp_path, "x")
    mine.touch()
    assert not is_abandoned(mine, WEEK)
    host = mine.name.split(".")[-3]
    dead = tmp_path / f"x.tmp.{host}.{dead_pid()}.01234567"
    dead.touch()
    assert is_abandoned(dead, WEEK)
    elsewhere = tmp_path / "x.tmp.another-host.1.01234567"
    elsewhere.touch()
    assert not is_abandoned(elsewhere, WEEK)
    os.utime(elsewhere, (0, 0))
    assert is_abandoned(elsewhere, WEEK)
    assert not is_abandoned(tmp_path / "x.tmp.another-host.1.76543210", WEEK)


def test_a_host_name_with_dots_fits_into_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "node1.cluster.org")
    assert "node1-cluster-org" in temporary_path(Path(), "x").name
    assert is_temporary(temporary_path(Path(), "x"))


def test_a_temporary_file_is_whole_and_goes_unless_renamed(tmp_path: Path) -> None:
    with temporary_file(tmp_path, "x", [b"ab", memoryview(b"c")]) as written:
        assert written.path.read_bytes() == b"abc"
        assert written.size == 3
        assert written.sha256 == (
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2
        )
    assert list(tmp_path.iterdir()) == []


def test_replace_file_replaces(tmp_path: Path) -> None:
    path = tmp_path / "a"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_file_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("write", "calls"),
    [
        (replace_file, ["write", "fsync", "replace", "fsync"]),
        (publish_first, ["write", "fsync", "link", "fsync"]),
    ],
)
def test_content_reaches_the_disk_before_its_name_does(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    write: Callable[[Path, bytes], object],
    calls: list[str],
) -> None:
    seen = []

    def traced(name: str) -> Callable[..., object]:
        real = getattr(os, name)

        def call(*arguments: object, **keywords: object) -> object:
            seen.append(name)
            return real(*arguments, **keywords)

        return call

    for name in set(calls):
        monkeypatch.setattr(os, name, traced(name))
    write(tmp_path / "a", b"content")
    assert seen == calls


@pytest.mark.parametrize("hard_links", [True, False])
def test_the_first_to_publish_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hard_links: bool
) -> None:
    if not hard_links:
        refuse_hard_links(monkeypatch)
    path = tmp_path / "a"
    assert publish_first(path, b"first")
    assert not publish_first(path, b"second")
    # … also when the second has looked before the first was done:
    monkeypatch.setattr(Path, "exists", lambda self: False)
    assert not publish_first(path, b"third")
    assert path.read_bytes() == b"first"
    assert not [p for p in tmp_path.iterdir() if is_temporary(p)]


def test_without_hard_links_the_next_finishes_what_a_killed_winner_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_hard_links(monkeypatch)
    path = tmp_path / "a"
    assert publish_first(path, b"first")
    path.unlink()  # as if the winner had been killed between its claim and the file
    assert not publish_first(path, b"second")
    assert path.read_bytes() == b"first"


def test_a_link_whose_reply_was_lost_counts_as_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def link_and_lose_the_reply(source: str, target: str, **keywords: object) -> None:
        link(source, target)
        raise FileExistsError(errno.EEXIST, "exists")

    monkeypatch.setattr(os, "link", link_and_lose_the_reply)
    assert publish_first(tmp_path / "a", b"mine")


def refuse_hard_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)


def test_make_directory_makes_parents_and_is_content_with_what_is_there(tmp_path: Path) -> None:
    make_directory(tmp_path / "a" / "b")
    make_directory(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()


def test_remove_tree(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "c").touch()
    remove_tree(tmp_path / "a")
    assert list(tmp_path.iterdir()) == []


def test_other_errors_stay_what_they_are(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError), writing(tmp_path):
        raise IsADirectoryError(errno.EISDIR, "is a directory")


def test_the_message_names_path_reason_and_mend(tmp_path: Path) -> None:
    with pytest.raises(StoreNotWritableError) as caught, writing(tmp_path / "x"):
        raise OSError(errno.ENOSPC, "No space left on device")
    message = str(caught.value)
    assert str(tmp_path / "x") in message
    assert "the disk is full; free some space" in message
    assert isinstance(caught.value, OSError)
    assert isinstance(caught.value, StoreError)
    assert isinstance(caught.value.__cause__, OSError)
