"""Curves of a few pairs of models, with intervals over samples: along depth, and by n."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import Field

from repscape.analysis.examples import example_pairs
from repscape.analysis.layer_curves import layer_curves
from repscape.analysis.model_scores import model_scores
from repscape.compare import similarity_matrix
from repscape.errors import InvalidParameterError, did_you_mean
from repscape.measures.base import get_measure
from repscape.significance.questions import dependence_on_n
from repscape.studies.steps.base import (
    ANALYSES,
    FIGURES,
    SECTIONS,
    Analysis,
    FigureStep,
    NoOptions,
    Options,
    Part,
    SectionStep,
)
from repscape.tables import INTERVAL_COLUMNS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from repscape.representation import Representation

Tables = Mapping[str, pd.DataFrame]
_CONTEXT = ["data", "split", "pooling"]


class CurveOptions(Options):
    """Of which measures, and for how many pairs of models."""

    measures: tuple[str, ...] = Field(default=(), description="by default the study's first")
    per_factor: int = Field(default=1, ge=1, description="pairs of models that differ in a factor")


class ByNOptions(CurveOptions):
    """The same, and how subsets of the samples are drawn."""

    repeats: int = Field(default=10, ge=1, description="random subsets of each size")
    permutations: int = Field(default=100, ge=1, description="of the null at each size")
    seed: int = Field(default=0, ge=0, description="of the subsets and permutations")


def curves_along_depth(
    tables: Tables, options: Mapping[str, Any], load: Callable[[str], Representation]
) -> pd.DataFrame:
    """Layers at equal relative depth of example pairs, each score with its interval."""
    pieces = []
    for scores, keys in _slices(tables, options["measures"]):
        symmetric = get_measure(str(scores["measure"].iloc[0])).declared.symmetric
        chosen = example_pairs(scores, per_factor=options["per_factor"])
        if chosen.empty or not _several_layers(scores, chosen):
            continue
        curves = layer_curves(scores, chosen, symmetric=symmetric)
        rows = [_interval(row, keys, load) for row in curves.to_dict("records")]
        pieces.append(curves.assign(**{name: [r[name] for r in rows] for name in INTERVAL_COLUMNS}))
    if not pieces:
        raise InvalidParameterError(
            "a curve along depth needs two models with more than one layer each, and the study has "
            "none: leave the analysis layer_curves out"
        )
    return pd.concat(pieces, ignore_index=True)


def curves_by_n(
    tables: Tables, options: Mapping[str, Any], load: Callable[[str], Representation]
) -> pd.DataFrame:
    """The last layers of example pairs: score, null and interval at growing n."""
    pieces = []
    for scores, keys in _slices(tables, options["measures"]):
        measure = str(scores["measure"].iloc[0])
        symmetric = get_measure(measure).declared.symmetric
        chosen = example_pairs(scores, per_factor=options["per_factor"])
        last = model_scores(scores, "last", symmetric=symmetric)
        for pair in chosen.merge(last, on=["model_a", "model_b"]).to_dict("records"):
            found = dependence_on_n(
                load(keys[pair["model_a"], pair["layer_a"]]),
                load(keys[pair["model_b"], pair["layer_b"]]),
                measure,
                repeats=options["repeats"],
                n_permutations=options["permutations"],
                seed=options["seed"],
            )
            known = ("data", "split", "model_a", "model_b", "layer_a", "layer_b", "differs_in")
            name = f"{pair['model_a']} with {pair['model_b']} (differ in {pair['differs_in']})"
            pieces.append(found.assign(pair=name, **{key: pair[key] for key in known}))
    if not pieces:
        raise InvalidParameterError(
            "the study has no two models with a score: leave the analysis score_by_n out"
        )
    return pd.concat(pieces, ignore_index=True)


def _slices(
    tables: Tables, asked: tuple[str, ...]
) -> Iterator[tuple[pd.DataFrame, dict[tuple[str, str], str]]]:
    """The scores of one measure, data set and pooling, and the keys of its representations."""
    scores, there = tables["scores"], tables["representations"]
    known = list(dict.fromkeys(scores["measure"]))
    names = [get_measure(name).name for name in asked] or known[:1]
    for name in names:
        if name not in known:
            raise InvalidParameterError(
                f"the study does not score {name!r}: " + did_you_mean(name, known)
            )
    for name in names:
        rows = scores[scores["measure"] == name]
        context = [column for column in _CONTEXT if column in rows]
        for values, piece in rows.groupby(context, sort=False, dropna=False):
            here = there[there["data"] == dict(zip(context, values, strict=True))["data"]]
            if "pooling" in context:
                here = here[here["pooling"] == dict(zip(context, values, strict=True))["pooling"]]
            keys = {
                (str(model), str(layer)): str(key)
                for model, layer, key in zip(
                    here["model"], here["layer"], here["rep_key"], strict=True
                )
            }
            yield piece.drop(columns="pooling", errors="ignore").reset_index(drop=True), keys


def _several_layers(scores: pd.DataFrame, pairs: pd.DataFrame) -> bool:
    sides = [
        scores[[f"model_{s}", f"layer_{s}"]].set_axis(["model", "layer"], axis=1) for s in "ab"
    ]
    layers = pd.concat(sides).groupby("model")["layer"].nunique()
    return bool(((pairs["model_a"].map(layers) > 1) & (pairs["model_b"].map(layers) > 1)).any())


def _interval(
    row: Mapping[Any, Any],
    keys: Mapping[tuple[str, str], str],
    load: Callable[[str], Representation],
) -> dict[str, Any]:
    sides = {side: load(keys[row[f"model_{side}"], row[f"layer_{side}"]]) for side in "ab"}
    found = similarity_matrix(sides, row["measure"], pairs=[("a", "b")], interval="jackknife")
    return {str(name): value for name, value in found.table.iloc[0].items()}


def _by_data(table: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """One measure and data set at a time, with what can name a file."""
    several = table["data"].nunique() > 1
    for (measure, data), rows in table.groupby(["measure", "data"], sort=False):
        words = f"{measure}_{data}" if several else str(measure)
        yield re.sub(r"[^A-Za-z0-9.]+", "-", words).strip("-"), rows.reset_index(drop=True)


def depth_figures(tables: Tables, options: NoOptions) -> dict[str, Figure]:
    """One for each measure and data set."""
    from repscape.plots.curves import layer_curve_figure

    del options
    return {
        f"layer_curves_{name}": layer_curve_figure(rows)
        for name, rows in _by_data(tables["layer_curves"])
    }


def by_n_figures(tables: Tables, options: NoOptions) -> dict[str, Figure]:
    """One for each measure and data set."""
    from repscape.plots.curves import score_by_n_figure

    del options
    return {
        f"score_by_n_{name}": score_by_n_figure(rows)
        for name, rows in _by_data(tables["score_by_n"])
    }


def depth_section(tables: Tables, options: NoOptions) -> Part:
    """A section for each data set."""
    from repscape.report.curves import layer_curves_section

    del options
    parts = [rows for _, rows in tables["layer_curves"].groupby("data", sort=False)]
    return Part([layer_curves_section(rows.reset_index(drop=True)) for rows in parts])


def by_n_section(tables: Tables, options: NoOptions) -> Part:
    """A section for each data set."""
    from repscape.report.curves import score_by_n_section

    del options
    parts = [rows for _, rows in tables["score_by_n"].groupby("data", sort=False)]
    return Part([score_by_n_section(rows.reset_index(drop=True)) for rows in parts])


ANALYSES.register(
    Analysis(
        name="layer_curves",
        summary="scores at equal depth of example pairs of models, with intervals over samples",
        version=1,
        run=f"{__name__}:curves_along_depth",
        needs=("scores", "representations"),
        options=CurveOptions,
        reads_representations=True,
    )
)
ANALYSES.register(
    Analysis(
        name="score_by_n",
        summary="does the score depend on n? Example pairs at growing n, with nulls and intervals",
        version=1,
        run=f"{__name__}:curves_by_n",
        needs=("scores", "representations"),
        options=ByNOptions,
        reads_representations=True,
    )
)
FIGURES.register(
    FigureStep(
        "layer_curves", "scores along depth with intervals", depth_figures, ("layer_curves",)
    )
)
FIGURES.register(
    FigureStep("score_by_n", "scores and effects at growing n", by_n_figures, ("score_by_n",))
)
SECTIONS.register(
    SectionStep(
        "layer_curves", "scores along depth with intervals", depth_section, ("layer_curves",)
    )
)
SECTIONS.register(
    SectionStep("score_by_n", "does the score depend on n?", by_n_section, ("score_by_n",))
)
