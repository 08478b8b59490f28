"""The settings of the process that hold while the hub is asked."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from repscape import hub

constants = pytest.importorskip("huggingface_hub.constants", reason="needs the hub extra")


@pytest.fixture
def unreachable(monkeypatch):
    """A hub at an address at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


def settings():
    return constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()


def test_threads_take_turns_and_find_the_settings_as_they_were_also_after_errors(unreachable):
    before, within, seen = settings(), [], []

    def ask(number: int) -> None:
        with contextlib.suppress(KeyError), hub.hub_or_cache(), hub.hub_or_cache():
            within.append(number)
            time.sleep(0.005)
            seen.append((tuple(within), *settings()))
            within.remove(number)
            if number % 2:
                raise KeyError(number)

    threads = [threading.Thread(target=ask, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(seen) == [((number,), True, 15.0) for number in range(8)]
    assert settings() == before == (False, None)


def test_what_the_user_set_holds_also_within(unreachable, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    socket.setdefaulttimeout(2.5)
    try:
        with hub.hub_or_cache():
            assert settings() == (True, 2.5)
        assert settings() == (True, 2.5)
    finally:
        socket.setdefaulttimeout(None)
