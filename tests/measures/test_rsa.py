"""RSA, RSM difference and distance correlation against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import kendalltau, pearsonr, spearmanr

from repscape.compare import compare, similarity_matrix
from repscape.compute import gram, ranks
from repscape.errors import InvalidParameterError, UndefinedScoreError


def rdm(x: np.ndarray, kind: str) -> np.ndarray:
    if kind == "mahalanobis":
        return pdist(x, "mahalanobis", VI=np.linalg.inv(np.cov(x.T)))
    return pdist(x, kind)


COMPARISONS = {
    "pearson": lambda a, b: pearsonr(a, b).statistic,
    "spearman": lambda a, b: spearmanr(a, b).statistic,
    "kendall": lambda a, b: kendalltau(a, b).statistic,
    "cosine": lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b),
}


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 8)) + 2
    return x, np.tanh(x[:, :5]) + 0.3 * rng.normal(size=(50, 5))


@pytest.mark.parametrize(
    "kind", ["correlation", "cosine", "euclidean", "sqeuclidean", "mahalanobis"]
)
@pytest.mark.parametrize("by", list(COMPARISONS))
def test_every_combination_is_scipys(pair, kind, by):
    a, b = (rdm(x, kind) for x in pair)
    wanted = COMPARISONS[by](a, b)
    got = compare(*pair, f"rsa[rdm={kind},compare_by={by}]").value
    assert got == pytest.approx(wanted, rel=1e-10)
    squares = squareform(a), squareform(b)
    given = compare(*squares, f"rsa[rdm=precomputed,compare_by={by}]").value
    assert given == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("kind", ["cosine", "euclidean"])
@pytest.mark.parametrize("by", ["spearman", "kendall"])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_true_ties_of_binary_features_are_ties(kind, by, dtype):
    rng = np.random.default_rng(3)
    x, y = rng.integers(0, 2, size=(2, 80, 10)).astype(dtype)
    x[:, 0] = y[:, 0] = 1
    y[:, 1:4] = x[:, 1:4]
    a, b = (np.round(pdist(v.astype(float), kind), 10) for v in (x, y))
    got = compare(x, y, f"rsa[rdm={kind},compare_by={by}]").value
    assert got == pytest.approx(COMPARISONS[by](a, b), abs=1e-12 if dtype == np.float64 else 2e-4)


@pytest.mark.parametrize("kind", ["correlation", "euclidean", "precomputed"])
def test_binned_ranks_beyond_the_exact_limit(pair, kind, monkeypatch):
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 8))
    x[::80] *= 500
    y = x[:, :6] + 0.5 * rng.normal(size=(400, 6))
    if kind == "precomputed":
        x, y = squareform(pdist(x)), squareform(pdist(y))
    exact = compare(x, y, f"rsa[rdm={kind}]").value
    monkeypatch.setattr(ranks, "EXACT_RANK_ROWS", 100)
    assert compare(x, y, f"rsa[rdm={kind}]").value == pytest.approx(exact, abs=1e-4)


def test_shrinkage_of_the_covariance(pair):
    def whitened(x: np.ndarray, shrinkage: float) -> np.ndarray:
        covariance = np.cov(x.T)
        sphere = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
        inverse = np.linalg.inv((1 - shrinkage) * covariance + shrinkage * sphere)
        return pdist(x, "mahalanobis", VI=inverse)

    wanted = pearsonr(*(whitened(x, 0.3) for x in pair)).statistic
    name = "rsa[rdm=mahalanobis,compare_by=pearson,shrinkage=0.3]"
    assert compare(*pair, name).value == pytest.approx(wanted, rel=1e-10)
    euclidean = compare(*pair, "rsa[rdm=euclidean]").value
    sphere = compare(*pair, "rsa[rdm=mahalanobis,shrinkage=1]").value
    assert sphere == pytest.approx(euclidean, abs=1e-9)


def test_mahalanobis_with_more_features_than_samples_has_no_score():
    x, y = np.random.default_rng(0).normal(size=(2, 20, 30))
    with pytest.raises(UndefinedScoreError):
        compare(x, y, "rsa[rdm=mahalanobis]")
    shrunk = compare(x, y, "rsa[rdm=mahalanobis,shrinkage=0.2]").value
    assert -1 < shrunk < 1


def test_shrinkage_belongs_to_mahalanobis(pair):
    with pytest.raises(InvalidParameterError, match=r"shrinkage=0.1 has no effect"):
        compare(*pair, "rsa[rdm=cosine,shrinkage=0.1]")


@pytest.mark.parametrize("by", list(COMPARISONS))
def test_equal_dissimilarities_correlate_with_nothing(pair, by):
    simplex = np.eye(50)
    if by == "cosine":
        return
    with pytest.raises(UndefinedScoreError, match="dissimilarities of a representation are"):
        compare(simplex, pair[1], f"rsa[rdm=euclidean,compare_by={by}]")


@pytest.mark.parametrize("kind", ["euclidean", "cosine"])
@pytest.mark.parametrize("tile", [33, 512])
def test_rsm_difference_is_the_norm_on_the_triangle(pair, kind, tile, monkeypatch):
    """Not the spectral norm of the whole matrices."""
    monkeypatch.setattr(gram, "TILE_ROWS", tile)
    wanted = np.linalg.norm(pdist(pair[0], kind) - pdist(pair[1], kind))
    name = f"rsm_difference[rdm={kind}]"
    assert compare(*pair, name).value == pytest.approx(wanted, rel=1e-10)
    matrices = [squareform(pdist(x, kind)) for x in pair]
    given = compare(*matrices, "rsm_difference[rdm=precomputed]").value
    assert given == pytest.approx(wanted, rel=1e-10)


@pytest.mark.parametrize("name", ["rsm_difference[rdm=precomputed]", "rsa[rdm=precomputed]"])
def test_the_diagonal_of_given_matrices_does_not_count(pair, name):
    """So similarities serve as well as dissimilarities; every route leaves the diagonal out."""
    a, b = (squareform(pdist(x, "cosine")) for x in pair)
    expected = compare(a, b, name).value
    n = len(a)
    c, d = (np.eye(n) * k for k in (1, 3))
    assert compare(a + c, b + d, name).value == pytest.approx(expected, rel=1e-12)
    assert compare(1 - a, 1 - b, name).value == pytest.approx(expected, rel=1e-12)
    many = similarity_matrix([a + c, b + d, a], [name]).table["value"]
    assert many.tolist() == pytest.approx(
        [expected, compare(a, a, name).value, expected], abs=1e-12, rel=1e-12
    )


@pytest.mark.parametrize("size", [1e-2, 1e-5, 1e-8])
def test_rsm_difference_of_nearly_equal_matrices_keeps_its_digits(pair, size):
    x = pair[0]
    y = x.copy()
    y[:, 0] *= 1 + size
    wanted = np.linalg.norm(pdist(x) - pdist(y))
    assert compare(x, y, "rsm_difference").value == pytest.approx(wanted, rel=1e-15 / size + 1e-9)
    assert compare(x, 2 * x, "rsm_difference").value == pytest.approx(np.linalg.norm(pdist(x)))
    table = similarity_matrix([x, y, pair[1], x.copy()], "rsm_difference").table
    by_pair = table.set_index(["rep_a", "rep_b"]).value
    assert by_pair["0", "1"] == pytest.approx(wanted, rel=1e-15 / size + 1e-9)
    assert by_pair["0", "3"] == 0.0


def double_centred(x: np.ndarray) -> np.ndarray:
    gaps = squareform(pdist(x))
    return gaps - gaps.mean(0) - gaps.mean(1)[:, None] + gaps.mean()


def u_centred(x: np.ndarray) -> np.ndarray:
    gaps, n = squareform(pdist(x)), len(x)
    sums = gaps.sum(0)
    out = gaps - sums / (n - 2) - sums[:, None] / (n - 2) + gaps.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(out, 0.0)
    return out


@pytest.mark.parametrize(("debiased", "centre"), [("false", double_centred), ("true", u_centred)])
def test_distance_correlation(pair, debiased, centre):
    A, B = (centre(x) for x in pair)
    squared = (A * B).sum() / np.sqrt((A * A).sum() * (B * B).sum())
    name = f"distance_correlation[debiased={debiased},root="
    assert compare(*pair, name + "false]").value == pytest.approx(squared, rel=1e-10)
    assert compare(*pair, name + "true]").value == pytest.approx(np.sqrt(squared), rel=1e-10)


def test_distance_correlation_of_known_points():
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [0.0]])
    assert compare(x, y, "dcor").value == pytest.approx(10**-0.25, rel=1e-12)
    assert compare(x, 3 - 2 * x, "dcor").value == pytest.approx(1.0, rel=1e-12)


def test_the_root_of_a_negative_value_keeps_its_sign():
    rng = np.random.default_rng(0)
    pairs = [rng.normal(size=(2, 30, 3)) for _ in range(10)]
    name = "distance_correlation[debiased=true,root="
    squares = [compare(*p, name + "false]").value for p in pairs]
    roots = [compare(*p, name + "true]").value for p in pairs]
    assert min(squares) < 0
    assert roots == pytest.approx([np.sign(s) * np.sqrt(abs(s)) for s in squares])


def _offset(x: np.ndarray) -> np.ndarray:
    return x + 1000


def _massive(x: np.ndarray) -> np.ndarray:
    x = x.copy()
    x[:, [3, 7]] = [1e4, -1e4]
    return x


@pytest.mark.parametrize("change", [_offset, _massive])
@pytest.mark.parametrize("name", ["rsa", "rsa[rdm=cosine]", "rsa[rdm=cosine,compare_by=pearson]"])
def test_rows_of_nearly_one_direction_keep_their_dissimilarities_in_float32(change, name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 64))
    y = x @ rng.normal(size=(64, 33)) / 8 + rng.normal(size=(200, 33))
    x, y = (change(side).astype(np.float32) for side in (x, y))

    def condensed(side: np.ndarray) -> np.ndarray:
        side = side.astype(np.longdouble)
        if "rdm=cosine" not in name:
            side = side - side.mean(axis=1, keepdims=True)
        side /= np.sqrt((side**2).sum(axis=1, keepdims=True))
        gaps = ((side[:, None] - side[None]) ** 2).sum(axis=2)
        return gaps[np.triu_indices(len(side), 1)].astype(float)

    correlate = pearsonr if "pearson" in name else spearmanr
    expected = correlate(condensed(x), condensed(y)).statistic
    assert compare(x, y, name).value == pytest.approx(expected, abs=2e-6)


@pytest.mark.parametrize("exponent", [-100, 60, 100])
@pytest.mark.parametrize("compare_by", ["spearman", "pearson", "kendall"])
def test_scales_whose_squares_float32_does_not_hold_change_nothing(exponent, compare_by):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 60, 9)).astype(np.float32)
    name = f"rsa[rdm=euclidean,compare_by={compare_by}]"
    expected = compare(x.astype(np.float64), y, name).value
    assert compare(np.ldexp(x, exponent), y, name).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("scale", [1e-200, 1e300])
@pytest.mark.parametrize(
    "name", ["rsa", "rsa[rdm=cosine,compare_by=pearson]", "rsa[rdm=euclidean]"]
)
def test_scales_whose_squares_float64_does_not_hold_change_nothing(scale, name):
    x, y = np.random.default_rng(0).standard_normal((2, 40, 5))
    expected = compare(x, y, name).value
    assert compare(scale * x, y, name).value == pytest.approx(expected, abs=1e-12)
