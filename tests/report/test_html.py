"""The HTML file: whole, escaped, the same bytes each time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from plotly import graph_objects

from repscape.report.html import render, write_report
from repscape.report.page import (
    FigureChoice,
    GlossaryEntry,
    Headline,
    Report,
    ReportFigure,
    ReportTable,
    Section,
)

NASTY = "</script><img src=x onerror=alert(1)> & \"'{{ 7*7 }}"


class Outline(HTMLParser):
    """What a page is made of: tags, ids, headings and links to other places."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.addresses: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        for name, value in attrs:
            if name == "id" and value:
                self.ids.append(value)
            if name in ("src", "href") and value:
                self.addresses.append(value)


def small(name: str) -> Report:
    figure = graph_objects.Figure(
        graph_objects.Scatter(x=[1], y=[2], text=[name]), {"height": 200, "title": {"text": name}}
    )
    frame = pd.DataFrame({name: ["x"], "score": [0.123456], "share": [0.5], "none": [None]})
    return Report(
        name,
        [
            Section(
                name,
                [f"see `{name}`"],
                [
                    ReportFigure(figure, name, name),
                    FigureChoice([ReportFigure(figure, name, name, name)]),
                ],
                [ReportTable(frame, name, percent=("share",))],
            )
        ],
        lead=name,
        headlines=[Headline("1", name, name)],
        glossary=[GlossaryEntry(name, "distance", name, name, name)],
        provenance={name: name},
    )


def test_names_of_the_user_cannot_become_markup() -> None:
    page = Outline(render(small(NASTY)))
    assert "img" not in page.tags
    # Two figures, plotly and the page's own script.
    assert page.tags.count("script") == 4
    assert "49" not in re.sub(r"<script>.*?</script>", "", render(small(NASTY)), flags=re.DOTALL)


def test_figures_survive_the_escaping() -> None:
    text = render(small(NASTY))
    sources = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.DOTALL)
    assert len(sources) == 2
    for source in sources:
        assert "<" not in source
        figure = json.loads(source)
        assert figure["layout"]["title"]["text"] == figure["data"][0]["text"][0] == NASTY


def test_whole_numbers_of_tables() -> None:
    frame = pd.DataFrame({"pairs": [1128, -3], "pairings": pd.array([200, None], "Int64")})
    section = Section("Numbers", [], [], [ReportTable(frame, "Numbers.")])
    text = render(Report("Numbers", [section]))
    assert re.findall(r"<td[^>]*>(.*?)</td>", text) == ["1,128", "200", "−3", "–"]


def test_cells_of_tables() -> None:
    text = render(small("plain"))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", text)
    assert cells == ["x", "0.123", "50%", "–"]
    assert re.findall(r'<th scope="col" class="number">(.*?)</th>', text) == ["score", "share"]


def test_the_page_names_nothing_outside_itself(report: Report) -> None:
    page = Outline(render(report))
    assert page.addresses
    assert [place for place in page.addresses if not place.startswith(("#", "data:,"))] == []
    assert {place[1:] for place in page.addresses if place.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    assert "scattergl" not in "".join(figures_of(report))


def figures_of(report: Report) -> list[str]:
    return re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', render(report))


def test_headings_and_alternatives(report: Report) -> None:
    text = render(report)
    assert text.count("<h1>") == 1
    assert text.count('role="img" aria-label="') == len(figures_of(report)) == 8
    assert re.search(r'<h2 id="provenance">', text)
    assert '<html lang="en">' in text


def test_writing_replaces_the_file_whole(report: Report, tmp_path: Path) -> None:
    path = tmp_path / "new" / "report.html"
    assert write_report(report, path) == path
    first = path.read_bytes()
    path.write_text("old")
    write_report(report, path)
    assert path.read_bytes() == first
    assert [found.name for found in path.parent.iterdir()] == ["report.html"]


SCRIPT = """
import sys
sys.path.insert(0, sys.argv[2])
from score_tables import synthetic
from repscape.report.html import write_report
from repscape.report.similarities import similarity_report

write_report(similarity_report(synthetic(), title="Twelve networks"), sys.argv[1])
"""


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    paths = [tmp_path / "first.html", tmp_path / "second.html"]
    for number, path in enumerate(paths):
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(path), str(Path(__file__).parents[1])],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": str(number)},
        )
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize(("count", "tabs", "menus"), [(8, 8, 0), (9, 0, 1)])
def test_more_than_eight_figures_are_offered_in_a_menu(count: int, tabs: int, menus: int) -> None:
    figure = graph_objects.Figure(graph_objects.Scatter(x=[1], y=[2]), {"height": 200})
    figures = [ReportFigure(figure, "c", "a", f"<m{i}>") for i in range(count)]
    text = render(Report("t", [Section("s", figures=[FigureChoice(figures, "measure")])]))
    assert text.count('role="tab"') == tabs
    assert text.count('role="tabpanel"') == tabs
    assert text.count("<select ") == menus
    assert text.count('<label for="figure-1-1-select">measure</label>') == menus
    assert text.count("<option ") == menus * count
    assert text.count('<div class="panel shown"') == 1
    assert "<m0>" not in text
    assert f"&lt;m{count - 1}&gt;" in text
