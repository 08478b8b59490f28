"""Neighbours are right when they equal those of float64 brute force."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repscape.compute import neighbours as engine
from repscape.compute.exact import ExactDistances
from repscape.compute.neighbours import (
    NeighbourTable,
    neighbours,
    neighbours_of_distances,
    overlap_counts,
    smallest,
)
from repscape.errors import (
    InvalidParameterError,
    MemoryLimitError,
    NonFiniteError,
    TooFewSamplesError,
    UndefinedScoreError,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gaussian(n: int, d: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=generator(seed))


def mixture(n: int = 600, d: int = 48) -> torch.Tensor:
    """Twenty clusters on eight dimensions each, as activations are."""
    g = generator(3)
    centres, spread = torch.randn(20, d, generator=g), torch.randn(8, d, generator=g)
    label = torch.randint(0, 20, (n,), generator=g)
    return centres[label] + 0.3 * torch.randn(n, 8, generator=g) @ spread


def with_massive(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[:, 0], x[:, 1] = 2000.0, -800.0
    return x


def with_duplicates(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[1::7] = x[2]
    x[::5] = x[0]
    return x


def specks() -> torch.Tensor:
    """Two groups so near beside one far row that their products vanish in float32."""
    off = 1e-25 * (1 + 0.05 * gaussian(250, 8))
    return torch.cat([off, 1e-26 * gaussian(340, 8, seed=1), torch.ones(1, 8)])


def two_far_clusters(x: torch.Tensor) -> torch.Tensor:
    x = x.double()
    x[::2, 0] += 1e7
    return x


HOSTILE = {
    "plain": mixture,
    "offset 10": lambda: mixture() + 10,
    "offset 100": lambda: mixture() + 100,
    "massive dimensions": lambda: with_massive(mixture()),
    "small on 1": lambda: mixture() * 1e-3 + 1,
    "duplicates": lambda: with_duplicates(mixture()),
    "all equal": lambda: mixture()[:1].repeat(90, 1),
    "mostly equal": lambda: torch.cat([mixture()[:1].repeat(300, 1), mixture()[:300]]),
    "ten values": lambda: mixture()[:10].repeat(40, 1),
    "integer lattice": lambda: (mixture() * 1.5).round() + 0.0,
    "binary": lambda: torch.cat([(mixture() > 0).float(), torch.ones(600, 1)], dim=1),
    "two features": lambda: gaussian(300, 2) + 0.5,
    "massive rows": lambda: mixture() * torch.where(torch.arange(600) % 97 == 0, 1e5, 1.0)[:, None],
    "sorted": lambda: mixture().sort(dim=0).values,
    "float64": lambda: mixture().double(),
    "below float32 resolution": lambda: 1 + 1e-9 * mixture().double(),
    "far clusters": lambda: two_far_clusters(mixture()),
    "specks": specks,
    "huge": lambda: mixture().double() * 1e200,
    "tiny": lambda: mixture().double() * 1e-200,
    "float16": lambda: mixture().half(),
    "bfloat16": lambda: mixture().bfloat16(),
}


def brute_force(x: torch.Tensor, k: int, metric: str) -> tuple[torch.Tensor, torch.Tensor]:
    """All exact distances, fully sorted by (distance, index)."""
    n = len(x)
    left = torch.arange(n).repeat_interleave(n)
    right = torch.arange(n).repeat(n)
    distances = ExactDistances.of(x, metric, compiled=n > 1000).pairs(left, right).view(n, n)
    distances.fill_diagonal_(torch.inf)
    ordered, columns = distances.sort(dim=1, stable=True)
    return columns[:, :k], ordered[:, :k]


@pytest.fixture(params=["tensors", "compiled"])
def route(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways to the table, whatever the size."""
    monkeypatch.setattr(engine, "SMALL_WORK", 2**62 if request.param == "tensors" else 0)
    return request.param


def assert_brute(table: NeighbourTable, x: torch.Tensor, k: int, metric: str) -> None:
    if x.dtype not in (torch.float32, torch.float64):
        x = x.float()
    scale = 2.0 ** round(float(np.log2(float(x.abs().max())))) if x.abs().max() > 1e100 else 1.0
    scale = 2.0**-660 if x.abs().max() < 1e-100 else scale
    indices, distances = brute_force(x / scale, k, metric)
    assert torch.equal(table.indices.long(), indices)
    assert torch.equal(table.distances, distances * (scale if metric == "euclidean" else 1.0))


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", HOSTILE)
def test_equals_brute_force(name: str, metric: str, route: str) -> None:
    x = HOSTILE[name]()
    assert_brute(neighbours(x, 10, metric), x, 10, metric)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("limit", ["160KB", "300KB", "600KB", "3MB", "1GiB"])
