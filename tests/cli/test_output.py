"""How results are printed: on a terminal, in a pipe, without colours."""

from __future__ import annotations

import os
import pty
import re
import subprocess

import pytest
from installed import COMMAND

from repscape.cli.output import finite_or_none, print_json

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


def test_a_terminal_gets_tables_by_family_and_a_legend():
    shown = on_a_terminal("measures", "--family", "alignment")
    assert "alignment" in shown
    assert "────" in shown
    assert "\t" not in shown
    assert "larger is more alike" in shown
    assert COLOUR.search(shown)
    assert max(len(line) for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()) <= 100


def test_square_brackets_are_no_markup(files):
    shown = on_a_terminal("compare", str(files / "x.npy"), str(files / "rotated.npy"))
    assert "'cka[kernel=linear,debiased=true]@1'" in shown


def test_no_color_is_honoured():
    shown = on_a_terminal("measures", "--family", "alignment", NO_COLOR="1")
    assert "────" in shown
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
