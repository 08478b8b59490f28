"""What every study with descriptors gets: figures and a section of the profiles along depth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from repscape.report.page import Section
from repscape.report.words import short_names
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

_FEW_MODELS = 4


def figures(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> dict[str, Figure]:
    """Profiles and, of few models, curves over the scale; what layers share, as heat maps."""
    from repscape.plots.profiles import imbalance_plane_figure, profile_figure, scale_figure
    from repscape.report.scales import has_scales

    drawn: dict[str, Figure] = {}
    for suffix, part in _parts(tables["geometry"]):
        for descriptor in dict.fromkeys(part["descriptor"]):
            short = descriptor.partition("[")[0].partition("@")[0]
            name = f"profile_{short}{suffix}"
            while name in drawn:
                name += "_2"
            drawn[name] = profile_figure(part, descriptor)
            rows = part[(part["descriptor"] == descriptor) & part["value"].notna()]
            if rows["model"].nunique() <= _FEW_MODELS and has_scales(rows):
                drawn[f"{name}_scales"] = scale_figure(part, descriptor)
    for suffix, part in _parts(tables.get("overlaps", pd.DataFrame())):
        for measure, rows in part.groupby("measure", sort=False):
            name = f"layers_{str(measure).partition('[')[0]}{suffix}"
            directed = rows["kind"].iloc[0] == "distance"
            drawn[name] = _between_layers(rows, symmetric=not directed)
            if directed:
                drawn[f"{name}_plane"] = imbalance_plane_figure(rows)
    return drawn


def _between_layers(rows: pd.DataFrame, symmetric: bool) -> Figure:
    """Layers against layers: a panel for each model, unless models are compared with others."""
    from repscape.plots.arrangement import WITHIN_MODEL
    from repscape.plots.heatmap import heatmap
    from repscape.plots.layer_grids import layer_heatmaps

    models = list(dict.fromkeys(rows["model_a"].astype(str)))
    apart = (rows["model_a"].astype(str) != rows["model_b"].astype(str)).any()
    if apart or (len(models) == 1 and not symmetric):
        return heatmap(rows, by="rep", symmetric=symmetric)
    within = {"model_a": models, "model_b": models, "differs_in": WITHIN_MODEL}
    return layer_heatmaps(rows, pd.DataFrame(within, dtype=object), symmetric=symmetric)


def sections(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> Part:
    """Profiles, curves over the scale and what layers share, by data set and pooling."""
    from repscape.report.geometry import shared_section
    from repscape.report.profiles import profile_section
    from repscape.report.scales import scale_section

    found = []
    for suffix, part in _parts(tables["geometry"]):
        where = suffix.removeprefix("_").replace("_", ", ")
        marks = tables.get("marks") if part["model"].nunique() <= _FEW_MODELS else None
        made = [profile_section(part, _in_words(part), marks), scale_section(part)]
        found += [_titled(section, where) for section in made if section is not None]
    for suffix, part in _parts(tables.get("overlaps", pd.DataFrame())):
        found.append(_titled(shared_section(part), suffix.removeprefix("_").replace("_", ", ")))
    return Part(found)


def _titled(section: Section, where: str) -> Section:
    return replace(section, title=f"{section.title}: {where}") if where else section


def _parts(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The rows with values, by data set and pooling where there are several."""
    known = table
    if "chosen" in table.columns:
        known = table[table["descriptor"].isin(table.loc[table["chosen"], "descriptor"])]
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
    for descriptor, name in short_names(list(dict.fromkeys(chosen["descriptor"]))).items():
        rows = chosen[chosen["descriptor"] == descriptor]
        ends = rows[rows["depth"].isin((0.0, 1.0)) & rows["value"].notna()]
        by = "objective" if "objective" in rows.columns else None
        parts = []
        for group, of_group in ends.groupby(by, sort=False) if by else [("", ends)]:
            means = of_group.groupby("depth")["value"].mean()
            if {0.0, 1.0} <= {*means.index}:
                which = f" ({group!s})" if group else ""
                parts.append(f"{means[0.0]:.2g} to {means[1.0]:.2g}{which}")
        if parts:
            quantity = rows["quantity"].iloc[0]
            sentences.append(
                f"From the first layer to the last the mean {quantity} "
                f"(`{name}`) goes from {' and from '.join(parts)}."
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
