"""The definition of every registered measure, at its defaults, in plain NumPy and SciPy.

Written from the published definitions for full-rank features of small representations, without
anything of the package: loops and whole matrices where the library has neither.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import linalg, optimize, special, stats
from scipy.spatial import distance

Array = npt.NDArray[np.float64]
Formula = Callable[[Array, Array], float]
K = 10


def centred(x: Array) -> Array:
    return x - x.mean(axis=0)


def nuclear(x: Array) -> float:
    return float(linalg.svdvals(x).sum())


def sides(function: Callable[[Array], Array]) -> Callable[[Array, Array], tuple[Array, Array]]:
    return lambda x, y: (function(x), function(y))


def unbiased_hsic(k: Array, el: Array) -> float:
    """Song et al. 2012, equation 5."""
    n = len(k)
    k, el = k - np.diag(np.diag(k)), el - np.diag(np.diag(el))
    ones = np.ones(n)
    inner = np.trace(k @ el)
    totals = (ones @ k @ ones) * (ones @ el @ ones) / (n - 1) / (n - 2)
    return float((inner + totals - 2 / (n - 2) * (ones @ k @ el @ ones)) / n / (n - 3))


def cka(x: Array, y: Array) -> float:
    k, el = (centred(v) @ centred(v).T for v in (x, y))
    own = unbiased_hsic(k, k) * unbiased_hsic(el, el)
    return float(unbiased_hsic(k, el) / own**0.5)


def cosines(x: Array) -> Array:
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    return unit @ unit.T


def near(x: Array, k: int = K) -> list[list[int]]:
    """The k largest cosines of every sample, largest first, itself left out."""
    lists = []
    for i, row in enumerate(cosines(x)):
        order = [int(j) for j in np.argsort(-row, kind="stable") if j != i]
        lists.append(order[:k])
    return lists


def over_lists(score: Callable[[list[int], list[int]], float], k: int = K) -> Formula:
    def mean(x: Array, y: Array) -> float:
        pairs = zip(near(x, k), near(y, k), strict=True)
        return float(np.mean([score(a, b) for a, b in pairs]))

    return mean


def jaccard(a: list[int], b: list[int]) -> float:
    return len({*a} & {*b}) / len({*a} | {*b})


def closeness(a: list[int], b: list[int]) -> float:
    shared = {*a} & {*b}
    if not shared:
        return 0.0
    ranks = [(a.index(j) + 1, b.index(j) + 1) for j in shared]
    total = sum(2 / ((1 + abs(r - q)) * (r + q)) for r, q in ranks)
    return total / sum(1 / (i + 1) for i in range(len(shared)))


def common_subsequence(a: list[int], b: list[int]) -> int:
    table = np.zeros((len(a) + 1, len(b) + 1), dtype=int)
    for i, j in np.ndindex(len(a), len(b)):
        same = table[i, j] + 1 if a[i] == b[j] else 0
        table[i + 1, j + 1] = max(same, table[i, j + 1], table[i + 1, j])
    return int(table[-1, -1])


def levenshtein(a: list[int], b: list[int]) -> int:
    table = np.add.outer(np.arange(len(a) + 1), np.arange(len(b) + 1))
    for i, j in np.ndindex(len(a), len(b)):
        change = table[i, j] + (a[i] != b[j])
        table[i + 1, j + 1] = min(change, table[i, j + 1] + 1, table[i + 1, j] + 1)
    return int(table[-1, -1])


def cycle_knn(x: Array, y: Array) -> float:
    """From i to a neighbour j in y, and to a neighbour of j in x: is it i?"""
    there, back = near(y, 2), near(x, 2)
    return float(np.mean([any(i in back[j] for j in there[i]) for i in range(len(x))]))


def second_order_cosine(x: Array, y: Array) -> float:
    a, b = 1 - cosines(x), 1 - cosines(y)
    found = []
    for i, (one, other) in enumerate(zip(near(x), near(y), strict=True)):
        union = sorted({*one, *other})
        found.append(1 - distance.cosine(a[i, union], b[i, union]))
    return float(np.mean(found))


def cknna(x: Array, y: Array) -> float:
    def masked(kernel: Array, *lists: list[list[int]]) -> Array:
        mask = np.ones_like(kernel)
        for several in lists:
            one = np.zeros_like(kernel)
            for i, row in enumerate(several):
                one[i, row] = 1
            mask *= one
        return kernel * mask

    def hsic(k: Array, el: Array) -> float:
        n, ones = len(k), np.ones(len(k))
        totals = k.sum() * el.sum() / (n - 1) / (n - 2)
        cross = ones @ k @ el @ ones
        return float((np.trace(k @ el) + totals - 2 / (n - 2) * cross) / n / (n - 3))

    k, el, in_x, in_y = cosines(x), cosines(y), near(x), near(y)
    both = hsic(masked(k, in_x, in_y), masked(el, in_x, in_y))
    own_x, own_y = masked(k, in_x), masked(el, in_y)
    return both / (hsic(own_x, own_x) * hsic(own_y, own_y)) ** 0.5


def information_imbalance(x: Array, y: Array) -> float:
    a, b = (distance.squareform(distance.pdist(v)) for v in (x, y))
    ranks = []
    for i in range(len(x)):
        others = [j for j in range(len(x)) if j != i]
        nearest = min(others, key=lambda j: a[i, j])
        ranks.append(1 + sum(b[i, j] < b[i, nearest] for j in others))
    return float(2 * np.mean(ranks) / len(x))


def distance_correlation(x: Array, y: Array) -> float:
    """Székely and Rizzo 2013: U-centred distances; the square is not rooted."""

    def u_centred(v: Array) -> Array:
        d = distance.squareform(distance.pdist(v))
        n = len(d)
        rows = d.sum(axis=1) / (n - 2)
        u = d - rows[:, None] - rows + d.sum() / (n - 1) / (n - 2)
        np.fill_diagonal(u, 0.0)
        return u

    a, b = u_centred(x), u_centred(y)
    return float((a * b).sum() / np.sqrt((a * a).sum() * (b * b).sum()))


def rsa(x: Array, y: Array) -> float:
    rdms = [distance.pdist(v, "correlation") for v in (x, y)]
    return float(stats.spearmanr(*rdms).statistic)


def gulp(x: Array, y: Array) -> float:
    blocks = [centred(v) / np.linalg.norm(centred(v)) * len(v) ** 0.5 for v in (x, y)]
    a, b = blocks
    n, d = x.shape
    inverse = [np.linalg.inv(v.T @ v / n + 0.01 * np.eye(d)) for v in blocks]
    own = [
        np.trace(np.linalg.matrix_power(v.T @ v / n @ i, 2))
        for v, i in zip(blocks, inverse, strict=True)
    ]
    cross = np.trace(inverse[0] @ (a.T @ b / n) @ inverse[1] @ (b.T @ a / n))
    return float(np.sqrt(own[0] + own[1] - 2 * cross))


def canonical_correlations(x: Array, y: Array) -> Array:
    """From the covariances: √ of the eigenvalues of Σ_xx⁻¹ Σ_xy Σ_yy⁻¹ Σ_yx."""
    a, b = centred(x), centred(y)
    product = np.linalg.solve(a.T @ a, a.T @ b) @ np.linalg.solve(b.T @ b, b.T @ a)
    values = np.sort(np.linalg.eigvals(product).real)[::-1]
    return np.sqrt(values[: min(x.shape[1], y.shape[1])])


def leading(x: Array, components: int) -> Array:
    left, values, _ = np.linalg.svd(centred(x), full_matrices=False)
    return left[:, :components] * values[:components]


def explaining(x: Array, share: float) -> Array:
    variances = np.linalg.svd(centred(x), compute_uv=False) ** 2
    kept = int(np.argmax(np.cumsum(variances) / variances.sum() >= share)) + 1
    return leading(x, kept)


def pwcca(x: Array, y: Array) -> float:
    a, b = centred(x), centred(y)
    whitening = linalg.inv(linalg.sqrtm(a.T @ a).real)
    u, rho, _ = np.linalg.svd(whitening @ a.T @ b @ linalg.inv(linalg.sqrtm(b.T @ b).real))
    weights = np.abs((a @ whitening @ u).T @ a).sum(axis=1)
    return float(weights @ rho / weights.sum())


def pwcca_unwhitened(x: Array, y: Array) -> float:
    a, b = centred(x), centred(y)
    left, _, right = np.linalg.svd(a, full_matrices=False)
    other = np.linalg.svd(b, full_matrices=False)[0]
    p, rho, _ = np.linalg.svd(left.T @ other)
    directions = np.linalg.qr(a @ right.T @ p)[0]
    weights = np.abs(directions.T @ a).sum(axis=1)
    return float(weights @ rho / weights.sum())


def linear_regression(x: Array, y: Array) -> float:
    """R² of all features of y together, by least squares with an intercept."""
    design = np.hstack([x, np.ones((len(x), 1))])
    left = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    return float(1 - (left**2).sum() / (centred(y) ** 2).sum())


def correlations(x: Array, y: Array) -> Array:
    d = x.shape[1]
    return np.corrcoef(x.T, y.T)[:d, d:]


def matched(matrix: Array) -> float:
    rows, columns = optimize.linear_sum_assignment(matrix, maximize=True)
    return float(matrix[rows, columns].sum())


def permutation_procrustes(x: Array, y: Array) -> float:
    a, b = centred(x), centred(y)
    _, columns = optimize.linear_sum_assignment(a.T @ b, maximize=True)
    return float(np.linalg.norm(a - b[:, columns]))


def nuclear_cosine(a: Array, b: Array) -> float:
    return nuclear(a.T @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))


def angular_shape(x: Array, y: Array) -> float:
    def half_whitened(v: Array) -> Array:
        a = centred(v)
        root = linalg.inv(linalg.sqrtm(a.T @ a).real)
        return a @ (0.5 * root + 0.5 * np.eye(a.shape[1]))

    return float(np.arccos(nuclear_cosine(half_whitened(x), half_whitened(y))))


def aligned_cosine(x: Array, y: Array) -> float:
    a, b = centred(x), centred(y)
    rotated = a @ linalg.orthogonal_procrustes(a, b)[0]
    lengths = np.linalg.norm(rotated, axis=1) * np.linalg.norm(b, axis=1)
    return float(np.mean((rotated * b).sum(axis=1) / lengths))


def eigenspace_overlap(x: Array, y: Array) -> float:
    u, v = linalg.orth(x), linalg.orth(y)
    return float(np.linalg.norm(u.T @ v) ** 2 / max(x.shape[1], y.shape[1]))


def concentricity(x: Array) -> float:
    mean = x.mean(axis=0)
    return float(np.mean([1 - distance.cosine(row, mean) for row in x]))


def uniformity(x: Array) -> float:
    """Without the diagonal; the logarithm of a mean of Gaussian potentials."""
    squared = distance.pdist(x, "sqeuclidean")
    return float(special.logsumexp(-2 * squared) - np.log(len(squared)))


def jensen_shannon(x: Array, y: Array) -> float:
    p, q = special.softmax(x, axis=1), special.softmax(y, axis=1)
    return float(np.mean(distance.jensenshannon(p, q, base=2, axis=1) ** 2))


def accuracy_difference(labels: npt.NDArray[np.int64]) -> Formula:
    def formula(x: Array, y: Array) -> float:
        right = [np.mean(v.argmax(axis=1) == labels[: len(v)]) for v in (x, y)]
        return float(abs(right[0] - right[1]))

    return formula


FORMULAS: dict[str, Formula] = {
    "aligned_cosine": aligned_cosine,
    "angular_shape": angular_shape,
    "cca": lambda x, y: float(canonical_correlations(x, y).mean()),
    "cka": cka,
    "cknna": cknna,
    "concentricity_difference": lambda x, y: abs(concentricity(x) - concentricity(y)),
    "cycle_knn": cycle_knn,
    "disagreement": lambda x, y: float(np.mean(x.argmax(axis=1) != y.argmax(axis=1))),
    "distance_correlation": distance_correlation,
    "edit_distance_knn": over_lists(lambda a, b: 1 - levenshtein(a, b) / K),
    "eigenspace_overlap": eigenspace_overlap,
    "gulp": gulp,
    "hard_correlation_match": lambda x, y: matched(correlations(x, y)) / x.shape[1],
    "information_imbalance": information_imbalance,
    "jensen_shannon": jensen_shannon,
    "knn_jaccard": over_lists(jaccard),
    "lcs_knn": over_lists(common_subsequence),
    "linear_regression": linear_regression,
    "magnitude_difference": lambda x, y: float(
        abs(np.linalg.norm(x.mean(axis=0)) - np.linalg.norm(y.mean(axis=0)))
    ),
    "mutual_knn": over_lists(lambda a, b: len({*a} & {*b}) / K),
    "permutation_procrustes": permutation_procrustes,
    "procrustes": lambda x, y: float(np.sqrt(2 - 2 * nuclear_cosine(centred(x), centred(y)))),
    "pwcca": pwcca,
    "pwcca_unwhitened": pwcca_unwhitened,
    "rank_jaccard": over_lists(lambda a, b: jaccard(a, b) * closeness(a, b)),
    "rank_similarity": over_lists(closeness),
    "rsa": rsa,
    "rsm_difference": lambda x, y: float(np.linalg.norm(distance.pdist(x) - distance.pdist(y))),
    "second_order_cosine": second_order_cosine,
    "size_and_shape": lambda x, y: float(
        np.sqrt(
            (centred(x) ** 2).sum()
            + (centred(y) ** 2).sum()
            - 2 * nuclear(centred(x).T @ centred(y))
        )
    ),
    "soft_correlation_match": lambda x, y: float(
        (correlations(x, y).max(axis=1).mean() + correlations(x, y).max(axis=0).mean()) / 2
    ),
    "soft_matching": lambda x, y: matched(correlations(x, y)) / x.shape[1],
    "svcca": lambda x, y: float(
        canonical_correlations(explaining(x, 0.99), explaining(y, 0.99)).mean()
    ),
    "svcca_components": lambda x, y: float(
        canonical_correlations(leading(x, K), leading(y, K)).mean()
    ),
    "uniformity_difference": lambda x, y: abs(uniformity(x) - uniformity(y)),
}
