"""`repscape plot`: figures of a table of scores."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest


def test_draws_each_figure_as_png_and_pdf(repscape, scores, tmp_path):
    done = repscape("plot", scores, "--out", tmp_path / "drawn")
    assert (done.code, done.err) == (0, "")
    files = [Path(line) for line in done.out.splitlines()]
    assert files
    assert {file.suffix for file in files} == {".png", ".pdf"}
    assert sorted(files) == sorted((tmp_path / "drawn").iterdir())
    for file in files:
        magic = b"\x89PNG" if file.suffix == ".png" else b"%PDF"
        assert file.read_bytes().startswith(magic)


def test_csv_and_json(repscape, scores, tmp_path):
    pd.read_parquet(scores).to_csv(tmp_path / "scores.csv", index=False)
    done = repscape("plot", tmp_path / "scores.csv", "--out", tmp_path / "drawn", "--json")
    files = json.loads(done.out)["files"]
    assert files
    assert all(Path(file).is_file() for file in files)


def test_both_directions_of_a_measure_that_has_two(repscape, scores, tmp_path):
    """Drawn as one direction, the figure would mix the two."""
    table = pd.read_parquet(scores)
    swapped = table.rename(
        columns={f"{name}_{s}": f"{name}_{t}" for name in ("rep", "model") for s, t in ("ab", "ba")}
    )
    both = pd.concat([table, swapped.assign(value=swapped["value"] / 2)], ignore_index=True)
    both["measure"] = "pwcca[weights_from=x]@1"
    both.to_parquet(tmp_path / "both.parquet")
    done = repscape("plot", tmp_path / "both.parquet", "--out", tmp_path / "drawn")
    assert done.code == 0, done.err


def test_measures_of_another_program_are_drawn(repscape, scores, tmp_path):
    pd.read_parquet(scores).assign(measure="their_score").to_parquet(tmp_path / "theirs.parquet")
    done = repscape("plot", tmp_path / "theirs.parquet", "--out", tmp_path / "drawn")
    assert done.code == 0, done.err
    assert "their" in done.out


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.parquet", None, "there is no such file"),
        ("scores.xlsx", b"", "a .parquet or a .csv file"),
        ("torn.parquet", b"PAR1", "not a .parquet table"),
        ("other.csv", b"city,people\nRome,3\n", "no column 'rep_a'"),
        ("empty.csv", b"rep_a,rep_b,measure,kind,value\n", "no rows"),
    ],
)
def test_what_is_no_table_of_scores_is_refused(repscape, tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    done = repscape("plot", tmp_path / name, "--out", tmp_path / "drawn")
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (tmp_path / "drawn").exists()
