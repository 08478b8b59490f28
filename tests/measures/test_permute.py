"""A permuted state scores as the permuted values would, whatever the measure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from repscape.compute.memory import parse_bytes
from repscape.errors import UndefinedNullError
from repscape.measures.base import MEASURES, get_measure

LIMIT = parse_bytes("1GiB")
WITHOUT_NULL = {
    "accuracy_difference",
    "concentricity_difference",
    "magnitude_difference",
    "uniformity_difference",
}
VARIANTS = [
    *sorted(set(MEASURES.names()) - WITHOUT_NULL - {"svcca_components"}),
    "cka[debiased=false]",
    "cka[kernel=rbf,sigma=0.5median]",
    "cka[kernel=rbf,sigma=3.0,debiased=false]",
    "rsa[compare_by=pearson]",
    "rsa[compare_by=cosine]",
    "rsa[compare_by=kendall]",
    "rsa[rdm=euclidean,compare_by=spearman]",
    "rsa[rdm=mahalanobis]",
    "distance_correlation[debiased=false]",
    "dcor",
    "mutual_knn[k=5,metric=euclidean]",
    "information_imbalance[direction=yx]",
    "cca[average=mean_squared]",
    "gulp[squared=true]",
    "linear_regression[predict=x]",
    "linear_regression[evaluate=cross_validated]",
    "procrustes[score=similarity]",
    "svcca_components[k=3]",
    "unit_rows|cka",
]
EXPECTED = [
    "cka",
    "cka[debiased=false]",
    "cka[kernel=rbf,debiased=false]",
    "rsa",
    "rsa[compare_by=pearson]",
    "rsa[compare_by=cosine]",
    "rsa[compare_by=kendall]",
    "rsa[compare_by=tau_a,rdm=euclidean]",
    "distance_correlation",
    "distance_correlation[debiased=false]",
    "mutual_knn[k=3]",
    "information_imbalance[k=2]",
    "cca[average=mean_squared]",
    "gulp[squared=true]",
    "linear_regression",
    "linear_regression[predict=x]",
]


def values(n: int, seed: int = 0, d: int = 6) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, d, generator=generator, dtype=torch.float64).exp()
    mixed = torch.randn(d, d, generator=generator, dtype=torch.float64)
    y = x @ mixed + torch.randn(n, d, generator=generator, dtype=torch.float64)
    return x, y


def orders(n: int, count: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randperm(n, generator=generator) for _ in range(count)])


@pytest.mark.parametrize("name", VARIANTS)
def test_a_permuted_state_scores_as_permuted_values(name: str) -> None:
    measure = get_measure(name)
    x, y = values(60)
    if name in ("jensen_shannon", "disagreement"):
        y = y.abs()
    a, b = measure.prepare(x), measure.prepare(y)
    chosen = orders(60)
    expected = [measure.compare(a, measure.prepare(y[order])) for order in chosen]
    assert len({round(value, 12) for value in expected}) > 1
    found = measure.permuted_scores(a, b, chosen, LIMIT)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-11)
    one_by_one = [measure.compare(a, measure.permute(b, order)) for order in chosen]
    np.testing.assert_allclose(one_by_one, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("name", ["cka", "cka[kernel=rbf]", "rsa", "rsm_difference", "mutual_knn"])
@pytest.mark.parametrize("d", [3, 300])
def test_compiled_loops_and_products_of_features_agree_with_permuted_values(
    name: str, d: int
) -> None:
    measure = get_measure(name)
    x, y = values(300, d=d)
    a, b = measure.prepare(x), measure.prepare(y)
    chosen = orders(300)
    expected = [measure.compare(a, measure.prepare(y[order])) for order in chosen]
    found = measure.permuted_scores(a, b, chosen, LIMIT)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("n", [50, 210])
@pytest.mark.parametrize(
    "name",
    [
        "cka",
        "cka[kernel=rbf,debiased=false]",
        "rsa",
        "dcor",
        "distance_correlation",
        "rsm_difference",
        "mutual_knn[k=5]",
        "unit_rows|cka",
        "procrustes",
    ],
)
def test_all_pairs_at_once_equal_the_loop(name: str, n: int) -> None:
    measure = get_measure(name)
    xs = [x for seed in range(3) for x in values(n, seed, d=12)]
    states = [measure.prepare(x) for x in xs]
    pairs = [(a, b) for a in range(6) for b in range(6) if a < b or (a, b) == (5, 0)]
    chosen = orders(n)
    found = measure.permuted_pairs(states, pairs, chosen, LIMIT)
    for (a, b), scores in zip(pairs, found, strict=True):
        assert isinstance(scores, torch.Tensor)
        expected = measure.permuted_scores(states[a], states[b], chosen, LIMIT)
        np.testing.assert_allclose(scores.numpy(), expected.numpy(), rtol=1e-10, atol=1e-12)


def test_more_representations_than_a_word_has_bits() -> None:
    measure = get_measure("mutual_knn[k=3]")
    generator = torch.Generator().manual_seed(0)
    tables = [measure.prepare(torch.randn(30, 4, generator=generator)) for _ in range(70)]
    pairs = [(a, b) for a in range(3) for b in range(70) if a != b]
    found = measure.permuted_pairs(tables, pairs, orders(30), LIMIT)
    for (a, b), scores in zip(pairs, found, strict=True):
        expected = measure.permuted_scores(tables[a], tables[b], orders(30), LIMIT)
        assert torch.equal(scores, expected)


@pytest.mark.parametrize("name", ["cka", "cka[debiased=false]"])
def test_a_linear_null_needs_no_matrix_of_all_pairs(name: str) -> None:
    measure = get_measure(name)
    x, y = values(300, d=40)
    a, b = measure.prepare(x), measure.prepare(y)
    chosen = orders(300)
    whole = measure.permuted_scores(a, b, chosen, LIMIT)
    small = 300 * 300 * 8  # less than two whole matrices take
    a, b = measure.prepare(x), measure.prepare(y)
    found = measure.permuted_scores(a, b, chosen, small)
    torch.testing.assert_close(found, whole, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", sorted(WITHOUT_NULL))
def test_measures_of_one_side_have_no_null(name: str) -> None:
    with pytest.raises(UndefinedNullError, match=rf"{name}.*no permutation null"):
        get_measure(name).permute(1.0, torch.arange(3))


@pytest.mark.parametrize("name", EXPECTED)
def test_closed_forms_are_the_mean_over_all_orders(name: str) -> None:
    """All 120 orders of 5 samples."""
    n = 5
    measure = get_measure(name)
    x, y = values(n, d=3)
    if name.startswith(("cca", "linear")):
        x, y = x[:, :2], y[:, :1]
    a, b = measure.prepare(x), measure.prepare(y)
    every = torch.tensor(list(itertools.permutations(range(n))))
    scores = measure.permuted_scores(a, b, every, LIMIT)
    assert scores.std() > 0
    expected = measure.expected(a, b)
    assert expected is not None
    assert float(scores.mean()) == pytest.approx(expected, abs=1e-9, rel=1e-9)


@pytest.mark.parametrize("name", ["cka[debiased=false]", "rsa", "dcor", "procrustes", "gulp"])
def test_no_closed_form_is_claimed_where_none_is_known(name: str) -> None:
    measure = get_measure(name)
    a, b = (measure.prepare(v) for v in values(20))
    known = measure.expected(a, b) is not None
    assert known is (name in ("cka[debiased=false]", "rsa"))
