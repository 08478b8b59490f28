"""The hub of models and data: whether it answers at all, and without its noise."""

from __future__ import annotations

import importlib
import importlib.util
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

PATIENCE_SECONDS = 3.0
_STALLED_SECONDS = 15.0
_BELIEVED_SECONDS = 60.0
_LAST: dict[str, tuple[float, bool]] = {}
_ONE_AT_A_TIME = threading.RLock()


@contextmanager
def hub_or_cache() -> Iterator[None]:
    """Within it, what is asked of the hub fails within seconds where the hub does not answer.

    Then only what is on this machine is looked at; its own client would try for half a minute,
    for every file anew. `HF_HUB_OFFLINE` is honoured. A download from elsewhere that stalls for
    15 seconds is given up.

    The clients of the hub (transformers, timm, OpenCLIP, datasets) share no option for either, so
    two settings of the process hold within it; threads take turns, and find them as they were.
    """
    if importlib.util.find_spec("huggingface_hub") is None:
        yield
        return
    from huggingface_hub import constants

    with _ONE_AT_A_TIME:
        known = constants.HF_HUB_OFFLINE
        patience = socket.getdefaulttimeout()
        constants.HF_HUB_OFFLINE = known or not answers(constants.ENDPOINT)
        socket.setdefaulttimeout(_STALLED_SECONDS if patience is None else patience)
        try:
            yield
        finally:
            constants.HF_HUB_OFFLINE = known
            socket.setdefaulttimeout(patience)


def answers(url: str) -> bool:
    """Whether a server answers within three seconds, by a proxy if there is one.

    The answer is believed for a minute. Names are looked up without a limit of time, so a
    thread of its own waits for them.
    """
    now = time.monotonic()
    if url in _LAST and now - _LAST[url][0] < _BELIEVED_SECONDS:
        return _LAST[url][1]
    found: list[bool] = []
    asking = threading.Thread(target=lambda: found.append(_asked(url)), daemon=True)
    asking.start()
    asking.join(PATIENCE_SECONDS)
    _LAST[url] = now, found == [True]
    return _LAST[url][1]


def _asked(url: str) -> bool:
    request = urllib.request.Request(url, method="HEAD")
    try:
        urllib.request.urlopen(request, timeout=PATIENCE_SECONDS).close()
    except urllib.error.HTTPError:
        return True  # it did answer
    except (OSError, ValueError):
        return False
    return True


def without_progress_bars() -> None:
    """Keep the hub's and transformers' own bars out of the display of a run."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if importlib.util.find_spec("transformers") is not None:
        logging: Any = importlib.import_module("transformers.utils.logging")
        logging.disable_progress_bar()
