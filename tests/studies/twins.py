"""The small twins of the published studies: shrunk further, run, and killed on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from repscape.store import Store
from repscape.studies.builtin_studies import builtin_path

STEPS = {0: 0, 50: 2, 120: 6, 150: 6, 250: 6}
LAYERS = {4: 3, 6: 2, 8: 3, 12: 4}


def shrunk(name: str, path: Path) -> Path:
    """The study file with trainings of six steps, few samples and no figures."""
    content = yaml.safe_load(builtin_path(name).read_text(encoding="utf-8"))
    for model in content["models"]:
        options = model["options"]
        layers = LAYERS[options["layers"]]
        options |= {"steps": STEPS[options["steps"]], "width": 16, "layers": layers}
        if "checkpoints" in options:
            options["checkpoints"] = [STEPS[step] for step in options["checkpoints"]]
        each = model.get("each", {})
        if "step" in each:
            each["step"] = [STEPS[step] for step in each["step"]]
        if "width" in each:
            options["width"], each["width"] = "{width}", [8, 16]
        if options["family"] == "esm":
            model["layers"] = ["embeddings", "block.[0-1]", "final_norm"]
    for data in content["data"]:
        if data["name"] != "code":  # which has 71 samples
            data["subset"] = {"first": 120}
    content["significance"] = {"permutations": 3} if "significance" in content else "off"
    content["figures"] = []
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


def run_and_kill(study: Path, out: Path, executor: str, after: int) -> None:
    """Kill a run and all that it started once it committed so many and is at something else."""
    process = subprocess.Popen(
        command(study, out, executor),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    enough = len(committed(out)) + after
    while process.poll() is None:
        if len(committed(out)) >= enough and any((out / "store" / "_leases").iterdir()):
            break
        time.sleep(0.02)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def committed(out: Path) -> dict[str, int]:
    """The artefacts that the store of a run has, and when each was committed."""
    manifests = (out / "store").glob("*/*/manifest.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in manifests}


def lose(store: Store, kind: str, count: int) -> None:
    """Forget the last artefacts of a kind and all that follows from them: they are still to do."""
    known = store.keys()
    recipes = {key: json.dumps(asdict(store.manifest(key).recipe)) for key in known}
    manifests = sorted(store.root.glob(f"{kind}/*/manifest.json"), key=lambda p: p.stat().st_mtime)
    gone = {path.parent.name for path in manifests[-count:]}
    while more := {
        key for key in recipes.keys() - gone if any(lost in recipes[key] for lost in gone)
    }:
        gone |= more
    for key in gone:
        store.delete(key)


def outputs(out: Path) -> dict[str, Any]:
    """All bytes that a reader sees."""
    files = [*(out / "tables").iterdir(), out / "report.html"]
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}
