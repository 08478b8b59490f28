"""Every registered measure keeps its declaration; test_conformance.py breaks some."""

from __future__ import annotations

import numpy as np
import pytest

import formulas
from repscape.measures.base import MEASURES, get_measure
from repscape.testing import check_measure

VARIANTS = [
    "cka[debiased=false]",
    "cka[kernel=rbf]",
    "cka[kernel=rbf,sigma=5,debiased=false]",
    "cka[kernel=laplace,sigma=1median]",
    "cka[kernel=laplace,sigma=5,debiased=false]",
    "center|cka[debiased=false]",
    "unit_rows|cka[kernel=rbf,sigma=0.4]",
    "zscore|cka",
    "unit_norm|rsm_difference",
    "clip[quantile=0.9]|procrustes",
    "pca[variance=0.9]|procrustes",
    "rsa[rdm=correlation,compare_by=pearson]",
    "rsa[rdm=cosine,compare_by=spearman]",
    "rsa[rdm=cosine,compare_by=cosine]",
    "rsa[rdm=euclidean,compare_by=spearman]",
    "rsa[rdm=euclidean,compare_by=kendall]",
    "rsa[rdm=sqeuclidean,compare_by=pearson]",
    "rsa[rdm=sqeuclidean,compare_by=tau_a]",
    "rsa[rdm=mahalanobis,compare_by=pearson]",
    "rsa[rdm=mahalanobis,compare_by=spearman,shrinkage=0.1]",
    "procrustes[score=angle]",
    "procrustes[score=similarity]",
    "procrustes[center=false]",
    "distance_correlation[debiased=false,root=true]",
    "distance_correlation[debiased=true,root=true]",
    "distance_correlation[debiased=false,root=false]",
    "rsm_difference[rdm=cosine]",
    "gulp[regularization=0]",
    "gulp[regularization=0.5,squared=true]",
    "cknna[kernel=dot]",
    "mutual_knn[k=3,metric=euclidean]",
    "knn_jaccard[k=3,metric=euclidean]",
    "rank_jaccard[metric=euclidean]",
    "rank_similarity[metric=euclidean]",
    "lcs_knn[metric=euclidean]",
    "edit_distance_knn[metric=euclidean]",
    "cycle_knn[k=2,direction=yx]",
    "cycle_knn[k=2,metric=euclidean]",
    "information_imbalance[k=5,direction=yx]",
    "information_imbalance[metric=cosine]",
]


# The labels that check_measure gives to its samples with seed 0.
LABELS = np.random.default_rng(0).integers(0, 3, size=60)
FORMULAS = formulas.FORMULAS | {"accuracy_difference": formulas.accuracy_difference(LABELS)}


@pytest.mark.parametrize("name", MEASURES.names())
def test_registered_measures_keep_their_declaration_and_equal_their_formula(name):
    report = check_measure(name, formula=FORMULAS.get(name))
    assert report.measure == get_measure(name).name
    assert len(report.checks) >= 20


def test_every_measure_of_the_catalogue_has_a_formula():
    ours = {cls.spec.name for cls in MEASURES.classes() if cls.__module__.startswith("repscape.")}
    assert ours == {*FORMULAS}


@pytest.mark.parametrize("name", VARIANTS)
def test_other_parameters_keep_their_declaration(name):
    assert check_measure(name).measure == get_measure(name).name


def gram(generator: np.random.Generator, n: int) -> np.ndarray:
    shared = np.random.default_rng(n).normal(size=(n, 4))
    features = np.hstack([shared, generator.normal(size=(n, 4))])
    return features @ features.T


def distances(generator: np.random.Generator, n: int) -> np.ndarray:
    kernel = gram(generator, n)
    squares = np.diag(kernel)[:, None] + np.diag(kernel) - 2 * kernel
    np.fill_diagonal(squares, 0.0)
    return np.sqrt(squares)


@pytest.mark.parametrize(
    ("name", "make_input"),
    [
        ("cka[kernel=precomputed]", gram),
        ("cka[kernel=precomputed,debiased=false]", gram),
        ("rsa[rdm=precomputed]", distances),
        ("rsa[rdm=precomputed,compare_by=kendall]", distances),
        ("rsm_difference[rdm=precomputed]", distances),
        ("mutual_knn[metric=precomputed]", distances),
    ],
)
def test_precomputed_matrices_keep_the_declaration(name, make_input):
    report = check_measure(name, make_input)
    assert "all pairs" in report.checks
    assert "offset" not in report.checks
