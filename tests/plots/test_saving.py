"""The same figure gives the same bytes, in every process."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pytest

from repscape.plots.pair_strip import pair_strip
from repscape.plots.saving import save_figure

TESTS = Path(__file__).parents[1]

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from score_tables import SIMILARITY, synthetic
from repscape.plots.figures import figures_for
from repscape.plots.saving import save_figure

table = synthetic()
for name, figure in figures_for(table[table["measure"] == SIMILARITY]).items():
    save_figure(figure, f"{sys.argv[1]}/{name}")
"""


def drawn_in_a_process(folder: Path, hash_seed: str) -> dict[str, str]:
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    environment.pop("SOURCE_DATE_EPOCH", None)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(TESTS)], check=True, env=environment
    )
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.iterdir())
    }


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    first = drawn_in_a_process(tmp_path / "first", "1")
    assert len(first) == 8
    assert {name.partition("_")[0] for name in first} == {"models", "map", "pairs", "layers"}
    assert {name.rpartition(".")[2] for name in first} == {"png", "pdf"}
    assert drawn_in_a_process(tmp_path / "second", "2") == first


def test_no_file_carries_a_date_or_the_users_style(strip_table, tmp_path: Path) -> None:
    plain = save_figure(pair_strip(strip_table), tmp_path / "plain")
    with mpl.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 50}):
        styled = save_figure(pair_strip(strip_table), tmp_path / "deeper" / "styled")
        assert mpl.rcParams["font.size"] == 30
    assert [path.suffix for path in plain] == [".png", ".pdf"]
    for left, right in zip(plain, styled, strict=True):
        assert left.read_bytes() == right.read_bytes()
    assert b"CreationDate" not in plain[1].read_bytes()
    assert b"tEXt" not in plain[0].read_bytes()


def test_a_dot_in_the_name_is_not_a_suffix(strip_table, tmp_path: Path) -> None:
    written = save_figure(pair_strip(strip_table), tmp_path / "cka-sigma-0.4")
    assert [path.name for path in written] == ["cka-sigma-0.4.png", "cka-sigma-0.4.pdf"]
