"""How results are printed: on a terminal, in a pipe, without colours."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest
from installed import COMMAND

from repscape.cli.output import finite_or_none, fit, fold_name, print_json

COLOUR = re.compile(r"\x1b\[[0-9;]*3[0-7][0-9;]*m")


def on_a_terminal(*arguments: str, **environment: str) -> str:
    """Run the command with its output on a pseudo-terminal of 100 columns."""
    ours, theirs = pty.openpty()
    # What a test runner may have set would decide instead of the terminal.
    kept = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    settings = {"TERM": "xterm-256color", "COLUMNS": "100", **environment}
    with subprocess.Popen(
        [COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env={**kept, **settings}
    ) as process:
        os.close(theirs)
        parts = []
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other side is closed
                break
            if not part:
                break
            parts.append(part)
    os.close(ours)
    assert process.returncode == 0
    return b"".join(parts).decode()


def plain(shown: str) -> list[str]:
    return re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_gets_measures_by_family_and_a_legend(columns):
    shown = on_a_terminal("measures", COLUMNS=str(columns))
    lines = plain(shown)
    at = lines.index("alignment")
    facts = ["aligned_cosine", "↑", "[-1, 1]", "OPST", "2", "Hamilton et al. 2016"]
    assert re.split(r"\s\s+", lines[at + 1].strip()) == facts
    assert lines[at + 2].startswith("      center=true; cost n·r·r'")
    assert "\t" not in shown
    assert "larger is more alike" in shown
    assert COLOUR.search(shown)
    assert max(map(len, lines)) <= columns


def test_the_names_of_a_paper_are_whole_and_by_family():
    lines = plain(on_a_terminal("measures", "--paper", "klabunde2023", COLUMNS="80"))
    assert "  'center|unit_norm|rsm_difference[rdm=euclidean]@2'" in lines
    assert lines.count("alignment") == 1
    assert max(map(len, lines)) <= 80


def test_a_paper_without_measures_shows_why_and_no_legend():
    lines = plain(on_a_terminal("measures", "--paper", "singh2023", COLUMNS="80"))
    assert lines[1].startswith("left out: concept similarity: ")
    assert len(lines) == 3


def test_everything_about_a_measure_fits_a_narrow_terminal():
    lines = plain(on_a_terminal("measures", "procrustes", COLUMNS="60"))
    assert max(map(len, lines)) <= 60
    assert "  With n ≤ d independent data can be rotated close to each" in lines
    assert "  angle       arccos ‖XᵀY‖_*, in [0, π/2] radians;" in lines


def test_long_names_are_broken_where_a_parameter_ends(files):
    lines = plain(
        on_a_terminal(
            "compare", str(files / "x.npy"), str(files / "noisy.npy"), "--all", COLUMNS="80"
        )
    )
    at = next(i for i, line in enumerate(lines) if "distance_correlation" in line)
    assert lines[at].split()[0] == "'distance_correlation[debiased=true,"
    assert lines[at + 1].split() == ["root=false]@1'"]
    assert fold_name("a" * 30, 20) == "a" * 30


def test_where_columns_find_no_room_every_score_is_a_paragraph(files):
    arguments = ["compare", str(files / "x.npy"), str(files / "noisy.npy"), "-m", "cka"]
    arguments += ["-m", "procrustes", "--null", "permutation", "--interval", "jackknife"]
    narrow = plain(on_a_terminal(*arguments, COLUMNS="80"))
    names = [i for i, line in enumerate(narrow) if line.startswith("'")]
    assert [narrow[i] for i in names] == [
        "'cka[kernel=linear,debiased=true]@1'",
        "'procrustes[score=distance,center=true]@1'",
    ]
    first = " ".join(line.strip() for line in narrow[names[0] + 1 : names[1]])
    assert first.startswith("value 0.")
    for header in ("chance 0 ", "p 0.", "effect 0.", "95% interval 0.", "kind similarity", "n "):
        assert f" {header}" in first
    assert max(map(len, narrow)) <= 80
    wide = plain(on_a_terminal(*arguments, COLUMNS="140"))
    assert any(line.split()[:2] == ["measure", "value"] for line in wide)


def test_text_is_fitted_to_the_width():
    text = "Head\n  one two three four five six\n  seven\n\n  name    a table of two columns, long"
    assert fit(text, 40) == text.replace("\n\n  name    a table of two columns, long", "") + (
        "\n\n  name    a table of two columns, long"
    )
    words = " ".join(["word"] * 20)
    assert fit(f"Head\n  {words}", 40).splitlines() == [
        "Head",
        *["  " + " ".join(["word"] * 7)] * 2,
        "  " + " ".join(["word"] * 6),
    ]


def test_square_brackets_are_no_markup(files):
    shown = on_a_terminal("compare", str(files / "x.npy"), str(files / "rotated.npy"))
    assert "'cka[kernel=linear,debiased=true]@1'" in shown


def test_no_color_is_honoured():
    shown = on_a_terminal("measures", "--family", "alignment", NO_COLOR="1")
    assert "aligned_cosine" in shown
    assert not COLOUR.search(shown)


def test_json_is_strict(capsys):
    with pytest.raises(ValueError, match="JSON"):
        print_json({"value": float("nan")})
    print_json({"name": "σ"})
    assert capsys.readouterr().out == '{\n  "name": "σ"\n}\n'


def test_what_is_not_finite_is_null():
    assert finite_or_none(1) == 1.0
    assert finite_or_none(float("inf")) is None
    assert finite_or_none(float("nan")) is None
