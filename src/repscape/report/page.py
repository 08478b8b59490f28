"""What a report is made of. A study composes these; `repscape.report.html` writes them.

Texts are plain text: names in them are shown as they are, whatever signs they hold. A part
between backticks is set as code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd
from plotly import graph_objects


@dataclass(frozen=True)
class Headline:
    """One of the few numbers that matter: the number, what it is, and where it comes from."""

    value: str
    label: str
    detail: str = ""


@dataclass(frozen=True)
class ReportFigure:
    """An interactive figure.

    Attributes
    ----------
    figure
        A plotly figure whose layout has a height.
    caption
        What is seen and how to read it.
    alternative
        The same in a sentence for readers who do not see the figure.
    name
        A short name, shown where the reader chooses between figures.
    """

    figure: graph_objects.Figure
    caption: str
    alternative: str
    name: str = ""


@dataclass(frozen=True)
class FigureChoice:
    """Figures of one sort, of which the reader sees one at a time (one per measure, say)."""

    figures: Sequence[ReportFigure]
    label: str = "measure"


@dataclass(frozen=True)
class ReportTable:
    """A table of numbers; missing cells are shown as a dash.

    Attributes
    ----------
    frame
        The rows; column names are the headings.
    caption
        What the numbers are.
    decimals
        Digits after the point of floating-point columns, by column; 3 where not given.
    percent
        Columns of shares in [0, 1] that are shown in per cent.
    """

    frame: pd.DataFrame
    caption: str
    decimals: Mapping[str, int] = field(default_factory=dict)
    percent: Sequence[str] = ()


@dataclass(frozen=True)
class Section:
    """A section of a report: a heading, paragraphs, then figures, then tables."""

    title: str
    prose: Sequence[str] = ()
    figures: Sequence[ReportFigure | FigureChoice] = ()
    tables: Sequence[ReportTable] = ()


@dataclass(frozen=True)
class GlossaryEntry:
    """How to read the numbers of one measure."""

    name: str
    kind: str
    range: str
    citation: str = ""
    description: str = ""


@dataclass(frozen=True)
class Report:
    """A whole report.

    Attributes
    ----------
    title
        The heading of the page.
    sections
        In reading order.
    lead
        One or two sentences under the title: what was compared, on what.
    headlines
        The numbers that matter.
    glossary
        One entry per measure.
    provenance
        Where the numbers come from, by name: versions, keys, digests. No dates and no run times:
        the same results give the same bytes.
    embedded
        The same for programs: a JSON text that the file carries unseen.
    """

    title: str
    sections: Sequence[Section]
    lead: str = ""
    headlines: Sequence[Headline] = ()
    glossary: Sequence[GlossaryEntry] = ()
    provenance: Mapping[str, str] = field(default_factory=dict)
    embedded: str = ""
