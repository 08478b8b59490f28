"""The committed page of measures says what the measures declare."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from repscape.catalogue import records
from repscape.measures.base import MEASURES
from repscape.papers import PAPERS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "measures.md").read_text(encoding="utf-8")


def test_the_committed_page_is_current():
    made = runpy.run_path(str(DOCS / "make_measures_page.py"))["page"]()
    assert made == PAGE, "run: python docs/make_measures_page.py"


@pytest.mark.parametrize("row", records(), ids=lambda row: row["measure"])
def test_every_measure_has_its_row_in_the_table(row):
    [line] = [line for line in PAGE.splitlines() if line.startswith(f"| [`{row['measure']}`]")]
    assert ("↑" if row["kind"] == "similarity" else "↓") in line
    assert row["citation"] in line


@pytest.mark.parametrize("name", PAPERS)
def test_every_paper_has_its_set_on_the_page(name):
    section = PAGE.split(f"\n### {name}\n")[1].split("\n### ")[0]
    listed = re.findall("^- `(.*)`$", section, re.MULTILINE)
    assert tuple(listed) == PAPERS[name].measures
    assert all(
        f"- left out: {what}: {why}" in section for what, why in PAPERS[name].left_out.items()
    )


@pytest.mark.parametrize("measure", list(MEASURES.classes()), ids=lambda cls: cls.spec.name)
def test_every_measure_has_its_section(measure):
    spec = measure.spec
    section = PAGE.split(f"\n### {spec.name}\n")[1].split("\n### ")[0]
    assert spec.formula in section
    assert spec.pitfalls in section
    assert spec.citation.bibtex in section
    for alias in spec.aliases:
        assert f"`{alias}:" in section
