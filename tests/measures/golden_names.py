"""Which printable name stands for which golden value, and which golden values have none.

Golden values are records of other packages' results on shared inputs, each with the name of a
measure and its parameters as that collection spells them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Golden:
    """One convention of one measure.

    Attributes
    ----------
    measure, params
        As the golden values call it.
    name
        The printable name that must give the same numbers.
    refused
        Kinds of input where Repscape raises by decision, although a number was recorded.
    """

    measure: str
    params: Mapping[str, Any]
    name: str
    refused: tuple[str, ...] = ()


@dataclass(frozen=True)
class Uncovered:
    """Records of a measure (those whose parameters contain `params`) without a name, and why."""

    measure: str
    reason: str
    params: Mapping[str, Any] = field(default_factory=dict)


FULL_SPAN = ("wide",)
"""n ≤ d: the features span all n - 1 centred dimensions, and the score would be 1 for any data."""


def _cka() -> list[Golden]:
    flags = {"biased": "false", "unbiased": "true"}
    found = []
    for estimator, debiased in flags.items():
        tail = f"debiased={debiased}]"
        linear = {"kernel": "linear", "estimator": estimator}
        rbf = {"kernel": "rbf", "estimator": estimator}
        unit = {"preprocess": "l2_rows"}
        found += [
            Golden("cka", linear, f"cka[{tail}"),
            Golden("cka", {**linear, "input_dtype": "float32"}, f"cka[{tail}"),
            Golden("cka", {**rbf, "sigma": 5.0}, f"cka[kernel=rbf,sigma=5,{tail}"),
            Golden(
                "cka",
                {**rbf, **unit, "sigma": 0.4},
                f"unit_rows|cka[kernel=rbf,sigma=0.4,{tail}",
            ),
        ]
        found += [
            Golden(
                "cka",
                {**rbf, "sigma_fraction_of_median": fraction},
                f"cka[kernel=rbf,sigma={fraction:g}median,{tail}",
            )
            for fraction in (0.5, 1.0, 2.0)
        ]
    unbiased_unit = {"kernel": "linear", "estimator": "unbiased", "preprocess": "l2_rows"}
    return [*found, Golden("cka", unbiased_unit, "unit_rows|cka")]


def _rsa() -> list[Golden]:
    ways = {
        "pearson": "pearson",
        "spearman": "spearman",
        "cosine": "cosine",
        "kendall_tau_a": "tau_a",
        "kendall_tau_b": "kendall",
    }
    return [
        Golden("rsa", {"rdm": rdm, "compare": theirs}, f"rsa[rdm={rdm},compare_by={ours}]")
        for rdm in ("correlation", "euclidean", "cosine", "sqeuclidean")
        for theirs, ours in ways.items()
        if theirs != "kendall_tau_b" or rdm == "euclidean"
    ]


def _zoo() -> list[Golden]:
    names = {
        "cka linear unbiased": "unit_rows|cka",
        "cka rbf sigma=0.4 unbiased": "unit_rows|cka[kernel=rbf,sigma=0.4]",
        "rsa correlation spearman": "unit_rows|rsa",
        "rsa correlation pearson": "unit_rows|rsa[compare_by=pearson]",
    }
    return [
        Golden(
            "zoo_similarity",
            {"metric": metric, "dataset": data, "models": pair, "preprocess": "l2_rows"},
            name,
        )
        for metric, name in names.items()
        for data in ("A", "B")
        for pair in ([0, 1], [0, 7], [3, 5])
    ]


def _procrustes() -> list[Golden]:
    distance, raw = "procrustes_distance", {"normalize": None, "squared": False}
    scaled = {"normalize": "frobenius", "squared": False}
    shape = "shape_distance"
    return [
        Golden(distance, {"center": False, **raw}, "size_and_shape[center=false]"),
        Golden(distance, {"center": True, **raw}, "size_and_shape"),
        Golden(
            distance,
            {"center": True, "normalize": None, "squared": True},
            "size_and_shape[squared=true]",
        ),
        Golden(distance, {"center": False, **scaled}, "procrustes[center=false]"),
        Golden(distance, {"center": True, **scaled}, "procrustes"),
        Golden("normalized_bures_similarity", {"center": True}, "nbs"),
        Golden(
            shape,
            {"alpha": 1.0, "center": False, "score": "angular"},
            "procrustes[score=angle,center=false]",
        ),
        Golden(shape, {"alpha": 1.0, "center": True, "score": "angular"}, "angular_shape[alpha=1]"),
        Golden(
            shape, {"alpha": 0.5, "center": True, "score": "angular"}, "angular_shape[alpha=0.5]"
        ),
        Golden(
            shape,
            {"alpha": 0.0, "center": True, "score": "angular"},
            "angular_shape[alpha=0]",
            FULL_SPAN,
        ),
    ]


def _matching() -> list[Golden]:
    permutation = "permutation_distance"
    return [
        Golden(
            permutation,
            {"center": center, "score": theirs},
            f"permutation_procrustes[score={ours},center={str(center).lower()}]",
        )
        for center in (False, True)
        for theirs, ours in (("euclidean", "distance"), ("angular", "angle"))
    ] + [
        Golden("soft_matching", {"cost": "1 - correlation", "mass": 1.0}, "soft_matching"),
        Golden(
            "soft_matching_distance",
            {"center": True, "cost": "squared euclidean", "root": True},
            "soft_matching_distance",
        ),
        Golden(
            "aligned_cosine", {"center": False, "normalize": None}, "aligned_cosine[center=false]"
        ),
        Golden("aligned_cosine", {"center": True, "normalize": "frobenius"}, "aligned_cosine"),
        Golden("hard_correlation_match", {}, "hard_correlation_match"),
        Golden("soft_correlation_match", {}, "soft_correlation_match"),
    ]


def _cca() -> list[Golden]:
    rank = {"denominator": "min(rank_x, rank_y)"}
    return [
        Golden("cca_mean_corr", rank, "cca", FULL_SPAN),
        Golden("cca_mean_sq_corr", rank, "cca[average=mean_squared]", FULL_SPAN),
        Golden("svcca", {"variance": 0.99}, "svcca"),
        Golden("svcca", {"k": 10}, "svcca_components[k=10]"),
        Golden("svcca", {"k": 10, "zscore_columns": True}, "zscore|svcca_components[k=10]"),
        Golden("pwcca", {"from": "X", "weights": "morcos"}, "pwcca[weights_from=x]", FULL_SPAN),
        Golden("pwcca", {"from": "Y", "weights": "morcos"}, "pwcca[weights_from=y]", FULL_SPAN),
        Golden("pwcca", {"preprocess": "center", "weights": "google_code"}, "pwcca_unwhitened"),
    ]


def _regression() -> list[Golden]:
    r2 = "linear_regression_r2"
    folds = {"fold_bounds": "floor(linspace(0,n,6))", "folds": 5, "shuffle": False}
    return [
        Golden(r2, {"predict": "X", "from": "Y"}, "linear_regression[predict=x]", FULL_SPAN),
        Golden(r2, {"predict": "Y", "from": "X"}, "linear_regression[predict=y]", FULL_SPAN),
        Golden(
            "ridge_cv_r2",
            {**folds, "predict": "Y", "from": "X", "lambda": 1.0},
            "linear_regression[predict=y,evaluate=cross_validated,ridge=1,folds=5]",
        ),
    ]


def _statistics_and_outputs() -> list[Golden]:
    uniformity = {"diagonal": True, "t": 2}
    logits = {"logits": "make_logits(case)"}
    return [
        Golden("magnitude_difference", {}, "magnitude_difference"),
        Golden("concentricity_difference", {}, "concentricity_difference"),
        Golden("uniformity_difference", uniformity, "uniformity_difference[diagonal=true]"),
        Golden(
            "uniformity_difference",
            {**uniformity, "preprocess": "l2_rows"},
            "unit_rows|uniformity_difference[diagonal=true]",
        ),
        Golden("jsd", {"log_base": 2, **logits}, "jensen_shannon"),
        Golden("disagreement", logits, "disagreement"),
    ]


def _other_gram() -> list[Golden]:
    norm = {"norm": "l2 of i<j entries"}
    return [
        *(
            Golden("rsm_norm_difference", {"metric": m, **norm}, f"rsm_difference[rdm={m}]")
            for m in ("euclidean", "cosine")
        ),
        Golden(
            "distance_correlation",
            {"estimator": "V-statistic", "root": True},
            "distance_correlation[debiased=false,root=true]",
        ),
        Golden(
            "distance_correlation",
            {"estimator": "U-statistic (bias-corrected, squared)", "root": False},
            "distance_correlation[debiased=true,root=false]",
        ),
        Golden("eigenspace_overlap", {"center": False}, "eigenspace_overlap"),
        *(
            Golden(
                "gulp",
                {"lambda": penalty, "squared": True},
                f"gulp[regularization={penalty:g},squared=true]",
            )
            for penalty in (0.0, 0.01, 0.5)
        ),
    ]


def _neighbours() -> list[Golden]:
    cosine, euclidean = {"k": 10, "metric": "cosine"}, {"k": 10, "metric": "euclidean"}
    raw = {"epsilon": 0.0, "estimator": "unbiased", "k": 10}
    return [
        Golden("mutual_knn", cosine, "mutual_knn"),
        Golden("mutual_knn", euclidean, "mutual_knn[metric=euclidean]"),
        Golden("mutual_knn", {"k": 1, "metric": "cosine"}, "mutual_knn[k=1]"),
        Golden(
            "neighbourhood_overlap",
            {"k": 30, "metric": "euclidean"},
            "mutual_knn[k=30,metric=euclidean]",
        ),
        Golden("jaccard_knn", cosine, "knn_jaccard"),
        Golden("jaccard_knn", euclidean, "knn_jaccard[metric=euclidean]"),
        Golden("rank_similarity", cosine, "rank_similarity"),
        Golden("rank_similarity", euclidean, "rank_similarity[metric=euclidean]"),
        Golden("joint_rank_jaccard", cosine, "rank_jaccard"),
        Golden("second_order_cosine", cosine, "second_order_cosine"),
        Golden("lcs_knn", {**cosine, "divide_by_k": False}, "lcs_knn"),
        Golden("lcs_knn", {**cosine, "pymp": True}, "lcs_knn"),
        Golden("edit_distance_knn", cosine, "edit_distance_knn"),
        Golden("edit_distance_knn", {**cosine, "pymp": True}, "edit_distance_knn"),
        *(
            Golden(
                "cycle_knn",
                {"direction": theirs, "k": k, "metric": "cosine"},
                f"cycle_knn[k={k},direction={theirs.lower()}]",
            )
            for theirs in ("XY", "YX")
            for k in (2, 10)
        ),
        *(
            Golden(
                "information_imbalance",
                {"direction": theirs, "k": k, "metric": "euclidean"},
                f"information_imbalance[k={k},direction={ours}]",
            )
            for theirs, ours in (("X->Y", "xy"), ("Y->X", "yx"))
            for k in (1, 5)
        ),
        Golden("cknna", raw, "cknna[kernel=dot]"),
        Golden("cknna", {**raw, "preprocess": "l2_rows"}, "cknna"),
    ]


GOLDEN = [
    *_cka(),
    *_rsa(),
    *_zoo(),
    *_procrustes(),
    *_matching(),
    *_cca(),
    *_regression(),
    *_statistics_and_outputs(),
    *_other_gram(),
    *_neighbours(),
]

_DESCRIPTOR = "describes one representation: a descriptor, not a measure"
_TOPOLOGY = "topological measures are not in the catalogue"
_EPSILON = "adds an epsilon, which destroys small values; Repscape adds none"
_OTHER_MEDIAN = "another median: over n × n, or lower; sigma counts i < j"
_PARTIAL_WHITENING = "the Euclidean distance of partly whitened shapes is not in the catalogue"

UNCOVERED = [
    Uncovered("cka", _OTHER_MEDIAN, {"median_over": ...}),
    Uncovered("cka", "a kernel without the factor 2, and a lower median", {"form": ...}),
    Uncovered("cka", _EPSILON, {"epsilon": 1e-06}),
    Uncovered("cka", "neither of the two estimators of HSIC", {"estimator": "center_then_mask"}),
    Uncovered("cka_angular", "arccos of cka[debiased=false]: one number, one name"),
    Uncovered("cknna", _EPSILON, {"epsilon": 1e-06}),
    Uncovered("rsa", "rho-a ranks ties otherwise than Spearman", {"compare": "rho_a"}),
    Uncovered("rsa", "whitened comparison is not in the catalogue", {"compare": "corr_cov"}),
    Uncovered(
        "procrustes_distance",
        "scipy's disparity, 1 - nbs²: one number, one name",
        {"one_sided_scaling": True},
    ),
    Uncovered("bures_distance", "size_and_shape² of features divided by √d"),
    Uncovered("shape_distance", _PARTIAL_WHITENING, {"score": "euclidean"}),
    Uncovered(
        "shape_distance",
        "whitening by XᵀX/n gives alpha another scale",
        {"whitening": "X'X/n, no rescale"},
    ),
    *(
        Uncovered(
            name, "dot products are no distance: long rows are near to all", {"metric": "dot"}
        )
        for name in ("mutual_knn", "cycle_knn", "lcs_knn", "edit_distance_knn")
    ),
    Uncovered("permutation_aligned_cosine", "not in the catalogue"),
    Uncovered("soft_matching", "partial transport is not in the catalogue", {"mass": 0.5}),
    Uncovered("cca_mean_corr", "the mean of leading coefficients", {"truncate_cumulative": 0.98}),
    Uncovered("pwcca", "on raw input it is not a function of the data", {"preprocess": None}),
    Uncovered("linear_predictivity", "z-scores the test fold by its own statistics"),
    Uncovered("rsm_norm_difference", "the spectral norm, by mistake", {"norm": "spectral"}),
    Uncovered("rdm_stress", "rsm_difference over √(n(n-1)/2): one number, one name"),
    Uncovered("imd", _TOPOLOGY),
    Uncovered("rtd", _TOPOLOGY),
    Uncovered("riemannian_distance", "not in the catalogue"),
    Uncovered("neg_riemannian_distance_rsatoolbox", "not in the catalogue"),
    Uncovered("magnitude_nrmse", "identically 1/2"),
    Uncovered("concentricity_nrmse", "identically 1/2"),
    Uncovered("ensd", "not in the catalogue"),
    Uncovered("consistency_r", "a statistic of tables of scores, not a measure"),
    *(
        Uncovered(name, _DESCRIPTOR)
        for name in (
            "correlation_integral",
            "doimo_mean_mu",
            "gride",
            "gride_error",
            "gride_scale",
            "label_overlap",
            "lpca",
            "mada",
            "mind_ml",
            "mle_levina_bickel",
            "mom",
            "participation_ratio",
            "tle",
            "twonn",
            "twonn_bayes",
        )
    ),
]
