"""What the documents in the root say is true."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import repscape

ROOT = Path(__file__).parents[1]


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_example_of_a_measure_works_as_it_stands(tmp_path):
    [example] = re.findall(r"```python\n(.*?)```", text("CONTRIBUTING.md"), re.DOTALL)
    (tmp_path / "mean_gap.py").write_text(example, encoding="utf-8")
    code = (
        "import numpy as np, repscape, mean_gap\n"
        "x, y = np.zeros((5, 2)), np.full((5, 2), [3.0, 4.0])\n"
        "print(repscape.compare(x, y, 'mean_gap[p=1]'))\n"
        "print('mean_gap[p=2]@1' in set(repscape.measures('statistics')['measure']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    first, listed = done.stdout.splitlines()
    assert first == "mean_gap[p=1]@1 = 7  (n=5, distance, duplicates 4 and 4)"
    assert listed == "True"


def test_the_rooms_that_are_described_exist():
    table = text("CONTRIBUTING.md").partition("| room |")[2].partition("\n\n")[0]
    named = re.findall(r"`(\w+(?:/|\.py))`", table)
    assert "measures/" in named
    for name in named:
        assert (ROOT / "src/repscape" / name).exists(), name
    folders = {path.parent.name for path in (ROOT / "src/repscape").glob("*/__init__.py")}
    assert {f"{folder}/" for folder in folders} <= set(named)


def test_one_version_everywhere():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert project["version"] == repscape.__version__
    assert f"\nversion: {repscape.__version__}\n" in text("CITATION.cff")


def test_the_licence_is_the_whole_apache_licence():
    licence = text("LICENSE")
    assert licence.lstrip().startswith("Apache License\n")
    for section in range(1, 10):
        assert re.search(rf"^   {section}\. [A-Z]", licence, re.MULTILINE), section
    assert "END OF TERMS AND CONDITIONS" in licence
    assert tomllib.loads(text("pyproject.toml"))["project"]["license"] == "Apache-2.0"


def test_the_changelog_keeps_its_format():
    changelog = text("CHANGELOG.md")
    assert re.search(r"^## \[Unreleased\]$", changelog, re.MULTILINE)
    allowed = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security", "Numbers"}
    assert set(re.findall(r"^### (.+)$", changelog, re.MULTILINE)) <= allowed


def test_every_extra_has_a_floor_for_each_dependency():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    extras = project["optional-dependencies"]
    assert {"vision", "hub", "ray", "slurm", "test", "docs"} <= set(extras)
    everything = [*project["dependencies"], *(one for extra in extras.values() for one in extra)]
    without = [one for one in everything if ">=" not in one and not one.startswith("types-")]
    assert without == []
