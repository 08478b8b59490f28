"""The small twins of the published studies: shrunk further, run, and killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from repscape.studies.builtin_studies import builtin_path

MODELS = {
    "llm-similarity-small": {"gpt2-{width}/{seed}": {"width": [8, 16, 24], "seed": [0]}},
    "transformer-geometry-small": {
        "imagegpt-small@{step}": {"step": [0, 6]},
        "esm2-small@120": {},
    },
}
"""Of which models tests leave how many: enough for every stage and every kind of task."""
MEASURES = (1, 8)
"""One of each group of the paper."""
STEPS = {0: 0, 50: 2, 120: 6, 150: 6, 250: 6}
LAYERS = {4: 3, 6: 2}


def shrunk(name: str, path: Path) -> Path:
    """The study file with fewer models and measures, trainings of six steps, few samples."""
    content = yaml.safe_load(builtin_path(name).read_text(encoding="utf-8"))
    each = MODELS[name]
    content["models"] = [model for model in content["models"] if model["name"] in each]
    for model in content["models"]:
        model |= {"each": each[model["name"]]}
        options = model["options"]
        options |= {"steps": STEPS[options["steps"]], "layers": LAYERS[options["layers"]]}
        if options["width"] != "{width}":
            options["width"] = 16
        if "checkpoints" in options:
            options["checkpoints"] = [STEPS[step] for step in options["checkpoints"]]
        if options["family"] == "esm":
            model["layers"] = ["embeddings", "block.[0-1]", "final_norm"]
    for data in content["data"]:
        if data["name"] != "code":  # which has 71 samples
            data["subset"] = {"first": 120}
    if "measures" in content:
        content["measures"] = [content["measures"][place] for place in MEASURES]
        content["significance"] = {"permutations": 3}
    content["figures"] = []  # which take as long as all the rest
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return path


def command(study: Path, out: Path, executor: str) -> list[str]:
    """The command line that runs a study."""
    return [
        *(sys.executable, "-m", "repscape", "run", str(study)),
        *("--out", str(out), "--executor", executor),
    ]


def run(study: Path, out: Path, executor: str) -> None:
    """Run a study to its end."""
    done = subprocess.run(
        command(study, out, executor), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run_and_kill(study: Path, out: Path, executor: str, after: int, kind: str = "*") -> None:
    """Kill a run and all that it started once it committed so many and is at something else."""
    process = subprocess.Popen(
        command(study, out, executor),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    enough = len(committed(out, kind)) + after
    while process.poll() is None:
        if len(committed(out, kind)) >= enough and any((out / "store" / "_leases").iterdir()):
            break
        time.sleep(0.02)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def committed(out: Path, kind: str = "*") -> dict[str, int]:
    """The artefacts (of a kind) that the store of a run has, and when each was committed."""
    manifests = (out / "store").glob(f"{kind}/*/manifest.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in manifests}


def outputs(out: Path) -> dict[str, Any]:
    """All bytes that a reader sees."""
    files = [*(out / "tables").iterdir(), out / "report.html"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
