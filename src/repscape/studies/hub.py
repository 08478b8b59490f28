"""The model hub from where a study runs: is it there at all, and without its noise."""

from __future__ import annotations

import importlib.util
import os
import socket
import sys
from functools import cache
from urllib.parse import urlsplit

_ENDPOINT = "https://huggingface.co"
_PATIENCE_SECONDS = 3.0


@cache
def settle_for_what_is_here() -> None:
    """If the hub does not answer, look at what is on this machine only.

    Its own client would try for half a minute, again for every model of the study.
    """
    if "huggingface_hub" in sys.modules or "HF_HUB_OFFLINE" in os.environ:
        return
    place = urlsplit(os.environ.get("HF_ENDPOINT", _ENDPOINT))
    try:
        port = place.port or (443 if place.scheme == "https" else 80)
        socket.create_connection((place.hostname or "", port), _PATIENCE_SECONDS).close()
    except OSError:
        if not any(name.lower().endswith("_proxy") for name in os.environ):
            os.environ["HF_HUB_OFFLINE"] = "1"


def without_progress_bars() -> None:
    """Keep the hub's and transformers' own bars out of the display of a run."""
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    if importlib.util.find_spec("transformers") is not None:
        from transformers.utils import logging

        logging.disable_progress_bar()  # type: ignore[no-untyped-call]