def test_no_budget_changes_the_table(limit: str, metric: str, route: str) -> None:
    x = with_duplicates(mixture(501, 20))
    table = neighbours(x, 7, metric, memory_limit=limit)
    assert_brute(table, x, 7, metric)


@pytest.mark.parametrize("n", [2, 3, 17, 64, 65, 300])
def test_all_other_samples(n: int, route: str) -> None:
    x = (gaussian(n, 3) * 2).round()
    table = neighbours(x, n - 1)
    assert_brute(table, x, n - 1, "euclidean")
    everyone = torch.cat([table.sets, torch.arange(n, dtype=torch.int32)[:, None]], dim=1)
    assert torch.equal(everyone.sort(dim=1).values, torch.arange(n).expand(n, n).int())


def test_tiles_of_several_blocks() -> None:
    x = mixture(4500, 24)
    table = neighbours(x, 12)
    assert_brute(table, x, 12, "euclidean")


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(2, 40),
    d=st.integers(1, 40),
    levels=st.integers(1, 5),
    offset=st.sampled_from([0.0, 1.0, 1e4]),
    seed=st.integers(0, 10_000),
    compiled=st.booleans(),
    data=st.data(),
)
def test_any_lattice(
    n: int, d: int, levels: int, offset: float, seed: int, compiled: bool, data: st.DataObject
) -> None:
    k = data.draw(st.integers(1, n - 1))
    x = torch.randint(0, levels, (n, d), generator=generator(seed)).float() + offset
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "SMALL_WORK", 0 if compiled else 2**62)
        assert_brute(neighbours(x, k), x, k, "euclidean")


def test_exact_distances_agree_with_numpy() -> None:
    x = mixture(80, 45).double()
    left, right = torch.arange(80).repeat_interleave(80), torch.arange(80).repeat(80)
    array = x.numpy()
    euclidean = np.linalg.norm(array[left] - array[right], axis=1)
    unit = array / np.linalg.norm(array, axis=1, keepdims=True)
    cosine = 1 - (unit[left] * unit[right]).sum(axis=1)
    got = ExactDistances.of(x, "euclidean", compiled=False).pairs(left, right)
    np.testing.assert_allclose(got.numpy(), euclidean, rtol=1e-14)
    got = ExactDistances.of(x, "cosine", compiled=False).pairs(left, right)
    np.testing.assert_allclose(got.numpy(), cosine, rtol=0, atol=1e-15)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("d", [1, 2, 31, 32, 33, 100, 768])
def test_both_routes_sum_to_the_same_bits(d: int, metric: str, dtype: torch.dtype) -> None:
    x = gaussian(40, d).to(dtype) + 0.1
    left, right = torch.arange(40).repeat_interleave(40), torch.arange(40).repeat(40)
    plain, compiled = (
        ExactDistances.of(x, metric, compiled=c).pairs(left, right) for c in (False, True)
    )
    assert torch.equal(plain, compiled)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_identical_rows_are_at_distance_zero(metric: str, route: str) -> None:
    x = with_duplicates(mixture())
    table = neighbours(x, 20, metric)
    assert torch.equal(table.distances[::5], torch.zeros(120, 20, dtype=torch.float64))
    assert table.indices[5].tolist() == [0, *range(10, 105, 5)]


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x + 10,
        lambda x: x + 100,
        with_massive,
        lambda x: x * 1e-3 + 1,
    ],
    ids=["+10", "+100", "two massive dimensions", "x 1e-3 + 1"],
)
def test_translation_leaves_neighbours_alone(change: object, route: str) -> None:
    """The table of offsets at which float32 libraries lose up to 93 % of the neighbours."""
    x = mixture(1000, 64)
    x[:, :2] = 0
    x = (x * 1024).round() / 1024
    before = neighbours(x.double(), 30).sets
    after = neighbours(change(x.double()), 30).sets
    assert overlap_counts(before, after).sum() >= 30 * 1000 - 2
    in_float32 = change(x)
    assert_brute(neighbours(in_float32, 30), in_float32, 30, "euclidean")


def test_distances_are_correctly_rounded(route: str) -> None:
    x = gaussian(400, 48)
    table = neighbours(x, 20)
    left = torch.arange(400).repeat_interleave(20)
    sums = ExactDistances.of(x, "euclidean", compiled=False)._sums(
        left, table.indices.reshape(-1).long(), differences=True
    )
    assert np.array_equal(table.distances.reshape(-1).numpy(), np.sqrt(sums.numpy()))


