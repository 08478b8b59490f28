"""The command as a whole: version, help, exit codes, interruption."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from installed import COMMAND

import repscape as package


def test_version(command):
    done = command("--version")
    assert (done.code, done.out, done.err) == (0, f"repscape {package.__version__}\n", "")


def test_help_names_every_command(command):
    done = command("--help")
    assert done.code == 0
    for name in ("quickstart", "compare", "measures", "plot"):
        assert f"\n  {name} " in done.out
    assert "Exit codes: 0 done; 2 wrong usage or input; 1 unexpected; 130 interrupted." in done.out
    assert "..." not in done.out.partition("Commands:")[2], "a summary is cut off"


def test_python_dash_m_is_the_same_command(command):
    arguments = [sys.executable, "-m", "repscape", "--help"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == command("--help").out


def test_without_a_command_the_help_is_shown(repscape):
    done = repscape()
    assert "Commands:" in done.out + done.err
    assert done.code == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["campare"], "No such command 'campare'"),
        (["compare", "only_one.npy"], "Missing argument 'B'"),
        (["compare", "a", "b", "--frobnicate"], "No such option"),
        (["compare", "a", "b", "--align", "loosely"], "--align"),
        (["measures", "--family"], "requires an argument"),
    ],
)
def test_wrong_usage_exits_with_2_and_prints_nothing_on_stdout(repscape, arguments, message):
    done = repscape(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert message in done.err
    assert "Traceback" not in done.err


def test_an_error_of_the_operating_system_is_one_message(repscape, tmp_path, scores):
    (tmp_path / "occupied").write_text("a file, not a folder")
    done = repscape("plot", scores, "--out", tmp_path / "occupied")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "occupied" in done.err
    assert len(done.err.splitlines()) == 1


def test_a_bug_shows_its_traceback_and_exits_with_1(tmp_path):
    """Nothing turns an unexpected error into a polite message: here, a broken dependency."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['numpy'] = None\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [COMMAND, "compare", "a.npy", "b.npy"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert done.stdout == ""


def test_interruption_exits_with_130(tmp_path):
    """An assignment problem of 3,000 × 3,000 takes long enough to be interrupted."""
    values = np.random.default_rng(0).normal(size=(3000, 3000))
    np.save(tmp_path / "x.npy", values)
    arguments = ["compare", "x.npy", "x.npy", "-m", "hard_correlation_match"]
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "repscape", *arguments],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background makes its children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        for line in process.stderr:
            if line.rstrip().endswith("repscape.catalogue"):
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err[-2000:]
    assert out == ""
    assert "Traceback" not in err
