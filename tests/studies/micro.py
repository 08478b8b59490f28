"""The micro-study for tests of executors: run it, and compare what it leaves byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.run import StudyResult, run_study

if TYPE_CHECKING:
    from repscape.execution.executor import Executor

# Drawing takes most of the time and happens in the driver, whatever runs the tasks.
SETTINGS = ("figures=[]", "report=[]")


def run_micro(folder: Path, executor: str | Executor = "inline") -> StudyResult:
    """Run it into `folder/out`, on the store `folder/store`."""
    study = load_study("micro", SETTINGS)
    return run_study(study, folder / "out", Store(folder / "store"), executor)


def tables(folder: Path) -> dict[str, bytes]:
    """Every final table, and the provenance of each, byte for byte."""
    return {path.name: path.read_bytes() for path in sorted((folder / "out" / "tables").iterdir())}


def scored(folder: Path) -> dict[str, bytes]:
    """The bytes of every table of scores in the store."""
    return {
        path.name: path.read_bytes() for path in (folder / "store" / "scores").rglob("*.parquet")
    }
