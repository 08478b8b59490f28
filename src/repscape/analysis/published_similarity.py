"""The tables of Klabunde et al. (2023): their names of measures, their columns, their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import pandas as pd

from repscape.analysis.tidy import as_tidy, in_order_of_appearance
from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean
from repscape.papers import PAPERS

Group: TypeAlias = Literal["otis", "otistr"]

GROUPS: Mapping[Group, str] = {
    "otis": "invariant to orthogonal transformations and isotropic scaling",
    "otistr": "invariant to orthogonal transformations, isotropic scaling and translation",
}
"""The two groups of measures, by the names of their published files."""

COLUMNS = (
    "score",
    "baseline_score",
    "baseline_scores_full",
    "model1",
    "model2",
    "dataset",
    "split",
    "measure",
    "strategy",
)
"""The columns of a published table."""

MODELS = {
    "RedPajama-INCITE-7B-Base": "RedPajama",
    "bloom-7b1": "bloom",
    "falcon-7b": "falcon",
    "galactica-6.7b": "galactica",
    "gpt-j-6b": "gpt-j",
    "llama-7b": "llama",
    "mpt-7b": "mpt",
    "open-llama-7b": "open-llama",
    "opt-6.7b": "opt",
    "pythia-6.9b-deduped": "pythia-deduped",
    "stablelm-base-alpha-7b": "stablelm-alpha",
    "CodeLlama-7b-hf": "CodeLlama",
    "CodeLlama-7b-Python-hf": "CodeLlama-Python",
}
"""The thirteen models and their short names, in the order of the HumanEval figures."""


@dataclass(frozen=True)
class PublishedMeasure:
    """One measure of the study under its three names.

    Attributes
    ----------
    measure : str
        The printable name here.
    stored : str
        In the column `measure` of the published tables.
    title : str
        Over its heat map.
    group : "otis" or "otistr"
    """

    measure: str
    stored: str
    title: str
    group: Group


_STORED: tuple[tuple[str, str, Group], ...] = (
    (
        "Pipeline(normalize_matrix_norm+orthogonal_procrustes{})",
        "Orthogonal Procrustes",
        "otis",
    ),
    ("aligned_cossim", "Aligned Cossim", "otis"),
    ("rsm_norm_diff", "Norm RSM-Diff (Cosine)", "otis"),
    ("Pipeline(+jaccard_similarity{'k': 10})", "Jaccard (k=10)", "otis"),
    (
        "Pipeline(center_columns+normalize_matrix_norm+orthogonal_procrustes{})",
        "Orthogonal Procrustes",
        "otistr",
    ),
    (
        "Pipeline(center_columns+normalize_matrix_norm+aligned_cossim{})",
        "Aligned Cossim",
        "otistr",
    ),
    (
        "Pipeline(center_columns+normalize_matrix_norm+rsm_norm_diff{'inner': 'euclidean'})",
        "RSM-Diff (Euclidean)",
        "otistr",
    ),
    ("Pipeline(center_columns+jaccard_similarity{})", "Jaccard (k=10)", "otistr"),
    (
        "Pipeline(normalize_matrix_norm+representational_similarity_analysis"
        "{'inner': 'euclidean', 'outer': 'spearman'})",
        "RSA (Euclidean, Spearman)",
        "otistr",
    ),
    ("centered_kernel_alignment", "CKA", "otistr"),
)

PUBLISHED: tuple[PublishedMeasure, ...] = tuple(
    PublishedMeasure(measure, *names)
    for measure, names in zip(PAPERS["klabunde2023"].measures, _STORED, strict=True)
)
"""Every measure of the study, in the order of its figures."""


def of_group(group: str) -> tuple[PublishedMeasure, ...]:
    """The measures of one group; raise `UnknownNameError` if there is no such group."""
    if group not in GROUPS:
        raise UnknownNameError(f"no group is called {group!r}: {did_you_mean(group, GROUPS)}")
    return tuple(each for each in PUBLISHED if each.group == group)


def published_table(
    scores: pd.DataFrame, group: str | None = None, strategy: str = "final_token"
) -> pd.DataFrame:
    """The scores as the study stores them: its columns and its names of measures.

    Parameters
    ----------
    scores
        A tidy table with one score for each pair of models (`analysis.model_scores`); other
        measures than the study's are left out.
    group : "otis" or "otistr", optional
        One group of measures; by default both.
    strategy
        What the published column of that name says.

    Returns
    -------
    DataFrame
        The columns `COLUMNS`, one row per pair, data set and measure, `model1` before `model2`
        in the order of their names. Scores that are missing are null, never 0; the baselines,
        which the study left off, are null.

    Raises
    ------
    InvalidParameterError
        If a pair of models stands there several times: choose one layer first.
    """
    wanted = {each.measure: each.stored for each in (of_group(group) if group else PUBLISHED)}
    tidy = as_tidy(scores)
    rows = tidy[tidy["measure"].isin(list(wanted))]
    first = rows["model_a"].astype("str") <= rows["model_b"].astype("str")
    names = {
        "model1": rows["model_a"].where(first, rows["model_b"]),
        "model2": rows["model_b"].where(first, rows["model_a"]),
    }
    table = pd.DataFrame(
        {
            "score": rows["value"].astype("float64"),
            "baseline_score": pd.Series(float("nan"), rows.index, dtype="float64"),
            "baseline_scores_full": pd.Series(None, rows.index, dtype=object),
            **names,
            "dataset": rows["data"],
            "split": rows["split"],
            "measure": rows["measure"].map(wanted),
            "strategy": strategy,
        }
    )
    key = ["dataset", "split", "measure", "model1", "model2"]
    repeated = table.duplicated(key, keep=False)
    if repeated.any():
        one = table[repeated].iloc[0]
        raise InvalidParameterError(
            f"{one['model1']} with {one['model2']} stands there more than once under "
            f"{one['measure']}: choose one layer per model with model_scores first"
        )
    place = {name: position for position, name in enumerate(wanted.values())}
    table["place"] = table["measure"].map(place)
    ordered = table.sort_values(["dataset", "model1", "model2", "place"], kind="stable")
    return ordered[list(COLUMNS)].reset_index(drop=True)


def order_of_models(scores: pd.DataFrame, data: str | None) -> list[str]:
    """The models in the order of the published figures.

    On HumanEval, data of code, the models of code (`CodeLlama…`) stand last; elsewhere the order
    is that of the names. Models that the study did not have keep the order of the table and stand
    after those that it had.
    """
    present = in_order_of_appearance(scores, "model")
    known = [name for name in MODELS if name in present]
    if data is None or "humaneval" not in data.lower():
        known = sorted(known)
    return [*known, *(name for name in present if name not in known)]


def short_names(models: Sequence[str]) -> list[str]:
    """The short names of the study's figures, where it has them."""
    return [MODELS.get(name, name) for name in models]
