from __future__ import annotations

import html
import json
import re
import subprocess

import numpy as np
import pytest

from repscape.describe import definitions
from repscape.errors import InvalidParameterError
from repscape.profile import Profile, profile
from repscape.report.geometry import geometry_report, shared_section
from repscape.report.html import render
from repscape.report.imbalances import both_ways, interactive_imbalance_plane
from repscape.report.page import FigureChoice
from repscape.report.scales import interactive_scales, scale_section
from repscape.representation import Origin, Representation

MEASURES = ["mutual_knn[k=10,metric=euclidean]", "information_imbalance"]


@pytest.fixture(scope="module")
def found() -> Profile:
    generator = np.random.default_rng(0)
    base = generator.normal(size=(150, 8))
    reps = {
        f"{model}:{layer}": Representation(
            np.tanh(base[:, : 4 + 2 * layer]) + 0.05 * generator.normal(size=(150, 4 + 2 * layer)),
            labels=(base[:, 0] > 0).astype(int),
            origin=Origin(model=model, layer=f"block<{layer}>"),
        )
        for model in ("a", "b")
        for layer in range(3)
    }
    reps["a:bias"] = Representation(
        np.ones((150, 4)), origin=Origin(model="a", layer="bias"), labels=np.arange(150) % 2
    )
    return profile(reps, ["gride", "label_overlap[k=10]"], measures=MEASURES, controls=["shuffled"])


def test_curves_over_the_scale_are_those_of_the_table(found):
    name = found.table["descriptor"].iloc[0]
    figure = interactive_scales(found.table, name)
    rows = found.table[(found.table["descriptor"] == name) & found.table["control"].isna()]
    lines = [trace for trace in figure.data if trace.mode == "lines+markers"]
    assert len(lines) == 6  # the layer of equal rows has no curve
    own = rows[rows["rep"] == "a:1"].sort_values("scale")
    np.testing.assert_allclose(lines[1].x, own["scale"])
    np.testing.assert_allclose(lines[1].y, own["value"])
    assert [t.text for t in figure.layout.annotations] == ["a", "b"]
    assert [trace.showlegend for trace in lines] == [True] * 3 + [False] * 3
    [scale] = rows.loc[rows["chosen"], "scale"].unique()
    assert {shape.x0 for shape in figure.layout.shapes} == {scale}


def test_what_has_one_scale_has_no_curve(found):
    overlap = next(n for n in found.table["descriptor"] if n.startswith("label_overlap"))
    with pytest.raises(InvalidParameterError, match="no curve over scales"):
        interactive_scales(found.table, overlap)
    section = scale_section(found.table)
    assert section is not None
    [choice] = section.figures
    assert [figure.name for figure in choice.figures] == ["gride"]
    assert "flattest run" in choice.figures[0].caption


def test_the_plane_has_each_pair_once_with_both_directions(found):
    rows = found.overlaps[found.overlaps["kind"] == "distance"]
    value = rows.set_index(["rep_a", "rep_b"])["value"]
    pairs = both_ways(rows)
    assert len(pairs) == 15 == len(rows) / 2
    for pair in pairs.itertuples():
        assert pair.forward == value[pair.rep_a, pair.rep_b]
        assert pair.back == value[pair.rep_b, pair.rep_a]
    within, between = (t for t in interactive_imbalance_plane(rows).data if t.mode == "markers")
    assert (len(within.x), len(between.x)) == (6, 9)
    assert (within.x[0], within.y[0]) == (value["a:0", "a:1"], value["a:1", "a:0"])


def test_one_direction_makes_no_plane(found):
    rows = found.overlaps[found.overlaps["kind"] == "similarity"]
    with pytest.raises(InvalidParameterError, match="both directions"):
        interactive_imbalance_plane(rows)


def test_what_layers_share_is_shown_for_all_layers_and_model_by_model(found):
    section = shared_section(found.overlaps)
    overlap, imbalance = section.figures
    assert isinstance(overlap, FigureChoice)
    assert isinstance(imbalance, FigureChoice)
    assert [figure.name for figure in overlap.figures] == ["all layers", "model by model"]
    assert [f.name for f in imbalance.figures] == ["all layers", "model by model", "the plane"]
    chi = found.overlaps[found.overlaps["kind"] == "similarity"]
    shown = np.array(overlap.figures[0].figure.data[0].z, dtype=float)
    wanted = chi.set_index(["rep_a", "rep_b"])["value"]["a:0", "b:2"]
    assert shown[0, 5] == shown[5, 0] == wanted
    # Directed: a against b and b against a are two panels.
    titles = [a.text for a in imbalance.figures[1].figure.layout.annotations]
    assert titles == ["<b>layers of one model</b>", "<b>pairs of models</b>"]
    assert len(imbalance.figures[1].figure.data) == len(overlap.figures[1].figure.data) + 1


