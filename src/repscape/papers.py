"""The sets of measures that published studies used, by name, so that a table can be redone.

A set holds printable names of this Repscape. Preprocessing that a study's code does silently is
a transform in the name; a step that does not change a measure (unit norm before a rank
correlation, unit rows before cosine neighbours) is left out, so that one number has one name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from repscape.errors import UnknownNameError, did_you_mean


@dataclass(frozen=True)
class Paper:
    """The measures that a study used.

    Attributes
    ----------
    title, source : str
        What the study is called, and where it appeared.
    measures : tuple of str
        Canonical printable names, in the study's order.
    left_out : mapping of str to str
        What the study used besides, and why it is not in `measures`.
    notes : str
        Where these numbers differ from those that the study's own code gives.
    """

    title: str
    source: str
    measures: tuple[str, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    notes: str = ""


_PLATONIC = (
    "clip[quantile=0.95]|cycle_knn[k=10,metric=cosine,direction=xy]@1",
    "clip[quantile=0.95]|mutual_knn[k=10,metric=cosine]@1",
    "clip[quantile=0.95]|lcs_knn[k=10,metric=cosine]@1",
    "clip[quantile=0.95]|unit_rows|cka[kernel=linear,debiased=false]@1",
    "clip[quantile=0.95]|unit_rows|cka[kernel=linear,debiased=true]@1",
    "clip[quantile=0.95]|cknna[k=10,kernel=cosine]@1",
    "clip[quantile=0.95]|unit_rows|zscore|svcca_components[k=10]@1",
    "clip[quantile=0.95]|edit_distance_knn[k=10,metric=cosine]@1",
)
_PLATONIC_NOTES = (
    "Clipping is exact here; the study's code estimates the quantile unless told otherwise. Its "
    "principal components are randomised, and it adds 1e-6 to the denominators of CKA and CKNNA."
)

PAPERS: Mapping[str, Paper] = {
    "klabunde2023": Paper(
        "Towards Measuring Representational Similarity of Large Language Models",
        "UniReps workshop, NeurIPS 2023",
        (
            "procrustes[score=distance,center=false]@1",
            "aligned_cosine[center=false]@2",
            "rsm_difference[rdm=cosine]@2",
            "knn_jaccard[k=10,metric=cosine]@1",
            "procrustes[score=distance,center=true]@1",
            "aligned_cosine[center=true]@2",
            "center|unit_norm|rsm_difference[rdm=euclidean]@2",
            "center|knn_jaccard[k=10,metric=cosine]@1",
            "rsa[rdm=euclidean,compare_by=spearman]@2",
            "cka[kernel=linear,debiased=false]@1",
        ),
        notes="The first four are the study's group without invariance to translation.",
    ),
    "resi": Paper(
        "ReSi: A Comprehensive Benchmark for Representational Similarity Measures",
        "ICLR 2025",
        (
            "cka[kernel=linear,debiased=false]@1",
            "rsa[rdm=correlation,compare_by=spearman]@2",
            "rsm_difference[rdm=euclidean]@2",
            "distance_correlation[debiased=false,root=true]@1",
            "eigenspace_overlap@1",
            "gulp[regularization=0,squared=true]@1",
            "linear_regression[predict=x,evaluate=in_sample,ridge=0]@1",
            "pwcca_unwhitened@1",
            "svcca[variance=0.99]@1",
            "hard_correlation_match@1",
            "soft_correlation_match@1",
            "knn_jaccard[k=10,metric=cosine]@1",
            "rank_similarity[k=10,metric=cosine]@1",
            "second_order_cosine[k=10]@1",
            "aligned_cosine[center=false]@2",
            "procrustes[score=distance,center=true]@1",
            "size_and_shape[center=true,squared=false]@1",
            "procrustes[score=angle,center=true]@1",
            "permutation_procrustes[score=distance,center=false]@1",
            "magnitude_difference@1",
            "concentricity_difference@1",
            "uniformity_difference[t=2,diagonal=true]@1",
        ),
        left_out={
            "IMD": "a multi-scale comparison of heat traces, not in the catalogue",
            "RTD": "a comparison of persistent homology, not in the catalogue",
        },
        notes=(
            "The study's code takes the spectral norm for the RSM difference and keeps too few "
            "components for SVCCA; here both are as published."
        ),
    ),
    "resi_outputs": Paper(
        "ReSi: A Comprehensive Benchmark for Representational Similarity Measures",
        "ICLR 2025, the functional measures, on logits",
        (
            "jensen_shannon[values=logits]@1",
            "disagreement[values=logits]@1",
            "accuracy_difference[values=logits]@1",
        ),
    ),
    "huh2024": Paper(
        "The Platonic Representation Hypothesis", "ICML 2024", _PLATONIC, notes=_PLATONIC_NOTES
    ),
    "li2025": Paper(
        "Exploring Causes of Representational Similarity in Machine Learning Models",
        "2025",
        _PLATONIC,
        notes=(
            f"{_PLATONIC_NOTES} The study's own values of lcs_knn and edit_distance_knn are "
            "wrong: three quarters of their rows were lost."
        ),
    ),
    "ciernik2024": Paper(
        "Objective drives the consistency of representational similarity across datasets",
        "2024, the main text",
        (
            "unit_rows|cka[kernel=linear,debiased=true]@1",
            "unit_rows|cka[kernel=rbf,sigma=0.4,debiased=true]@1",
            "rsa[rdm=correlation,compare_by=spearman]@2",
        ),
    ),
    "ciernik2024_all": Paper(
        "Objective drives the consistency of representational similarity across datasets",
        "2024, with the appendix",
        (
            "unit_rows|cka[kernel=linear,debiased=true]@1",
            "unit_rows|cka[kernel=rbf,sigma=0.2,debiased=true]@1",
            "unit_rows|cka[kernel=rbf,sigma=0.4,debiased=true]@1",
            "unit_rows|cka[kernel=rbf,sigma=0.6,debiased=true]@1",
            "unit_rows|cka[kernel=rbf,sigma=0.8,debiased=true]@1",
            "rsa[rdm=correlation,compare_by=pearson]@2",
            "rsa[rdm=correlation,compare_by=spearman]@2",
        ),
    ),
    "valeriani2023": Paper(
        "The geometry of hidden representations of large transformer models",
        "NeurIPS 2023",
        ("mutual_knn[k=10,metric=euclidean]@1",),
        left_out={
            "intrinsic dimension": "it describes one representation and compares none",
            "label overlap": "it describes one representation and compares none",
        },
        notes="The study calls it the neighbourhood overlap of two layers.",
    ),
    "cheng2025": Paper(
        "Emergence of a High-Dimensional Abstraction Phase in Language Transformers",
        "ICLR 2025",
        (
            "information_imbalance[k=1,metric=euclidean,direction=xy]@2",
            "information_imbalance[k=1,metric=euclidean,direction=yx]@2",
        ),
        left_out={"intrinsic dimension": "it describes one representation and compares none"},
    ),
    "singh2023": Paper(
        "Transformer Dynamics as Movement Through Embedding Space",
        "2023",
        (),
        left_out={
            "concept similarity": "it scores the answers of one model by dot products or cosines "
            "with a concept vector, and compares no two representations",
        },
    ),
}
"""The studies by first author and year; `resi` is the benchmark of that name."""


def get_paper(name: str) -> Paper:
    """Return the study called `name`; raise `UnknownNameError` with near matches otherwise."""
    if name not in PAPERS:
        raise UnknownNameError(f"no paper is called {name!r}: {did_you_mean(name, PAPERS)}")
    return PAPERS[name]
