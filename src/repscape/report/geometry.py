"""The report of a profile: what shape do the layers have, and what do they share?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations, permutations

import pandas as pd

from repscape.analysis.examples import ANY_PAIR
from repscape.plots.arrangement import WITHIN_MODEL
from repscape.plots.strokes import model_names
from repscape.report.heatmaps import interactive_heatmap, interactive_layer_heatmaps
from repscape.report.imbalances import both_ways, interactive_imbalance_plane
from repscape.report.page import FigureChoice, Report, ReportFigure, ReportTable, Section
from repscape.report.profiles import profile_section
from repscape.report.scales import scale_section
from repscape.report.words import counted, listed, number, short_names

_MOST_PANELS = 6
_MOST_OWN = 3


def geometry_report(
    table: pd.DataFrame,
    marks: pd.DataFrame,
    overlaps: pd.DataFrame,
    *,
    title: str = "The geometry of the layers",
    definitions: Sequence[Mapping[str, str]] = (),
    provenance: Mapping[str, str] | None = None,
) -> Report:
    """Compose the report of a profile from its three tables (`repscape.profile`).

    Parameters
    ----------
    table, marks, overlaps
        `Profile.table`, `Profile.marks`, `Profile.overlaps`.
    definitions
        What each descriptor is, one row each; shown as a table at the end.
    provenance
        Where the numbers come from, by name.
    """
    sections = [_marked_section(table, marks)] if table["chosen"].any() else []
    scales = scale_section(table)
    sections += [scales] if scales is not None else []
    if len(overlaps):
        sections.append(shared_section(overlaps))
    sections.append(_samples_section(table, definitions))
    return Report(title, sections, lead=_lead(table), provenance=provenance or {})


def shared_section(overlaps: pd.DataFrame) -> Section:
    """The section with χ and Δ between layers: heat maps, and for Δ the plane."""
    figures: list[ReportFigure | FigureChoice] = []
    prose = []
    for measure, rows in overlaps.groupby("measure", sort=False):
        directed = rows["kind"].iloc[0] == "distance"
        prose.append(_meaning(str(measure), directed))
        across = rows.loc[rows["model_a"] != rows["model_b"], "value"].notna().any()
        models = {*rows["model_a"].dropna(), *rows["model_b"].dropna()}
        maps = [] if len(models) > 1 and not across else [_whole_map(str(measure), rows, directed)]
        if len(models) > 1:
            maps.append(_by_model(str(measure), rows, directed, across=bool(across)))
        if directed and len(both_ways(rows)):
            maps.append(_plane(str(measure), rows))
        figures.append(FigureChoice(maps, f"figure of {measure}"))
    return Section("What layers share", prose, figures)


def _marked_section(table: pd.DataFrame, marks: pd.DataFrame) -> Section:
    section = profile_section(table, _what_stands_out(table, marks), marks)
    if not len(marks):
        return section
    shown = marks.assign(model=model_names(marks))[
        ["descriptor", "model", "mark", "layer", "depth", "value"]
    ]
    shown["descriptor"] = shown["descriptor"].map(short_names(list(shown["descriptor"].unique())))
    shown["layer"] = shown["layer"].fillna(marks["rep"])
    caption = (
        "Marks of every profile: the first peak that stands out and that no earlier layer exceeds "
        "(else the largest value), the minimum after it, and the next peak. What stands "
        "out rises by 5% of the range and by two standard errors."
    )
    tables = [ReportTable(shown, caption, decimals={"depth": 2})]
    return Section(section.title, section.prose, section.figures, tables)


def _what_stands_out(table: pd.DataFrame, marks: pd.DataFrame) -> list[str]:
    """One sentence per model on the first descriptor that has a peak."""
    sentences = []
    names = short_names(list(marks["descriptor"].unique()))
    for (descriptor, model), part in marks.groupby(["descriptor", model_names(marks)], sort=False):
        rows = table[table["descriptor"] == descriptor]
        if rows["quantity"].iloc[0] not in ("dimension", "label overlap"):
            continue
        at = dict(zip(part["mark"], zip(part["depth"], part["value"], strict=True), strict=True))
        text = (
            f"{model}: {rows['quantity'].iloc[0]} (`{names[str(descriptor)]}`) peaks at "
            f"depth {number(at['peak'][0])} with {at['peak'][1]:.3g}"
        )
        for mark, words in (("minimum", "falls to"), ("bump", "rises again to")):
            if mark in at:
                text += f", {words} {at[mark][1]:.3g} at {number(at[mark][0])}"
        sentences.append(f"{text}.")
    return sentences[:_MOST_PANELS]


def _meaning(measure: str, directed: bool) -> str:
    if directed:
        return (
            f"Information imbalance Δ(a → b), `{measure}`: how badly the nearest neighbours in a "
            "predict those in b; 0 where a predicts b, 1 where it says nothing about it. "
            "Read a map by rows: how well each layer predicts the others."
        )
    return (
        f"Neighbourhood overlap χ, `{measure}`: the share of the nearest neighbours of a sample "
        "that are the same in two layers; 1 where all are, k/(n − 1) by chance."
    )


def _whole_map(measure: str, rows: pd.DataFrame, directed: bool) -> ReportFigure:
    low, high = float(rows["value"].min()), float(rows["value"].max())
    how = "From the layer of the row to that of the column. " if directed else ""
    return ReportFigure(
        interactive_heatmap(rows, by="rep", symmetric=not directed),
        caption=f"`{measure}` between all layers. {how}Brighter is more alike.",
        alternative=f"A matrix of layers, with values from {number(low)} to {number(high)}.",
        name="all layers",
    )


def _by_model(measure: str, rows: pd.DataFrame, directed: bool, *, across: bool) -> ReportFigure:
    models = list(dict.fromkeys([*rows["model_a"].dropna(), *rows["model_b"].dropna()]))
    own = [(model, model, WITHIN_MODEL) for model in models]
    others = [(a, b, ANY_PAIR) for a, b in (permutations if directed else combinations)(models, 2)]
    others = others if across else []
    shown = own[: _MOST_OWN if across else _MOST_OWN + _MOST_PANELS] + others[:_MOST_PANELS]
    pairs = pd.DataFrame(shown, columns=["model_a", "model_b", "differs_in"])
    left = len(own) + len(others) - len(pairs)
    against = "those of another" if across else "each other"
    how = "From the layer of the row to that of the column. " if directed else ""
    more = f" {left} more pairs are in the table." if left else ""
    return ReportFigure(
        interactive_layer_heatmaps(rows, pairs, symmetric=not directed),
        caption=(
            f"`{measure}`, the layers of one model or checkpoint against {against}, the first "
            f"layer at the bottom left. {how}{more}"
        ),
        alternative=f"Matrices of layers for {counted(len(pairs), 'pair')} of models.",
        name="model by model",
    )


def _plane(measure: str, rows: pd.DataFrame) -> ReportFigure:
    return ReportFigure(
        interactive_imbalance_plane(rows),
        caption=(
            f"Every pair of layers by both directions of `{measure}`. Bottom left: each predicts "
            "the other. Top right: neither does. Above the diagonal: a, the earlier layer, "
            "predicts b better than b predicts a, so a holds more."
        ),
        alternative="Pairs of layers as points, by the imbalance in either direction.",
        name="the plane",
    )


def _samples_section(table: pd.DataFrame, definitions: Sequence[Mapping[str, str]]) -> Section:
    columns = ["model", "layer", "n", "dropped", "near_duplicates", "tie_fraction"]
    plain = table[table["control"].isna()].drop_duplicates("rep")
    shown = plain.assign(model=model_names(plain), layer=plain["layer"].fillna(plain["rep"]))
    shown = shown[columns].rename(
        columns={
            "dropped": "duplicates dropped",
            "near_duplicates": "near-duplicates",
            "tie_fraction": "with ties",
        }
    )
    tables = [
        ReportTable(
            shown,
            "Samples of every layer. Ties (equal distances, as integer or quantised values have) "
            "and near-duplicates bias dimension estimates.",
            percent=["with ties"],
        )
    ]
    lacking = table[table["reason"].notna()]
    if len(lacking):
        missing = lacking.assign(layer=lacking["layer"].fillna(lacking["rep"]))
        caption = "Values that do not exist, and why."
        tables.append(ReportTable(missing[["descriptor", "layer", "reason"]], caption))
    if definitions:
        caption = "What the descriptors are."
        tables.append(ReportTable(pd.DataFrame.from_records(list(definitions)), caption))
    return Section("Samples and definitions", (), (), tables)


def _lead(table: pd.DataFrame) -> str:
    models = list(dict.fromkeys(model_names(table)))
    layers = counted(table["rep"].nunique(), "layer")
    samples = sorted({int(n) for n in table["n"].dropna()})
    of = "one model" if len(models) == 1 else counted(len(models), "model")
    on = f", on {counted(samples[0], 'sample')}" if len(samples) == 1 else ""
    controls = list(dict.fromkeys(table["control"].dropna()))
    beside = f" Controls beside them: {listed(controls)}." if controls else ""
    return f"{layers} of {of}{on}, at relative depth l / l_last.{beside}"