def test_threads_do_not_change_a_bit(route: str) -> None:
    x = with_duplicates(mixture(3000, 24))
    before = torch.get_num_threads()
    tables = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            tables.append(neighbours(x, 9))
    finally:
        torch.set_num_threads(before)
    for table in tables[1:]:
        assert torch.equal(table.indices, tables[0].indices)
        assert torch.equal(table.distances, tables[0].distances)


def test_low_precision_products_are_not_used() -> None:
    x = mixture()
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        table = neighbours(x, 10)
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
    assert_brute(table, x, 10, "euclidean")


def test_the_global_generator_is_left_alone(route: str) -> None:
    state = torch.get_rng_state()
    neighbours(mixture(), 5)
    assert torch.equal(torch.get_rng_state(), state)


def test_values_in_any_layout(route: str) -> None:
    x = mixture()
    expected = neighbours(x, 5)
    for layout in (
        x.T.contiguous().T,
        torch.cat([x, x], dim=1)[:, :48],
        x.repeat_interleave(2, 0)[::2],
    ):
        table = neighbours(layout, 5)
        assert torch.equal(table.indices, expected.indices)
        assert torch.equal(table.distances, expected.distances)


MEMORY_SCRIPT = """
    import resource, torch
    from repscape.compute.neighbours import neighbours
    peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    torch.set_num_threads(2)
    x = torch.randn(20_000, 256, generator=torch.Generator().manual_seed(0))
    neighbours(x[:5000], 100, memory_limit="64MiB")
    before = peak()
    table = neighbours(x, 100, memory_limit="64MiB")
    own = table.indices.nbytes + table.distances.nbytes
    print((peak() - before - own) / 2**20)
"""


@pytest.mark.slow
def test_memory_stays_within_the_limit() -> None:
    script = [sys.executable, "-c", textwrap.dedent(MEMORY_SCRIPT)]
    beyond = float(subprocess.run(script, check=True, capture_output=True, text=True).stdout)
    # One n×n float32 matrix would take 1,526 MiB.
    assert beyond < 64


@pytest.mark.parametrize("limit", ["1KB", "30KB"])
def test_a_limit_that_is_too_small_is_refused(route: str, limit: str) -> None:
    with pytest.raises(MemoryLimitError, match=r"but \d[\d.]* \w+ are left of memory_limit"):
        neighbours(mixture(600, 48), 10, memory_limit=limit)


def test_zero_row_under_cosine_is_named(route: str) -> None:
    x = mixture()
    x[[17, 40]] = 0
    with pytest.raises(UndefinedScoreError, match=r"row 17 .*2 such rows"):
        neighbours(x, 5, "cosine")
    assert_brute(neighbours(x, 5, "euclidean"), x, 5, "euclidean")


def test_one_feature_has_no_cosine_neighbours(route: str) -> None:
    x = gaussian(300, 1)
    with pytest.raises(UndefinedScoreError, match="single feature"):
        neighbours(x, 5, "cosine")
    assert_brute(neighbours(x, 5), x, 5, "euclidean")


def test_refused_input() -> None:
    x = mixture()[:10]
    with pytest.raises(TooFewSamplesError, match="k=10 neighbours need at least 11 samples"):
        neighbours(x, 10)
    with pytest.raises(InvalidParameterError, match="k=0"):
        neighbours(x, 0)
    with pytest.raises(InvalidParameterError, match="did you mean 'cosine'"):
        neighbours(x, 3, "cosin")  # type: ignore[arg-type]
    x[4, 2] = torch.nan
    with pytest.raises(NonFiniteError, match="row 4, feature 2"):
        neighbours(x, 3)


def test_precomputed_equals_direct() -> None:
    x = with_duplicates(mixture(300))
    n = len(x)
    left, right = torch.arange(n).repeat_interleave(n), torch.arange(n).repeat(n)
    matrix = ExactDistances.of(x, "euclidean", compiled=False).pairs(left, right).view(n, n)
    direct = neighbours(x, 12)
    for limit in ("200KB", "1GiB"):
        table = neighbours_of_distances(matrix, 12, memory_limit=limit)
        assert torch.equal(table.indices, direct.indices)
        assert torch.equal(table.distances, direct.distances)
        assert table.metric == "precomputed"


