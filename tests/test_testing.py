"""Every registered measure keeps its declaration, and measures that do not are caught."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from repscape.compute.neighbours import NeighbourTable, neighbours
from repscape.errors import ConformanceError, UndefinedScoreError
from repscape.measures.base import MEASURES, Measure, MeasureSpec, get_measure
from repscape.registry import Citation, parameter
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


@pytest.mark.parametrize("name", [*MEASURES.names(), *VARIANTS])
def test_registered_measures_keep_their_declaration(name):
    report = check_measure(name)
    assert report.measure == get_measure(name).name
    assert len(report.checks) >= 15


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
    ],
)
def test_precomputed_matrices_keep_the_declaration(name, make_input):
    report = check_measure(name, make_input)
    assert "all pairs" in report.checks
    assert "offset" not in report.checks


def toy_spec(**changes: Any) -> MeasureSpec:
    spec = MeasureSpec(
        name="toy",
        version=1,
        family="toys",
        kind="similarity",
        range=(-1.0, 1.0),
        symmetric=True,
        metric=False,
        invariances=frozenset({"isotropic_scaling"}),
        minimum_n=2,
        summary="cosine of the raw values",
        formula="<X, Y> / (||X|| ||Y||)",
        cost="n·d",
        citation=Citation("nobody", "@misc{nobody}"),
    )
    return spec.but(**changes)


class Toy(Measure[torch.Tensor]):
    """The cosine of the two matrices as vectors: a measure that keeps its declaration."""

    spec: ClassVar[MeasureSpec] = toy_spec()

    def prepare(self, x):
        x = x.double()
        norm = x.norm()
        if norm == 0:
            raise UndefinedScoreError("all values are 0")
        return x / norm

    def compare(self, a, b):
        width = min(a.shape[1], b.shape[1])
        return float((a[:, :width] * b[:, :width]).sum())


def broken(method: str, function: Any, **changes: Any) -> Measure[Any]:
    """A toy with one method replaced and another declaration."""
    cls = type("BrokenToy", (Toy,), {method: function, "spec": toy_spec(**changes)})
    return dataclass(frozen=True)(cls)()


def failed_checks(measure: Measure[Any]) -> set[str]:
    with pytest.raises(ConformanceError) as caught:
        check_measure(measure)
    lines = str(caught.value).splitlines()[1:]
    return {line.removeprefix("  - ").partition(":")[0] for line in lines}


def test_a_good_toy_passes_without_being_registered():
    assert check_measure(dataclass(frozen=True)(Toy)()).failures == ()


def test_wrong_invariances_are_caught_one_by_one():
    wrong = frozenset({"translation", "orthogonal"})
    assert failed_checks(broken("prepare", Toy.prepare, invariances=wrong)) == {
        "invariance translation",
        "invariance orthogonal",
        "invariance isotropic_scaling",
    }


def test_an_asymmetric_measure_is_caught():
    def compare(self, a, b):
        return Toy.compare(self, a, b) * float(1 - 0.1 * a[0, 0].abs())

    assert "symmetry" in failed_checks(broken("compare", compare, self_is_best=False))


def test_declared_asymmetry_that_is_none_is_caught():
    assert failed_checks(broken("prepare", Toy.prepare, symmetric=False)) == {"symmetry"}


def test_a_biased_score_leaves_its_range_and_misses_identity():
    def compare(self, a, b):
        return Toy.compare(self, a, b) + 0.1

    assert {"identity", "range"} <= failed_checks(broken("compare", compare))


def test_nan_is_caught_although_the_front_door_would_hide_it():
    def prepare(self, x):
        return x.double() / x.double().norm()

    failures = failed_checks(broken("prepare", prepare))
    assert failures == {"hostile input"}


def test_a_missing_error_type_is_caught():
    def prepare(self, x):
        if (x == 0).all(dim=1).any():
            raise ValueError("a row of zeros")
        return Toy.prepare(self, x)

    assert failed_checks(broken("prepare", prepare)) == {"hostile input"}


def test_too_little_precision_under_an_offset_is_caught():
    def prepare(self, x):
        rounded = x.bfloat16().double() if x.dtype == torch.float32 else x
        return Toy.prepare(self, rounded - rounded.mean(dim=0))

    assert "offset" in failed_checks(broken("prepare", prepare))


def test_a_squared_distance_is_no_metric():
    def prepare(self, x):
        return x.double()

    def compare(self, a, b):
        width = min(a.shape[1], b.shape[1])
        return float((a[:, :width] - b[:, :width]).square().sum())

    cls = type(
        "Squared",
        (Toy,),
        {
            "prepare": prepare,
            "compare": compare,
            "spec": toy_spec(
                kind="distance", range=(0.0, math.inf), metric=True, invariances=frozenset()
            ),
        },
    )
    assert failed_checks(dataclass(frozen=True)(cls)()) == {"triangle inequality"}


def test_a_measure_that_changes_its_input_or_the_random_state_is_caught():
    def prepare(self, x):
        torch.rand(1)
        return Toy.prepare(self, x.mul_(1.0 + 1e-3))

    assert "purity" in failed_checks(broken("prepare", prepare))


def test_a_sweep_that_differs_from_the_pair_loop_is_caught():
    def sweep(requests, memory_limit):
        return [[0.5 for _ in request.pairs] for request in requests]

    failures = failed_checks(broken("sweep", property(lambda self: sweep)))
    assert "all pairs" in failures


def test_one_order_of_rows_for_both_sides_is_needed():
    def prepare(self, x):
        return Toy.prepare(self, x.sort(dim=0).values)

    assert "row order" in failed_checks(broken("prepare", prepare))


def test_a_measure_without_a_score_is_told_why():
    def prepare(self, x):
        raise UndefinedScoreError("never")

    with pytest.raises(ConformanceError, match="has no score for random input: never"):
        check_measure(broken("prepare", prepare))


@dataclass(frozen=True)
class FirstColumnSelf(Measure[torch.Tensor]):
    """Mutual neighbours that drop the first column of the search as the sample itself."""

    k: int = parameter(4, "number of neighbours")
    by_index: bool = parameter(False, "mask the sample by its index instead")

    spec: ClassVar[MeasureSpec] = toy_spec(
        name="first_column_self",
        family="neighbours",
        range=(0.0, 1.0),
        invariances=frozenset({"orthogonal", "permutation", "isotropic_scaling", "translation"}),
        minimum_n=6,
    )

    def prepare(self, x):
        if self.by_index:
            table: NeighbourTable = neighbours(x, self.k, "euclidean")
            return table.indices.long()
        gaps = torch.cdist(x.double(), x.double(), compute_mode="donot_use_mm_for_euclid_dist")
        return gaps.sort(dim=1, stable=True).indices[:, 1 : self.k + 1]

    def compare(self, a, b):
        shared = (a[:, :, None] == b[:, None, :]).any(dim=2)
        return float(shared.double().mean())


def test_dropping_the_first_column_as_self_is_caught():
    assert failed_checks(FirstColumnSelf()) == {"self among duplicates"}
    assert check_measure(FirstColumnSelf(by_index=True)).failures == ()
