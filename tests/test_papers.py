"""The sets of measures of published studies: every name is canonical, every study complete."""

from __future__ import annotations

import pytest

from repscape.errors import UnknownNameError
from repscape.measures.base import get_measure
from repscape.papers import PAPERS, get_paper

NAMES = [(paper, name) for paper in PAPERS for name in PAPERS[paper].measures]


@pytest.mark.parametrize(("paper", "name"), NAMES, ids=lambda value: str(value))
def test_every_name_parses_and_is_canonical(paper, name):
    assert get_measure(name).name == name


@pytest.mark.parametrize("paper", sorted(PAPERS))
def test_no_measure_stands_twice(paper):
    assert len(set(PAPERS[paper].measures)) == len(PAPERS[paper].measures)


def test_the_sets_have_the_sizes_that_the_studies_report():
    assert len(PAPERS["klabunde2023"].measures) == 10
    assert len(PAPERS["resi"].measures) + len(PAPERS["resi"].left_out) == 24
    assert len(PAPERS["huh2024"].measures) == 8
    assert len(PAPERS["ciernik2024"].measures) == 3
    assert len(PAPERS["ciernik2024_all"].measures) == 7


def test_the_main_text_is_part_of_the_whole():
    assert set(PAPERS["ciernik2024"].measures) < set(PAPERS["ciernik2024_all"].measures)


def test_a_study_that_compares_nothing_says_so():
    for paper in PAPERS.values():
        assert paper.measures or paper.left_out


def test_an_unknown_paper_lists_near_matches():
    with pytest.raises(UnknownNameError, match="did you mean 'klabunde2023'"):
        get_paper("klabunde2024")
