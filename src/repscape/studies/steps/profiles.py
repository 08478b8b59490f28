"""What every study with descriptors gets: figures and a section of the profiles along depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import pandas as pd

from repscape.plots.profiles import profile_figure
from repscape.report.profiles import profile_section
from repscape.studies.steps.base import (
    FIGURES,
    SECTIONS,
    FigureStep,
    NoOptions,
    Part,
    SectionStep,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figures(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> dict[str, Figure]:
    """The profile of every descriptor."""
    drawn: dict[str, Figure] = {}
    for suffix, part in _parts(tables["geometry"]):
        for descriptor in dict.fromkeys(part["descriptor"]):
            short = descriptor.partition("[")[0].partition("@")[0]
            name = f"profile_{short}{suffix}"
            while name in drawn:
                name += "_2"
            drawn[name] = profile_figure(part, descriptor)
    return drawn


def sections(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> Part:
    """One section per data set and pooling."""
    found = []
    for suffix, part in _parts(tables["geometry"]):
        section = profile_section(part, _in_words(part))
        if suffix:
            where = suffix.removeprefix("_").replace("_", ", ")
            section = type(section)(
                f"{section.title}: {where}", section.prose, section.figures, section.tables
            )
        found.append(section)
    return Part(found)


def _parts(geometry: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows with a chosen value, by data set and pooling where there are several."""
    known = geometry[geometry["descriptor"].isin(geometry.loc[geometry["chosen"], "descriptor"])]
    context = [name for name in ("data", "split", "pooling") if name in known.columns]
    context = [name for name in context if known[name].nunique(dropna=False) > 1]
    if not context:
        if len(known):
            yield "", known.reset_index(drop=True)
        return
    for values, part in known.groupby(context, sort=False, dropna=False):
        yield "_" + "_".join(map(str, values)), part.reset_index(drop=True)


def _in_words(geometry: pd.DataFrame) -> list[str]:
    """What happens from the first layer to the last, by objective where that is known."""
    chosen = geometry[geometry["chosen"] & geometry["control"].isna()]
    sentences = []
    for descriptor in dict.fromkeys(chosen["descriptor"]):
        rows = chosen[chosen["descriptor"] == descriptor]
        ends = rows[rows["depth"].isin((0.0, 1.0)) & rows["value"].notna()]
        by = "objective" if "objective" in rows.columns else None
        parts = []
        for group, of_group in ends.groupby(by, sort=False) if by else [("", ends)]:
            means = of_group.groupby("depth")["value"].mean()
            if {0.0, 1.0} <= {*means.index}:
                which = f" ({group})" if group else ""
                parts.append(f"{means[0.0]:.2g} to {means[1.0]:.2g}{which}")
        if parts:
            sentences.append(
                f"From the first layer to the last the mean {rows['quantity'].iloc[0]} goes from "
                f"{' and from '.join(parts)}."
            )
    return [
        *sentences,
        "A dimension is an estimate at one scale, not a property of the network: with few "
        "samples it falls short of large dimensions. Label overlap is the share of a sample's "
        "nearest neighbours that have the same label.",
    ]


FIGURES.register(
    FigureStep("profiles", "every descriptor along depth", figures, needs=("geometry",))
)
SECTIONS.register(
    SectionStep("profiles", "every descriptor along depth", sections, needs=("geometry",))
)
