"""A report of twelve synthetic models."""

from __future__ import annotations

import pytest

from repscape.report.page import GlossaryEntry, Report
from repscape.report.similarities import similarity_report
from score_tables import DISTANCE, SIMILARITY, synthetic


@pytest.fixture(scope="session")
def report() -> Report:
    """All sections: two measures, some scores missing."""
    glossary = [
        GlossaryEntry(SIMILARITY, "similarity", "[−1, 1]", "Kornblith et al. 2019", "Of Grams."),
        GlossaryEntry(DISTANCE, "distance", "[0, π/2]"),
    ]
    return similarity_report(
        synthetic(),
        title="Twelve networks",
        glossary=glossary,
        provenance={"repscape": "0.1.0", "table": "0123abcd"},
        rule="matched_depth_mean",
    )
