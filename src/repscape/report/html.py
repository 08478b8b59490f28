"""Write a report as one HTML file that opens offline and asks the network for nothing."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup, escape
from plotly import io as plotly_io
from plotly import offline

from repscape.plots.palette import direction
from repscape.report.page import FigureChoice, Report, ReportFigure, ReportTable
from repscape.store.atomic import replace_file

_MISSING = "–"
_DECIMALS = 3
_MOST_TABS = 8


def write_report(report: Report, path: str | Path) -> Path:
    """Write a report to an HTML file and return its path.

    The file holds everything it needs, plotly.js too, and forbids the browser any request. The
    same report gives the same bytes. The file appears whole or not at all.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    replace_file(target, render(report).encode())
    return target


def render(report: Report) -> str:
    """Return the HTML text of a report."""
    environment = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    environment.filters["cell"] = _cell
    environment.filters["figure_json"] = _figure_json
    environment.filters["direction"] = direction
    environment.filters["height"] = _height
    environment.filters["script_text"] = _script_text
    environment.tests["choice"] = _is_choice
    environment.tests["long"] = _is_long
    environment.tests["number"] = _is_number
    return environment.get_template("report.html.jinja").render(
        report=report,
        style=Markup(_resource("report.css")),
        script=Markup(_resource("report.js")),
        # The text of a script ends at the first closing tag, wherever that stands.
        plotly=Markup(offline.get_plotlyjs().replace("</script", "<\\/script")),
        anchors=[f"section-{number}" for number, _ in enumerate(report.sections, start=1)],
    )


def _resource(name: str) -> str:
    return files("repscape.report").joinpath(name).read_text(encoding="utf-8")


def _prose(text: str) -> Markup:
    """Escape a text and set what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


def _is_choice(item: ReportFigure | FigureChoice) -> bool:
    return isinstance(item, FigureChoice)


def _is_long(choice: FigureChoice) -> bool:
    """Whether the figures are too many for tabs, so that a menu offers them."""
    return len(choice.figures) > _MOST_TABS


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _cell(value: Any, table: ReportTable, column: str) -> str:
    if pd.isna(value):
        return _MISSING
    if column in table.percent:
        return f"{100 * value:.0f}%"
    if isinstance(value, float):
        return f"{value:z.{table.decimals.get(column, _DECIMALS)}f}".replace("-", "−")
    return f"{value:,}".replace("-", "−") if _is_whole(value) else str(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)


def _height(item: ReportFigure) -> int:
    return int(item.figure.layout.height or 450)


def _script_text(text: str) -> Markup:
    """JSON that may stand inside a script element."""
    return Markup(text.replace("<", "\\u003c"))


def _figure_json(item: ReportFigure) -> Markup:
    """Return a figure as JSON that may stand inside a script element."""
    text = json.loads(plotly_io.to_json(item.figure, validate=True, engine="json"))
    text["layout"].pop("template", None)
    compact = json.dumps(text, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return Markup(compact.replace("<", "\\u003c").replace("\u2028", "\\u2028"))
