"""Which runs are alive: each says so by a lease in the store for as long as it lasts."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.errors import StoreNotWritableError
from repscape.store.leases import Leases, read_leases, seconds_since_beat
from repscape.tasks import digest_json

if TYPE_CHECKING:
    from repscape.store import Store


@contextlib.contextmanager
def driving(out: Path, store: Store) -> Iterator[None]:
    """Say that a run into this folder is alive, until the context ends or the process does."""
    leases, prefix = Leases(store.root), _prefix(out, store)
    with contextlib.ExitStack() as held:
        # Where nothing can be written there is nothing to do, or the tasks will say so.
        with contextlib.suppress(StoreNotWritableError):
            for name in read_leases(store.root):
                if name.startswith(prefix):
                    leases.is_held(name)  # removes that of a run which was killed
            lease = leases.take(f"{prefix}{secrets.token_hex(4)}")
            if lease is not None:
                held.enter_context(lease)
        yield


def drivers(out: Path, store: Store) -> tuple[str, ...]:
    """The runs into this folder that are alive, as far as one look tells: host and process.

    One on another host counts for as long as its lease was renewed lately, by the time of its
    file. So a clock that is behind by minutes hides a run; one that is ahead is said, since that
    run may have ended.
    """
    prefix, found = _prefix(out, store), []
    for name, holder in read_leases(store.root).items():
        if not name.startswith(prefix) or holder.is_known_dead:
            continue
        age = seconds_since_beat(store.root, name)
        if age is None or age > holder.seconds:
            continue
        who = f"{holder.host.partition(' ')[0]}, process {holder.pid}"
        if age < -holder.seconds:
            who += f" (or it has ended: its clock was {-age / 60:.0f} minutes ahead of this one)"
        found.append(who)
    return tuple(found)


def _prefix(out: Path, store: Store) -> str:
    """Names the output folder as seen from the store, so that both may be moved together."""
    seen = os.path.relpath(out.resolve(), store.root.resolve())
    return f"run-{digest_json(seen)[:12]}-"
