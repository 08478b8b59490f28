"""Dimension and labels along depth: the claim of Valeriani et al. (2023), tested."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

from repscape.analysis.peak_and_labels import DIMENSION, LABELS, in_words, peak_and_labels
from repscape.report.page import Headline, ReportTable, Section
from repscape.report.words import listed, short_names
from repscape.studies.steps.base import (
    ANALYSES,
    FIGURES,
    SECTIONS,
    Analysis,
    FigureStep,
    NoOptions,
    Part,
    SectionStep,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STEP = "step"
_SHOWN = [
    "data",
    "model",
    "dimension",
    "peak_depth",
    "minimum_depth",
    "best_depth",
    "overlap_at_minimum",
    "best_overlap",
    "chance",
    "reached",
    "layers_apart",
    "holds",
]


def claim_table(tables: Mapping[str, pd.DataFrame], options: Mapping[str, Any]) -> pd.DataFrame:
    """Model by model: is label overlap highest at the minimum of the dimension?"""
    del options
    return peak_and_labels(tables["geometry"], tables["marks"])


def figures(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> dict[str, Figure]:
    """Dimension above label overlap, and checkpoints through training."""
    from repscape.plots.dimension_and_labels import dimension_and_labels, through_training

    del options
    drawn: dict[str, Figure] = {}
    for data, geometry in _by_data(tables["geometry"]):
        marks = tables["marks"]
        if "data" in marks.columns:
            marks = marks[marks["data"].astype(str) == data]
        dimensions, overlaps = _names(geometry, DIMENSION), _names(geometry, LABELS)
        trained = _last_steps(geometry)
        for overlap in overlaps[:1]:
            for name in dimensions:
                short = name.partition("[")[0]
                drawn[f"dimension_and_labels_{data}_{short}"] = dimension_and_labels(
                    trained, marks, name, overlap
                )
        if _has_checkpoints(geometry):
            drawn[f"training_{data}"] = through_training(geometry, [*dimensions, *overlaps])
    return drawn


def section(tables: Mapping[str, pd.DataFrame], options: NoOptions) -> Part:
    """What was found, in words with numbers."""
    del options
    tested = tables["peak_and_labels"]
    shown = _last_steps_of(tested, tables["geometry"])
    names = [str(name) for name in tested["dimension"].unique()]
    short = short_names(names)
    prose = [
        "The paper finds that the dimension rises to a peak, falls to a minimum, and that the "
        "overlap of neighbourhoods with the labels is highest there. Tested here, model by model, "
        "on trained models; checkpoints are in the table.",
        *in_words(shown.assign(dimension=shown["dimension"].map(short))),
        "Both panels of the figures are drawn at depth l / l_last (the published figure drew them "
        "at l / number of points, which shifts them against each other). The dimension is an "
        "estimate at one scale, stated above each panel.",
    ]
    table = ReportTable(
        tested[_SHOWN]
        .assign(
            dimension=[f"`{short[name]}`" for name in tested["dimension"]],
            holds=tested["holds"].map({True: "yes", False: "no"}),
        )
        .rename(columns=lambda name: name.replace("_", " ")),
        "Relative depths of peak, minimum and highest label overlap; reached: how far from chance "
        "to its highest value the label overlap is at the minimum. The dimension is estimated by "
        + listed([f"`{name}`" for name in names])
        + ".",
        decimals={"peak depth": 2, "minimum depth": 2, "best depth": 2, "reached": 2},
    )
    return Part([Section("Peak, minimum and labels", prose, tables=[table])], _headlines(shown))


def _headlines(tested: pd.DataFrame) -> list[Headline]:
    known = tested.dropna(subset=["holds"])
    if known.empty:
        return []
    held, count = int(known["holds"].sum()), len(known)
    return [
        Headline(
            f"{held} of {count}",
            "profiles have their highest label overlap within a layer of the minimum",
            "one profile per trained model and estimator of the dimension; the paper's claim is "
            "all of them",
        ),
        Headline(
            f"{100 * known['reached'].median():.0f}%",
            "of the way from chance to its highest value is the label overlap at that minimum",
            f"median over {count} profiles",
        ),
    ]


def _by_data(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for data, part in table.groupby(table["data"].astype(str), sort=False):
        yield str(data), part.reset_index(drop=True)


def _names(geometry: pd.DataFrame, quantity: str) -> list[str]:
    known = geometry[(geometry["quantity"] == quantity) & geometry["chosen"]]
    return list(dict.fromkeys(known["descriptor"]))


def _has_checkpoints(geometry: pd.DataFrame) -> bool:
    return STEP in geometry.columns and geometry[STEP].nunique() > 1


def _last_steps(table: pd.DataFrame, side: str = "") -> pd.DataFrame:
    """The rows of trained models: of those with checkpoints, the last step of each size."""
    step, model = f"{STEP}{side}", f"model{side}"
    if step not in table.columns or table[step].isna().all():
        return table
    steps = pd.to_numeric(table[step], errors="coerce")
    both = zip(table[model].astype(str), table[step].astype(str), strict=True)
    training = [name.removesuffix(value) for name, value in both]
    last = steps.groupby(pd.Series(training, table.index)).transform("max")
    return table[steps.isna() | (steps == last)]


def _last_steps_of(tested: pd.DataFrame, geometry: pd.DataFrame) -> pd.DataFrame:
    trained = set(_last_steps(geometry)["model"].astype(str))
    return tested[tested["model"].astype(str).isin(trained)]


ANALYSES.register(
    Analysis(
        name="peak_and_labels",
        summary="is label overlap highest at the minimum of the dimension after its peak?",
        version=1,
        run=f"{__name__}:claim_table",
        needs=("geometry", "marks"),
    )
)
FIGURES.register(
    FigureStep(
        name="peak_and_labels",
        summary="dimension above label overlap, and checkpoints through training",
        draw=figures,
        needs=("geometry", "marks"),
    )
)
SECTIONS.register(
    SectionStep(
        name="peak_and_labels",
        summary="the claim of Valeriani et al. (2023), tested",
        write=section,
        needs=("geometry", "peak_and_labels"),
    )
)