def test_precomputed_ignores_its_diagonal_and_leaves_it() -> None:
    matrix = torch.tensor([[-5.0, 2.0, 1.0], [2.0, 9.0, 2.0], [1.0, 2.0, 0.0]], dtype=torch.float64)
    kept = matrix.clone()
    table = neighbours_of_distances(matrix, 2)
    assert table.indices.tolist() == [[2, 1], [0, 2], [0, 1]]
    assert table.distances.tolist() == [[1.0, 2.0], [2.0, 2.0], [1.0, 2.0]]
    assert torch.equal(matrix, kept)


def test_precomputed_refusals() -> None:
    with pytest.raises(InvalidParameterError, match=r"n×n.*\(3, 4\)"):
        neighbours_of_distances(torch.zeros(3, 4), 1)
    with pytest.raises(TooFewSamplesError):
        neighbours_of_distances(torch.zeros(3, 3), 3)
    with pytest.raises(NonFiniteError, match="distance matrix"):
        neighbours_of_distances(torch.full((3, 3), torch.nan), 1)


def test_smallest_takes_first_columns_among_equals() -> None:
    values = torch.tensor([[3.0, 1.0, 2.0, 1.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    ordered, columns = smallest(values, 4)
    assert columns.tolist() == [[1, 3, 2, 4], [0, 1, 2, 3]]
    assert ordered.tolist() == [[1.0, 1.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]]


def test_first_is_the_smaller_table() -> None:
    x = with_duplicates(mixture())
    wide, narrow = neighbours(x, 25), neighbours(x, 6)
    assert torch.equal(wide.first(6).indices, narrow.indices)
    assert torch.equal(wide.first(6).distances, narrow.distances)
    assert (wide.first(6).n, wide.first(6).k) == (600, 6)
    for k in (0, 26):
        with pytest.raises(InvalidParameterError, match="from 1 to 25"):
            wide.first(k)


def test_a_part_needs_all_of_its_neighbours_listed() -> None:
    """With one neighbour too few, what comes next nearest is not known."""
    table = neighbours(torch.arange(6.0)[:, None] ** 2, 3)
    assert table.indices[0].tolist() == [1, 2, 3]
    rows = torch.tensor([0, 1, 3, 4, 5])
    assert table.subset(rows, 3) is None
    part = table.subset(rows, 2)
    assert part is not None
    expected = neighbours(torch.arange(6.0)[rows, None] ** 2, 2)
    assert part.indices.tolist() == expected.indices.tolist()
    assert part.distances.tolist() == expected.distances.tolist()


def test_permute_is_the_table_of_permuted_samples() -> None:
    x = mixture()
    order = torch.randperm(600, generator=generator())
    table = neighbours(x, 8).permute(order)
    expected = neighbours(x[order], 8)
    assert torch.equal(table.indices, expected.indices)
    assert torch.equal(table.distances, expected.distances)


@pytest.mark.parametrize("limit", [0, 2**62])
def test_overlap_counts(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "SMALL_WORK", limit)
    a, b = neighbours(mixture(), 15).sets, neighbours(gaussian(600, 3), 10).sets
    expected = [len(set(p) & set(q)) for p, q in zip(a.tolist(), b.tolist(), strict=True)]
    assert overlap_counts(a, b).tolist() == expected
    assert overlap_counts(a, a).tolist() == [15] * 600


@pytest.mark.gpu
@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", HOSTILE)
def test_gpu_equals_cpu(name: str, metric: str) -> None:
    x = HOSTILE[name]()
    table, expected = neighbours(x.cuda(), 10, metric), neighbours(x, 10, metric)
    assert torch.equal(table.indices, expected.indices)
    assert torch.equal(table.distances, expected.distances)


@pytest.mark.parametrize("n", [400, 5000])
def test_equal_rows_are_searched_once(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one kind see the same distances: of 5,000, 3 are selected from, not 5,000."""
    searched = []

    def counting(values: torch.Tensor, k: int) -> tuple[torch.Tensor, torch.Tensor]:
        searched.append(len(values))
        return smallest(values, k)

    kinds = gaussian(3, 8)
    which = torch.randint(0, 3, (n,), generator=generator())
    monkeypatch.setattr(engine, "smallest", counting)
    monkeypatch.setattr(engine, "SMALL_WORK", 0)
    found = neighbours(kinds[which], 10)
    assert sum(searched) <= 3
    assert bool((found.distances == 0).all())
    for row in (0, n // 2, n - 1):
        alike = [i for i in (which == which[row]).nonzero().flatten().tolist() if i != row]
        assert found.indices[row].tolist() == alike[:10]