def test_the_report_says_what_is_missing_and_renders(found):
    names = list(dict.fromkeys(found.table["descriptor"]))
    report = geometry_report(
        found.table, found.marks, found.overlaps, definitions=definitions(names)
    )
    assert [section.title for section in report.sections] == [
        "The shape of the layers",
        "Dimension against scale",
        "What layers share",
        "Samples and definitions",
    ]
    tables = report.sections[-1].tables
    missing = next(table.frame for table in tables if "reason" in table.frame.columns)
    assert set(missing["layer"]) == {"bias"}
    assert missing["reason"].str.contains("one value").all()
    assert list(tables[-1].frame["descriptor"]) == names
    text = render(report)
    assert "block&lt;0&gt;" in text
    assert "block<0>" not in text.partition("<script>")[0].replace("\\u003c", "")


def test_a_profile_without_scores_or_values_still_has_a_report(found):
    empty = found.overlaps.iloc[:0]
    lacking = found.table[found.table["reason"].notna()]
    report = geometry_report(lacking, found.marks.iloc[:0], empty)
    assert [section.title for section in report.sections] == ["Samples and definitions"]
    assert render(report)


READER = """
<script>
window.addEventListener("load", async () => {
  const plots = [...document.querySelectorAll(".plot")];
  const named = (plot) => plot.data.some((trace) => trace.name === "layers of one model");
  const plane = plots.find(named);
  Plotly.Fx.hover(plane, [{ curveNumber: 1, pointNumber: 0 }]);
  await new Promise((resolve) => setTimeout(resolve, 500));
  const record = document.createElement("pre");
  record.id = "record";
  record.textContent = JSON.stringify({
    drawn: plots.map((plot) => !!plot.querySelector("svg.main-svg .trace, svg.main-svg image")),
    overflowing: plots.filter((plot) => plot.scrollWidth > plot.clientWidth + 1).length,
    hover: plane.querySelector(".hoverlayer").textContent,
    requests: performance.getEntriesByType("resource")
      .filter((entry) => !entry.name.startsWith("data:")).length,
    problems,
  });
  document.body.append(record);
});
</script>
"""
COLLECTOR = """
<script>
const problems = [];
window.addEventListener("error", (event) => problems.push(event.message), true);
for (const level of ["error", "warn"]) {
  console[level] = (...words) => problems.push(words.join(" "));
}
</script>
"""


@pytest.mark.browser
def test_a_browser_draws_every_figure(found, tmp_path):
    page = render(geometry_report(found.table, found.marks, found.overlaps))
    path = tmp_path / "report.html"
    path.write_text(
        page.replace("<head>", "<head>" + COLLECTOR, 1).replace("</body>", READER + "</body>"),
        encoding="utf-8",
    )
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000"]
    command = ["chromium", *options, f"--user-data-dir={tmp_path}/user", "--dump-dom", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    record = re.search(r'<pre id="record">(.*?)</pre>', done.stdout, re.DOTALL)
    assert record is not None
    seen = json.loads(html.unescape(record[1]))
    assert len(seen["drawn"]) == 8
    assert all(seen["drawn"])
    assert seen["overflowing"] == 0
    assert seen["hover"].startswith("a: a:0")
    assert "Δ(a → b)" in seen["hover"]
    assert seen["requests"] == 0
    assert seen["problems"] == []


def test_layers_of_models_that_nobody_compared_have_no_common_map(found):
    own = found.overlaps[found.overlaps["model_a"] == found.overlaps["model_b"]]
    own = own[own["measure"].str.startswith("mutual_knn")].reset_index(drop=True)
    [choice] = shared_section(own).figures
    assert isinstance(choice, FigureChoice)
    [figure] = choice.figures
    assert figure.name == "model by model"
    assert len({t.xaxis for t in figure.figure.data if t.type == "heatmap"}) == 2, "a, b"
    every = shared_section(found.overlaps).figures[0]
    assert isinstance(every, FigureChoice)
    assert every.figures[0].name == "all layers"


def test_where_models_differ_in_depth_the_legend_would_name_no_layer(found):
    table = found.table[found.table["rep"] != "b:2"]
    name = table["descriptor"].iloc[0]
    lines = [t for t in interactive_scales(table, name).data if t.mode == "lines+markers"]
    assert [trace.showlegend for trace in lines] == [False] * 5
