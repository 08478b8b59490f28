"""The committed page of geometry says what the descriptors declare."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from repscape.geometry.base import DESCRIPTORS
from repscape.geometry.presets import PRESETS

DOCS = Path(__file__).parents[1] / "docs"
PAGE = (DOCS / "geometry.md").read_text(encoding="utf-8")


def test_the_committed_page_is_current():
    made = runpy.run_path(str(DOCS / "make_geometry_page.py"))["page"]()
    assert made == PAGE, "run: python docs/make_geometry_page.py"


@pytest.mark.parametrize("descriptor", list(DESCRIPTORS.classes()), ids=lambda cls: cls.spec.name)
def test_every_descriptor_has_its_section(descriptor):
    spec = descriptor.spec
    section = PAGE.split(f"\n#### {spec.name}\n")[1].split("\n#### ")[0]
    assert spec.formula in section
    assert spec.pitfalls in section
    assert spec.citation.bibtex in section


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_listed(name):
    assert f"| `{name}` |" in PAGE
