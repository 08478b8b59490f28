"""`repscape quickstart` as a command: what it prints, what stays, what a second run does."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest
from installed import COMMAND


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_prints_three_numbers_and_the_report_and_a_second_run_makes_nothing(command, tmp_path):
    first = command("quickstart", "--out", "out", "--json", cwd=tmp_path)
    assert first.code == 0, first.err
    given = json.loads(first.out)
    assert given["made"] > 0
    assert len(given["headlines"]) == 3
    assert (tmp_path / given["report"]).is_file()
    assert "train" in first.err, "progress goes to standard error, so that JSON stands alone"
    before = contents(tmp_path / "out")

    second = command("quickstart", "--out", "out", cwd=tmp_path)
    assert second.code == 0, second.err
    assert second.err == ""
    *_, last = second.out.splitlines()
    assert last == f"report: {Path('out/report.html')}"
    for headline in given["headlines"]:
        assert f"{headline['value']}  {headline['label']}\n" in second.out
        assert f"({headline['detail']})\n" in second.out
    assert contents(tmp_path / "out") == before

    again = command("quickstart", "--out", "out", "--json", cwd=tmp_path)
    assert json.loads(again.out) == {**given, "made": 0, "found": given["made"] + given["found"]}


def contents(folder: Path) -> dict[str, bytes]:
    """Everything but the run times, which belong to a run and not to its result."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".log"
    }


@pytest.mark.slow
def test_interrupted_it_exits_with_130_and_keeps_what_is_done(tmp_path):
    with subprocess.Popen(
        [COMMAND, "quickstart", "--out", "out", "--store", "kept"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs the tests in the background makes its children ignore the signal.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        finished = next(line for line in process.stdout if line.startswith("train  "))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not (tmp_path / "out" / "report.html").exists()

    with subprocess.Popen(
        [COMMAND, "quickstart", "--out", "out", "--store", "kept"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        resumed = next(line for line in process.stdout if line.startswith("train  "))
        process.terminate()
    assert finished.split()[:2] == ["train", "train"]
    assert resumed == "train     1 of 24 found in the store\n"


def test_an_output_folder_that_cannot_be_made_is_one_message(repscape, tmp_path):
    (tmp_path / "occupied").write_text("a file, not a folder")
    done = repscape("quickstart", "--out", tmp_path / "occupied")
    assert done.code == 2
    assert done.err.startswith("error: ")
    assert "occupied" in done.err
    assert "Traceback" not in done.err
