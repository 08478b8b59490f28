"""Medians and ranks are exact, or within the stated bound."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from scipy.stats import rankdata, spearmanr

from repscape.compute import ranks as module
from repscape.compute.ranks import (
    RANK_ERROR,
    BinnedRanks,
    average_ranks,
    condensed,
    median_distance,
    settle,
)
from repscape.compute.rows import Rows
from repscape.errors import UndefinedScoreError
from repscape.measures.rdm import dissimilarities


def features(kind: str, n: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(n, 12, generator=generator, dtype=torch.float64)
    if kind == "massive":
        x[::97] *= 1e4
        x[:, 0] += 3000
    if kind == "integers":
        x = torch.randint(0, 2, (n, 12), generator=generator).double()
    if kind == "duplicates":
        x[n - n // 2 :] = x[: n // 2].clone()
    return x.to(dtype)


@pytest.mark.parametrize("kind", ["gauss", "massive", "integers", "duplicates"])
@pytest.mark.parametrize("n", [2, 3, 50, 301])
def test_median_distance(kind, n):
    x = features(kind, n)
    wanted = float(np.median(pdist(x.numpy())))
    assert median_distance(Rows(x, "centred")) == pytest.approx(wanted, rel=1e-12, abs=1e-6)


@pytest.mark.parametrize("kept", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["gauss", "massive", "integers", "duplicates"])
def test_median_distance_by_the_compiled_selection(kind, dtype, kept, monkeypatch):
    x = features(kind, 601, dtype)
    rows = Rows(x, "centred")
    if kept:
        rows.keep_products()
    compiled = []
    select = module._select
    monkeypatch.setattr(module, "_select", lambda *given: compiled.append(select(*given)))
    # Nothing returned: by tiles. Then the same two entries are what the compiled loop found.
    wanted = median_distance(rows)
    assert wanted == pytest.approx(
        float(np.median(pdist(x.double().numpy()))), rel=1e-5 if dtype == torch.float32 else 1e-12
    )
    if kind != "integers":  # there half of the distances may be one value, and none in between
        lower, upper = compiled[0]
        assert (math.sqrt(lower) + math.sqrt(upper)) / 2 == wanted


def test_median_distance_where_one_held_panel_has_all_that_is_sampled():
    x = features("gauss", 513)
    rows = Rows(x, "centred")
    rows.keep_products()
    wanted = float(np.median(pdist(x.numpy())))
    assert median_distance(rows) == pytest.approx(wanted, rel=1e-12)


def test_a_selection_that_misses_or_does_not_fit_says_so(monkeypatch):
    rows = Rows(features("gauss", 601), "centred")
    assert module._select(rows, (90_000, 90_000), 0.0, 0.1) is None
    monkeypatch.setattr(module, "KEPT_VALUES", 1000)
    assert module._select(rows, (90_000, 90_000), 0.0, math.inf) is None


def test_median_distance_at_an_offset_in_float32():
    x = features("gauss", 200, torch.float32)
    x[:, :4] += 300.0
    wanted = float(np.median(pdist(x.double().numpy())))
    assert median_distance(Rows(x, "centred")) == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize("kind", ["gauss", "massive", "integers"])
@pytest.mark.parametrize("rdm", ["sqeuclidean", "cosine"])
def test_average_ranks_are_those_of_scipy(kind, rdm):
    x = features(kind, 120)
    x[:, 0] += 1.0
    ranks = average_ranks(dissimilarities(x, rdm).tile, 120)
    wanted = rankdata(np.round(pdist(x.numpy(), rdm), 9 if kind != "massive" else 14))
    assert ranks.numpy()[np.triu_indices(120, 1)] == pytest.approx(wanted, abs=0)
    assert torch.equal(ranks, ranks.T)
    assert not ranks.diagonal().any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_settled_distances_keep_their_order_and_their_ties(dtype):
    values = torch.rand(10_000, generator=torch.Generator().manual_seed(0)).to(dtype).sort().values
    settled = settle(values)
    assert bool((settled.diff() >= 0).all())
    assert settled.double().numpy() == pytest.approx(values.double().numpy(), rel=1e-5)
    one = torch.ones(1, dtype=dtype)
    noisy = torch.cat([one, torch.nextafter(one, 2 * one), torch.nextafter(one, 0 * one)])
    assert settle(noisy).unique().tolist() == [1.0]
    assert torch.equal(settle(-values), -settled)


@pytest.mark.parametrize("n", [2, 30, 512, 513, 1100])
def test_condensed_is_row_by_row(n):
    x = features("gauss", n)
    got = condensed(dissimilarities(x, "euclidean").tile, n)
    np.testing.assert_allclose(got, pdist(x.numpy()), rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ranks_of_many_samples_fill_both_triangles(dtype):
    x = features("integers", 700, dtype)
    ranks = average_ranks(dissimilarities(x, "sqeuclidean").tile, 700)
    assert ranks.dtype == torch.float32
    wanted = rankdata(pdist(x.numpy(), "sqeuclidean").round())
    assert ranks.numpy()[np.triu_indices(700, 1)].tolist() == wanted.tolist()
    assert torch.equal(ranks, ranks.T)


def binned_spearman(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    n, above = len(x), np.triu_indices(len(x), 1)
    vectors, errors = [], []
    for values in (x, y):
        matrix = dissimilarities(values, "sqeuclidean")
        binned = BinnedRanks(matrix.tile, n)
        everything = slice(0, n)
        vectors.append(binned(matrix.tile(everything, everything)).numpy()[above])
        errors.append(binned.error)
    bound = sum(errors) + errors[0] * errors[1]
    return float(np.corrcoef(*vectors)[0, 1]), bound


@pytest.mark.parametrize("kind", ["gauss", "massive", "integers", "duplicates"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_binned_ranks_keep_their_bound(kind, dtype):
    """Fixed bins fail on massive activations: 0.888 for a true 0.952."""
    n = 700
    x = features(kind, n, dtype)
    noise = torch.randn(n, 12, generator=torch.Generator().manual_seed(6)).to(dtype)
    y = x + (0.3 if kind != "integers" else 1.0) * noise
    above = np.triu_indices(n, 1)
    exact = [
        average_ranks(dissimilarities(v, "sqeuclidean").tile, n).numpy()[above] for v in (x, y)
    ]
    got, bound = binned_spearman(x, y)
    assert bound <= RANK_ERROR
    assert got == pytest.approx(float(np.corrcoef(*exact)[0, 1]), abs=bound + 1e-6)
    squares = [pdist(v.double().numpy(), "sqeuclidean") for v in (x, y)]
    assert got == pytest.approx(spearmanr(*(np.round(s, 6) for s in squares)).statistic, abs=1e-4)


def test_binned_ranks_of_equal_distances_are_refused():
    equal = 1.0 - torch.eye(200, dtype=torch.float64)
    with pytest.raises(UndefinedScoreError, match="all distances are equal"):
        BinnedRanks(lambda i, j: equal[i, j], 200)


def test_binned_ranks_of_values_of_both_signs():
    values = torch.randn(300, 300, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    matrix = values + values.T
    binned = BinnedRanks(lambda i, j: matrix[i, j], 300)
    above = np.triu_indices(300, 1)
    wanted = rankdata(matrix.numpy()[above])
    assert np.corrcoef(binned(matrix).numpy()[above], wanted)[0, 1] == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ranks_by_the_compiled_loop_are_those_of_tensors(dtype, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    tied = torch.randint(0, 50, (2000,), generator=generator)
    values = torch.cat([torch.randn(3000, generator=generator), tied]).to(dtype)
    monkeypatch.setattr(module, "_COMPILED_ROWS", 10**6)
    by_tensors = module._ranks_of(values.clone())
    monkeypatch.setattr(module, "_COMPILED_ROWS", 1)
    compiled = module._ranks_of(values.clone()).float()
    assert torch.equal(compiled, by_tensors)
    assert compiled.tolist() == rankdata(values.numpy()).tolist()
