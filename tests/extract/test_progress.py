"""The bar says how much is done, how fast, and how long the rest takes."""

from __future__ import annotations

import re
import time

from repscape.extract.progress import progress_bar


def test_a_bar_shows_samples_throughput_and_the_time_that_is_left(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    with progress_bar("gpt2 on texts") as show:
        show(0, 300)
        for done in (50, 100, 150):
            time.sleep(0.05)
            show(done, 300)
        time.sleep(0.15)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "gpt2 on texts" in line][
        -1:
    ]
    assert "150/300" in line
    assert re.search(r"[1-9][\d,]*/s", line)
    assert re.search(r"left +\d+:\d\d", line)
