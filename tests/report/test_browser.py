"""The report in a real browser without a network."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from plotly import graph_objects

from repscape.report.html import render
from repscape.report.page import FigureChoice, Report, ReportFigure, Section
from score_tables import SIMILARITY

pytestmark = pytest.mark.browser

# Runs before anything else on the page and notes whatever goes wrong there.
COLLECTOR = """
<script>
const problems = [];
window.addEventListener("error", (event) => problems.push("error: " + event.message), true);
window.addEventListener("unhandledrejection", (event) =>
  problems.push("rejected: " + event.reason));
document.addEventListener("securitypolicyviolation", (event) =>
  problems.push("asked for " + event.blockedURI));
for (const level of ["error", "warn"]) {
  console[level] = (...words) => problems.push(level + ": " + words.join(" "));
}
</script>
"""

# Runs after the page's own scripts, uses the page as a reader would, and writes what it saw.
READER = """
<script>
window.addEventListener("load", async () => {
  const seen = {};
  const plots = [...document.querySelectorAll(".plot")];
  seen.plots = plots.length;
  seen.drawn = plots.filter((plot) => plot.querySelector("svg.main-svg")).length;
  seen.canvases = document.querySelectorAll("canvas").length;
  seen.empty = plots.filter((plot) => !plot.querySelector(".heatmaplayer image, .trace"))
    .map((plot) => plot.id);
  seen.overflowing = plots.filter((plot) => plot.scrollWidth > plot.clientWidth + 1).length;
  seen.cloud = document.querySelectorAll(".modebar-btn[data-title*=hare]").length;

  const shown = (id) => getComputedStyle(document.getElementById(id)).visibility;
  seen.before = [shown("figure-2-1-1-panel"), shown("figure-2-1-2-panel")];
  document.getElementById("figure-2-1-2-tab").click();
  seen.after = [shown("figure-2-1-1-panel"), shown("figure-2-1-2-panel")];

  const cells = document.getElementById("figure-2-1-1");
  const area = cells.querySelector(".nsewdrag").getBoundingClientRect();
  const step = area.width / cells.data[0].x.length;
  // The second cell of the first row.
  Plotly.Fx.hover(cells, { xpx: 1.5 * step, ypx: 5 }, "xy");
  await new Promise((resolve) => setTimeout(resolve, 500));
  seen.hover = cells.querySelector(".hoverlayer").textContent;
  seen.pair = cells.data[0].customdata[0][1];
  seen.ink = cells.layout.font.color;
  seen.requests = performance.getEntriesByType("resource").map((entry) => entry.name)
    .filter((name) => !name.startsWith("data:"));
  seen.problems = problems;
  const record = document.createElement("pre");
  record.id = "record";
  record.textContent = JSON.stringify(seen);
  document.body.append(record);
});
</script>
"""


# The same with a menu: it takes the focus, and its selection moves as by a key.
MENU_READER = """
<script>
window.addEventListener("load", () => {
  const menu = document.querySelector("select");
  const shown = () => [...document.querySelectorAll(".panel")]
    .filter((panel) => getComputedStyle(panel).visibility === "visible").map((panel) => panel.id);
  const seen = { tabs: document.querySelectorAll("[role=tab]").length };
  seen.label = menu.labels[0].textContent;
  seen.options = [...menu.options].map((option) => option.textContent);
  seen.reachable = menu.tabIndex;
  seen.shown = [shown()];
  for (const place of [3, 8, 0]) {
    menu.focus();
    seen.focused = document.activeElement === menu;
    // What a browser does when an arrow key moves the selection.
    menu.selectedIndex = place;
    menu.dispatchEvent(new Event("input", { bubbles: true }));
    menu.dispatchEvent(new Event("change", { bubbles: true }));
    seen.shown.push(shown());
  }
  seen.width = [menu.getBoundingClientRect().right, document.documentElement.clientWidth];
  seen.problems = problems;
  const record = document.createElement("pre");
  record.id = "record";
  record.textContent = JSON.stringify(seen);
  document.body.append(record);
});
</script>
"""


def read_in_browser(
    page: str, folder: Path, *options: str, reader: str = READER
) -> tuple[dict[str, Any], str]:
    """Open a page in headless Chromium; return what the reader saw and the browser's log."""
    path = folder / "report.html"
    path.write_text(
        page.replace("<head>", "<head>" + COLLECTOR, 1).replace("</body>", reader + "</body>"),
        encoding="utf-8",
    )
    browser = next(
        filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome")))
    )
    finished = subprocess.run(
        [
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-dev-shm-usage",
            "--host-resolver-rules=MAP * ~NOTFOUND",
            f"--user-data-dir={folder / 'profile'}",
            "--enable-logging=stderr",
            "--window-size=1200,900",
            "--virtual-time-budget=20000",
            *options,
            "--dump-dom",
            path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    record = re.search(r'<pre id="record">(.*?)</pre>', finished.stdout, re.DOTALL)
    assert record is not None, f"the page did not finish: {finished.stderr[-2000:]}"
    return json.loads(html.unescape(record.group(1))), finished.stderr


def test_every_figure_is_drawn_without_errors_or_requests(report: Report, tmp_path: Path) -> None:
    seen, log = read_in_browser(render(report), tmp_path)
    assert seen["problems"] == []
    assert "CONSOLE" not in log
    assert seen["requests"] == []
    assert (seen["plots"], seen["drawn"]) == (8, 8)
    assert seen["empty"] == []
    assert seen["canvases"] == 0
    assert seen["overflowing"] == 0
    assert seen["cloud"] == 0
    assert seen["before"] == ["visible", "hidden"]
    assert seen["after"] == ["hidden", "visible"]
    first, second, count, _ = seen["pair"]
    assert first in seen["hover"]
    assert second in seen["hover"]
    assert SIMILARITY in seen["hover"]
    assert f"n = {count}" in seen["hover"]


def choice_of(count: int) -> Report:
    figures = [
        ReportFigure(
            graph_objects.Figure(graph_objects.Scatter(x=[1, 2], y=[1, i]), {"height": 200}),
            f"figure {i}",
            f"figure {i}",
            f"data · center|knn_jaccard[k={i},metric=cosine]@1",
        )
        for i in range(count)
    ]
    return Report("Many", [Section("Measures", figures=[FigureChoice(figures)])])


def test_many_figures_are_chosen_in_a_menu(tmp_path: Path) -> None:
    seen, log = read_in_browser(
        render(choice_of(9)), tmp_path, "--window-size=500,900", reader=MENU_READER
    )
    assert seen["problems"] == []
    assert "CONSOLE" not in log
    assert seen["tabs"] == 0
    assert seen["label"] == "measure"
    assert seen["options"][8] == "data · center|knn_jaccard[k=8,metric=cosine]@1"
    assert len(seen["options"]) == 9
    assert seen["reachable"] == 0
    assert seen["focused"]
    assert seen["shown"] == [[f"figure-1-1-{place}-panel"] for place in (1, 4, 9, 1)]
    right, width = seen["width"]
    assert right <= width < 600


def test_figures_follow_a_dark_theme(report: Report, tmp_path: Path) -> None:
    page = render(report)
    light, _ = read_in_browser(page, tmp_path)
    dark, _ = read_in_browser(page, tmp_path, "--blink-settings=preferredColorScheme=0")
    assert light["ink"] == "#1b1f24"
    assert dark["ink"] == "#e6e8eb"
    assert dark["problems"] == []


def test_the_collector_sees_errors_and_requests(report: Report, tmp_path: Path) -> None:
    page = render(report).replace(
        "</main>", '<img src="https://example.org/x.png"><script>absent();</script></main>'
    )
    seen, _ = read_in_browser(page, tmp_path)
    assert any("absent is not defined" in problem for problem in seen["problems"])
    assert any("example.org" in problem for problem in seen["problems"])
