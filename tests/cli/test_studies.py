"""The commands about studies, as a user types them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from installed import COMMAND

from repscape.cli.progress import Bars, Lines, duration
from repscape.execution.outcomes import Event, Failure
from repscape.tasks import Recipe, Task

FAST = ("--set", "report=[]", "--set", "descriptors=[]", "--set", "describe={}")
FAST += ("--set", "significance=off", "--set", "measures=[cka]")


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    folder = tmp_path_factory.mktemp("study")
    command = [COMMAND, "run", "micro", "--out", "out", *FAST]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "out", done.stdout


def test_the_built_in_studies_are_listed_and_one_is_shown_to_copy(repscape, tmp_path):
    listed = repscape("studies").out.splitlines()
    assert listed[0] == "study\tmodels\twhat it asks"
    assert {"micro", "quickstart"} <= {line.split("\t")[0] for line in listed[1:]}
    shown = repscape("studies", "show", "micro")
    copy = tmp_path / "copy.yaml"
    copy.write_text(shown.out, encoding="utf-8")
    assert repscape("validate", copy).out.startswith(f"{copy}: fine: study 'micro' of 4 models")
    wrong = repscape("studies", "show", "mikro")
    assert wrong.code == 2
    assert "did you mean 'micro'?" in wrong.err


def test_every_built_in_study_is_valid(repscape):
    for line in repscape("studies").out.splitlines()[1:]:
        name = line.split("\t")[0]
        assert f"fine: study {name!r}" in repscape("validate", name).out


def test_a_wrong_file_is_one_message_and_exit_code_2(repscape, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(repscape("studies", "show", "micro").out.replace("measures", "mesures"))
    for command in ("validate", "plan", "run", "report"):
        done = repscape(command, path)
        assert done.code == 2
        assert done.out == ""
        assert done.err.startswith(f"error: {path}:18:1: unknown key 'mesures'")
        assert len(done.err.splitlines()) == 1
    assert not (tmp_path / "micro").exists()


def test_plan_refuses_layers_that_a_pretrained_model_has_not(repscape, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        'study: mine\nmodels: [{model: "torchvision:resnet18", options: {pretrained: false}}]\n'
        "data: [{data: digits}]\nlayers: [blok.0]\nmeasures: [cka]\n"
    )
    for command in ("validate", "plan"):
        done = repscape(command, path)
        assert done.code == 2
        assert done.err.startswith(f"error: {path}:4:10: layer 'blok.0' matches nothing in ResNet")
    path.write_text(path.read_text().replace("torchvision:resnet18", "hf:no/model"))
    assert (
        "not at hand: model 'hf:no/model': it is not on this machine" in repscape("plan", path).err
    )
    assert "layers not checked: hf:no/model: it is " in repscape("validate", path).err


def test_plan_says_what_is_to_do_and_writes_nothing(repscape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = repscape("plan", "micro", "--json", "--tasks")
    planned = json.loads(done.out)
    stages = {stage["stage"]: stage for stage in planned["stages"]}
    assert {name: stage["tasks"] for name, stage in stages.items() if name != "tables"} == {
        "train": 8,
        "extract": 4,
        "compare": 2,
        "describe": 8,
        "analyse": 3,
    }
    assert all(stage["to_do"] == stage["tasks"] for stage in stages.values())
    assert stages["compare"]["operations"] > 0
    assert stages["extract"]["largest_memory"] > 0
    assert len(planned["tasks"]) == sum(stage["tasks"] for stage in stages.values())
    assert list(tmp_path.iterdir()) == []


def test_more_samples_cost_more(repscape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def cost(*settings: str) -> dict[str, float]:
        planned = json.loads(repscape("plan", "micro", "--json", *settings).out)
        return {stage["stage"]: stage["operations"] for stage in planned["stages"]}

    few, many = cost(), cost("--set", "data.0.split=all")
    ratio = 1797 / 449
    assert many["extract"] / few["extract"] == pytest.approx(ratio, rel=0.01)
    for stage in ("describe", "compare"):  # the formulas: tests/studies/test_estimate.py
        assert ratio < many[stage] / few[stage] < ratio**2


def test_a_run_prints_a_line_per_task_and_ends_with_the_report(finished):
    out, printed = finished
    lines = printed.splitlines()
    assert sum(line.startswith("train ") for line in lines) == 8
    assert sum(line.startswith("compare ") for line in lines) == 1
    assert lines[-1] == "report: out/report.html"
    assert (out / "report.html").is_file()


def test_plan_and_status_after_a_run(finished, repscape):
    out, _ = finished
    planned = json.loads(repscape("plan", "micro", "--out", out, "--json", *FAST).out)
    assert sum(stage["to_do"] for stage in planned["stages"]) == 0
    status = json.loads(repscape("status", out, "--json").out)
    assert status["complete"] is True
    assert {s["stage"]: (s["tasks"], s["done"]) for s in status["stages"]}["train"] == (8, 8)
    assert status["running"] == {}
    lines = repscape("status", out).out.splitlines()
    assert lines[0] == "stage\ttasks\tdone\trunning\tfailed\twaiting"
    assert lines[1] == "train\t8\t8\t–\t–\t–"
    other = json.loads(repscape("plan", "micro", "--out", out, "--json", *FAST[:-1],
                                "measures=[cka, procrustes]").out)  # fmt: skip
    to_do = {stage["stage"]: stage["to_do"] for stage in other["stages"] if stage["to_do"]}
    assert to_do == {"compare": 1, "tables": 1, "analyse": 2}


def test_a_measure_without_one_score_is_named_by_plan_and_run(finished, repscape):
    folder, _ = finished
    given = ["micro", "--store", folder / "store", "--out", folder.parent / "none", *FAST]
    given += ["--set", "measures=['mutual_knn[k=500]']", "--set", "figures=[]"]
    said = "mutual_knn[k=500,metric=cosine]@1 has no value at all on digits: "
    said += "mutual_knn[k=500,metric=cosine]@1 needs at least 501 samples, and there are 449"
    assert said in repscape("plan", *given).err.splitlines()
    for _ in range(2):
        done = repscape("run", *given)
        assert said in done.err.splitlines()
        assert done.code == 0
    assert said in (folder.parent / "none" / "report.html").read_text(encoding="utf-8")
    assert json.loads(repscape("run", *given, "--json").out)["unscored"] == [said]


def test_who_interrupts_a_run_is_told_how_it_goes_on(tmp_path):
    out = tmp_path / "out"
    command = [COMMAND, "run", "micro", "--out", str(out), *FAST]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout is not None
        process.stdout.readline()  # something was made
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
    assert process.returncode == 130
    [line] = [line for line in err.splitlines() if line]
    assert line.startswith(f"interrupted: what was computed is kept in {out}/store, and `repscape ")
    assert line.endswith("'measures=[cka]'` goes on")


@pytest.mark.parametrize(
    "name",
    [
        "tables/scores.parquet",
        "tables/scores.csv",
        "figures/models_cka-kernel-linear-debiased-true-1.png",
        "figures/models_cka-kernel-linear-debiased-true-1.pdf",
        "report.html",
    ],
)
def test_every_output_carries_its_provenance(finished, repscape, name):
    out, _ = finished
    found = json.loads(repscape("trace", out / name, "--json").out)
    assert found["what"] in (name, name.rpartition(".")[0])
    assert found["study"] == "micro"
    assert found["command"] == f"repscape run {out}/study.yaml --out {out}"
    scores = out / "store" / "table" / found["inputs"]["scores"] / "manifest.json"
    assert scores.is_file(), "the key names an artefact of the store"
    assert set(found["models"]) == {"mlp/0", "mlp/1", "cnn/0", "cnn/1"}
    assert found["seeds"]["mlp/1"] == 1
    assert found["versions"]["python"] == sys.version.split()[0]
    assert found["study_digest"] in repscape("trace", out / name).out


@pytest.mark.slow
def test_the_command_that_is_traced_computes_a_file_again_from_anywhere(
    finished, repscape, tmp_path
):
    folder = tmp_path / "moved and renamed"
    shutil.copytree(finished[0], folder)
    lost = [
        folder / "tables" / "scores.parquet",
        folder / "figures" / "models_cka-kernel-linear-debiased-true-1.png",
    ]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.suffix != ".json"
              and path.is_file() and "store" not in path.parts}  # fmt: skip
    command = json.loads(repscape("trace", lost[0], "--json").out)["command"]
    assert command == json.loads(repscape("trace", lost[1], "--json").out)["command"]
    for path in lost:
        path.unlink()
    shutil.rmtree(folder / "store")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    path = {"PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"}
    subprocess.run(command, shell=True, cwd=elsewhere, env={**os.environ, **path},
                   capture_output=True, check=True)  # fmt: skip
    assert {path: path.read_bytes() for path in before} == before
    assert list(elsewhere.iterdir()) == []


@pytest.mark.slow
def test_a_relative_path_and_a_store_elsewhere_are_traced_too(
    finished, repscape, tmp_path, monkeypatch
):
    """The command names the store, and finds all that it needs there."""
    out, store = tmp_path / "out", tmp_path / "a store"
    shutil.copytree(finished[0] / "store", store)
    command = ("run", finished[0] / "study.yaml", "--out", out, "--store", store, "--json")
    assert json.loads(repscape(*command).out)["made"] == 0
    monkeypatch.chdir(out / "tables")
    traced = json.loads(repscape("trace", "scores.csv", "--json").out)["command"]
    assert traced == f"repscape run {out}/study.yaml --out {out} --store '{store}'"
    before = (out / "tables" / "scores.csv").read_bytes()
    (out / "tables" / "scores.csv").unlink()
    path = {"PATH": f"{Path(COMMAND).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(f"{traced} --json", shell=True, cwd="/", env={**os.environ, **path},
                          capture_output=True, text=True, check=True)  # fmt: skip
    assert json.loads(done.stdout)["made"] == 0
    assert (out / "tables" / "scores.csv").read_bytes() == before
    assert not (out / "store").exists()


def test_a_file_away_from_its_folder_says_so_and_keeps_what_it_knows(finished, repscape, tmp_path):
    copy = tmp_path / "scores.parquet"
    shutil.copy(finished[0] / "tables" / "scores.parquet", copy)
    done = repscape("trace", copy)
    assert "recompute  repscape run study.yaml --out .\n" in done.out
    assert "study.yaml beside it: run what it says of itself in the folder" in done.err


def test_what_carries_no_provenance_is_said(finished, repscape, tmp_path):
    out, _ = finished
    copy = tmp_path / "scores.csv"
    copy.write_bytes((out / "tables" / "scores.csv").read_bytes())
    (tmp_path / "empty.png").write_bytes(b"")
    for path, words in (
        (copy, "carries no provenance"),
        (tmp_path / "empty.png", "not a .png file"),
        (tmp_path / "none.pdf", "no such file"),
        (out / "study.yaml", "carry their provenance"),
    ):
        done = repscape("trace", path)
        assert done.code == 2
        assert words in done.err


def test_report_of_a_folder_writes_the_outputs_again_and_computes_nothing(finished, repscape):
    out, _ = finished
    before = {p: p.read_bytes() for p in out.rglob("*.csv")}
    (out / "tables" / "scores.csv").unlink()
    done = repscape("report", out)
    assert done.code == 0, done.err
    assert {p: p.read_bytes() for p in out.rglob("*.csv")} == before
    again = json.loads(repscape("run", out, "--json").out)
    assert (again["made"], again["report"]) == (0, str(out / "report.html"))


def test_a_folder_stands_for_the_study_that_was_run_into_it(
    finished, repscape, tmp_path, monkeypatch
):
    out, _ = finished
    assert repscape("validate", out).out == f"{out}/study.yaml: fine: study 'micro' of 4 models, " \
        "1 data set, 1 measure\n"  # fmt: skip
    planned = json.loads(repscape("plan", out, "--json").out)
    assert sum(stage["to_do"] for stage in planned["stages"]) == 0
    monkeypatch.chdir(out.parent)
    shutil.copytree(out, tmp_path / "micro")
    monkeypatch.chdir(tmp_path)
    assert json.loads(repscape("status", "micro", "--json").out)["complete"]
    assert "descriptor" in repscape("validate", "micro").out, "the built-in study"
    assert "descriptor" not in repscape("validate", "./micro").out, "the folder"
    (tmp_path / "mine.yaml").write_text("study: micro\n")
    assert json.loads(repscape("status", "mine.yaml", "--json").out)["complete"]
    done = repscape("validate", tmp_path)
    assert (done.code, "no study has been run into it" in done.err) == (2, True)


def test_status_says_whether_a_run_is_alive(finished, repscape, tmp_path):
    out, _ = finished
    assert "complete; no run is alive" in repscape("status", out).out
    folder = tmp_path / "out"
    shutil.copytree(out, folder)
    (folder / "tables" / "scores.csv").unlink()
    said = repscape("status", folder).out
    assert "all tasks are done, but tables, figures and report are not written" in said
    assert f"`repscape report {folder}` writes them" in said
    assert repscape("report", folder).code == 0
    assert json.loads(repscape("status", folder, "--json").out)["complete"]
    record = json.loads((folder / "outputs.json").read_text())
    record["tables"]["scores"] = "of an earlier run"
    (folder / "outputs.json").write_text(json.dumps(record))
    assert not json.loads(repscape("status", folder, "--json").out)["written"]
    shutil.rmtree(folder / "store" / "scores")
    assert f"no run is alive; `repscape run {folder}` goes on" in repscape("status", folder).out
    code = (
        "import pathlib, sys, time; from repscape.store import Store;"
        "from repscape.studies.drivers import driving\n"
        "with driving(pathlib.Path(sys.argv[1]), Store(sys.argv[1] + '/store')):\n"
        "    print('begun', flush=True); time.sleep(600)"
    )
    driver = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE)
    assert driver.stdout is not None
    driver.stdout.readline()
    said = repscape("status", folder).out
    driver.kill()
    driver.communicate()
    assert f"a run is alive: {socket.gethostname()}, process {driver.pid}\n" in said
    assert json.loads(repscape("status", folder, "--json").out)["alive"] == []


def test_status_of_a_folder_without_a_run(repscape, tmp_path):
    done = repscape("status", tmp_path)
    assert done.code == 2
    assert "no study has been run into this folder" in done.err


def test_wrong_executors_and_stages(repscape, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = repscape("run", "micro", "--executor", "slrum")
    assert (done.code, "did you mean 'slurm'" in done.err) == (2, True)
    done = repscape("run", "micro", "--only", "extrct")
    assert (done.code, "did you mean 'extract'" in done.err) == (2, True)


def test_an_executor_that_cannot_be_used_is_one_error_before_anything_is_done(command, tmp_path):
    for executor, words in (
        ("slurm", "sbatch, squeue, scancel, srun not found"),
        ("ray[address=ray://127.0.0.1:9]", "answers at 'ray://127.0.0.1:9'"),
    ):
        done = command("run", "micro", "-x", executor, cwd=tmp_path, PATH="")
        assert (done.code, done.out, done.err.count("\n")) == (2, "", 1), done.err
        assert words in done.err
        assert not (tmp_path / "micro" / "report.html").exists()
        assert not (tmp_path / "micro" / "tasks.json").exists()


def test_exit_code_1_also_where_the_rest_went_on_after_a_run_gave_one_model_up(
    finished, repscape, tmp_path
):
    folder, _ = finished
    text = repscape("studies", "show", "micro").out
    model = (
        "  - {train: digits_network, name: bad, options: {architecture: mlp, seed: 0, epochs: 1}"
    )
    given = tmp_path / "bad.yaml"
    given.write_text(text.replace("\ndata:", f"{model}, layers: ['nothing.*']}}\n\ndata:", 1))
    command = [given, "--store", folder / "store", "--out", tmp_path / "out", *FAST]
    done = repscape("run", *command, "--set", "figures=[]", "--set", "analyses=[]")
    assert done.code == 1
    assert done.err.count("failed: ") == 1
    assert (tmp_path / "out" / "report.html").exists()


def test_a_failure_gives_exit_code_1_and_says_why(tmp_path):
    command = [COMMAND, "run", "micro", *FAST, "--set", "models.0.layers=['nothing.*']"]
    done = subprocess.run(
        command,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ},
    )
    assert done.returncode == 1
    assert done.stderr.count("failed: ") == 4
    assert "nothing.*" in done.stderr
    assert "run again to try what is missing" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "micro" / "report.html").exists(), "there is nothing to report"
    status = [COMMAND, "status", "micro", "--traceback"]
    shown = subprocess.run(status, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert shown.count("failed: ") == 4
    assert "Traceback" in shown


def test_lines_count_what_was_found_and_say_why_something_failed():
    said: list[str] = []
    tasks = [Task(Recipe("table", 1, {"i": i}), "a:b", f"task {i}", "compare") for i in range(3)]
    failure = Failure(tasks[2].key, "task 2", "compare", "a:b", "ValueError", "too small\nmore")
    with Lines(said.append) as lines:
        lines.phase(tasks)
        lines.event(Event(tasks[0], "found"))
        lines.event(Event(tasks[1], "started"))
        lines.event(Event(tasks[1], "made", 1.25))
        lines.event(Event(tasks[2], "failed", 0.1, failure))
    assert said == [
        "compare   1 of 3 found in the store",
        "compare   task 1  1.2 s",
        "compare   task 2  failed: ValueError: too small",
    ]


def test_bars_count_what_ended_and_name_what_runs(capsys):
    tasks = [
        Task(Recipe("table", 1, {"number": number}), "module:f", f"table {number}", "tables")
        for number in range(5)
    ]
    failure = Failure(tasks[2].key, "table 2", "tables", "a:b", "ValueError", "no rows")
    with Bars() as bars:
        bars.phase(tasks)
        bars.event(Event(tasks[0], "found"))
        bars.event(Event(tasks[1], "started"))
        bars.event(Event(tasks[1], "made", 0.5))
        bars.event(Event(tasks[2], "started"))
        bars.event(Event(tasks[2], "retried", 0.1, failure))
        bars.event(Event(tasks[2], "failed", 0.1, failure))
        bars.event(Event(tasks[3], "started"))
        bars.event(Event(tasks[4], "elsewhere"))
    said = " ".join(capsys.readouterr().out.split())
    assert "table 2 failed, is tried again: ValueError: no rows" in said
    assert "table 2 failed: ValueError: no rows" in said
    assert "3/5" in said
    assert "table 3, table 4, 1 failed" in said


def test_durations():
    assert [duration(s) for s in (0.04, 99, 150, 7200, 3e5)] == [
        "0.0 s",
        "99.0 s",
        "2 min",
        "2.0 h",
        "3.5 days",
    ]
