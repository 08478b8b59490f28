"""A restricted state scores as the samples that are left, prepared anew."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.errors import UndefinedScoreError
from repscape.measures.base import MEASURES, get_measure
from repscape.significance.prepared import PartialScores, prepare_state

RESTRICTED = [
    "cka",
    "cka[debiased=false]",
    "cka[kernel=rbf,sigma=2]",
    "cka[kernel=laplace,sigma=3,debiased=false]",
    "distance_correlation",
    "dcor",
    "rsa[rdm=euclidean,compare_by=pearson]",
    "rsa[compare_by=cosine]",
    "rsm_difference",
    "procrustes",
    "procrustes[score=similarity]",
    "procrustes[center=false]",
    "mutual_knn[k=4]",
    "mutual_knn[k=4,metric=euclidean]",
    "knn_jaccard[k=4]",
    "lcs_knn[k=4]",
    "unit_rows|cka",
    "unit_rows|mutual_knn[k=3]",
]
ANEW = [
    "cka[kernel=rbf]",
    "rsa",
    "rsa[compare_by=kendall]",
    "rsa[rdm=mahalanobis,compare_by=pearson]",
]
ANEW += ["zscore|cka", "pca[variance=0.9]|procrustes", "cca"]


def values(n: int = 70, d: int = 6) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64).exp() + 3.0
    return [x, x.flip(1) + torch.randn(n, d, generator=generator, dtype=torch.float64)]


def parts(n: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randperm(n, generator=generator)[:m].sort().values for m in (n - 4, n // 2)]


@pytest.mark.parametrize("d", [6, 90])
@pytest.mark.parametrize("name", RESTRICTED)
def test_a_restricted_state_scores_as_the_samples_prepared_anew(name: str, d: int) -> None:
    measure = get_measure(name)
    xs = values(d=d)
    states = [measure.prepare_for_subsets(x) for x in xs]
    for rows in parts(70):
        a, b = (measure.subset(state, rows) for state in states)
        assert a is not None
        assert b is not None
        expected = measure.compare(*(prepare_state(measure, x[rows]) for x in xs))
        assert measure.core.compare(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", ANEW)
def test_what_depends_on_the_others_is_prepared_anew(name: str) -> None:
    measure = get_measure(name)
    xs = values()
    rows = parts(70)[0]
    assert measure.subset(measure.prepare_for_subsets(xs[0]), rows) is None
    expected = measure.compare(*(prepare_state(measure, x[rows]) for x in xs))
    assert PartialScores(measure, xs)(rows) == pytest.approx(expected, rel=1e-12)


def test_every_measure_gives_partial_scores() -> None:
    xs = [x.abs() for x in values()]
    rows = parts(70)[1]
    for name in MEASURES.names():
        measure = get_measure(name if name != "svcca_components" else "svcca_components[k=3]")
        if measure.core.needs_labels:
            continue
        expected = measure.compare(*(prepare_state(measure, x[rows]) for x in xs))
        found = PartialScores(measure, xs)(rows)
        assert found == pytest.approx(expected, rel=1e-8, abs=1e-12), name


def test_nothing_is_prepared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    measure = get_measure("mutual_knn[k=4]")
    partial = PartialScores(measure, values())
    partial(parts(70)[0])
    monkeypatch.setattr(type(measure), "prepare", lambda *_: pytest.fail("prepared again"))
    assert 0.0 < partial(parts(70)[1]) < 1.0


def test_precomputed_matrices_lose_rows_and_columns() -> None:
    measure = get_measure("cka[kernel=precomputed]")
    grams = [x @ x.T for x in values()]
    rows = parts(70)[1]
    found = PartialScores(measure, grams)(rows)
    plain = get_measure("cka")
    assert found == pytest.approx(PartialScores(plain, values())(rows), rel=1e-9)


@pytest.mark.parametrize("name", ["mutual_knn[k=4]", "procrustes", "cka"])
def test_what_is_left_of_equal_samples_has_no_score(name: str) -> None:
    xs = values()
    xs[0][:30] = 2.0
    with pytest.raises(UndefinedScoreError):
        PartialScores(get_measure(name), xs)(torch.arange(30))


def test_rare_losses_of_neighbours_are_searched_anew() -> None:
    measure = get_measure("mutual_knn[k=3,metric=euclidean]")
    near = np.r_[np.linspace(0, 1, 60), 100.0, 101.0, 102.0, 103.0]
    xs = [torch.from_numpy(near)[:, None], torch.from_numpy(near[::-1].copy())[:, None]]
    # All near neighbours of sample 0 are left out.
    rows = torch.cat([torch.tensor([0]), torch.arange(50, 64)])
    assert measure.subset(measure.prepare_for_subsets(xs[0]), rows) is None
    expected = measure.compare(*(measure.prepare(x[rows]) for x in xs))
    assert PartialScores(measure, xs)(rows) == expected
