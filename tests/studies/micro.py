"""The micro-study for tests of executors: run it, and compare what it leaves byte for byte."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from micro_study import data_of

from repscape.store import Store
from repscape.studies.load import load_study
from repscape.studies.run import StudyResult, run_study

if TYPE_CHECKING:
    from repscape.execution.executor import Executor

# Drawing takes most of the time and happens in the driver, whatever runs the tasks: some figures
# are enough where executors are compared, none where runs are killed.
SETTINGS = ("figures=[]", "report=[]")
DRAWN = ("figures=[profiles]", "report=[]")


def run_micro(
    folder: Path, executor: str | Executor = "inline", settings: tuple[str, ...] = SETTINGS
) -> StudyResult:
    """Run it into `folder/out`, on the store `folder/store`."""
    study = load_study("micro", settings)
    return run_study(study, folder / "out", Store(folder / "store"), executor)


def tables(folder: Path) -> dict[str, bytes]:
    """Every final table, and the provenance of each, byte for byte."""
    return {path.name: path.read_bytes() for path in sorted((folder / "out" / "tables").iterdir())}


def figures(folder: Path) -> dict[str, bytes]:
    """Every figure, PNG and PDF, byte for byte."""
    return {path.name: path.read_bytes() for path in sorted((folder / "out" / "figures").iterdir())}


def scored(folder: Path) -> dict[str, bytes]:
    """The bytes of every table of scores in the store."""
    return {
        path.name: path.read_bytes() for path in (folder / "store" / "scores").rglob("*.parquet")
    }


def commits(folder: Path) -> dict[str, int]:
    """When every artefact was committed, by the time of its manifest."""
    manifests = (folder / "store").glob("*/*/manifest.json")
    return {path.parent.name: path.stat().st_mtime_ns for path in manifests}


def assert_same(folder: Path, expected: Path) -> None:
    """Every table and figure, and all that the store has: weights, representations, scores."""
    assert tables(folder) == tables(expected)
    assert figures(folder) == figures(expected)
    found, wanted = (data_of(one / "store") for one in (folder, expected))
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
