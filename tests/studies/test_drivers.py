"""Which runs are said to be alive: those of other hosts go by the time of a file."""

from __future__ import annotations

import os
import time
from pathlib import Path

from repscape.store import Store
from repscape.store.leases import Holder
from repscape.studies.drivers import drivers, driving


def test_a_run_of_another_host_goes_by_the_time_of_its_lease(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with driving(tmp_path, store):
        [ours] = drivers(tmp_path, store)
        [lease] = (store.root / "_leases").iterdir()
    assert ours.endswith(f", process {os.getpid()}")
    lease.write_bytes(Holder("node17 boot pid:[1]", 4321, "77", "ab", 90.0, 5).to_bytes())
    assert drivers(tmp_path, store) == ("node17, process 4321",)
    os.utime(lease, (time.time() - 100,) * 2)
    assert drivers(tmp_path, store) == ()
    os.utime(lease, (time.time() + 3601,) * 2)
    assert drivers(tmp_path, store) == (
        "node17, process 4321 (or it has ended: its clock was 60 minutes ahead of this one)",
    )
