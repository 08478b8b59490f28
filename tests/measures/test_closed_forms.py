"""Every measure that the closed form covers, against its formula."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from closed_forms import ClosedForm, closed_form, embed
from scipy.spatial.distance import pdist

from repscape.compare import compare
from repscape.compute.compiled_orders import rank_agreement
from repscape.measures.base import MEASURES
from repscape.representation import Representation

Formula = Callable[[ClosedForm], float]


def nbs(f: ClosedForm) -> float:
    return float((f.s * f.t * f.c).sum() / np.linalg.norm(f.s) / np.linalg.norm(f.t))


def size_and_shape(f: ClosedForm) -> float:
    return float(np.sqrt((f.s**2 + f.t**2 - 2 * f.s * f.t * f.c).sum()))


def angular(alpha: float) -> Formula:
    def formula(f: ClosedForm) -> float:
        s, t = (1 - alpha + alpha * f.s), (1 - alpha + alpha * f.t)
        return float(np.arccos((s * t * f.c).sum() / np.linalg.norm(s) / np.linalg.norm(t)))

    return formula


def cka(f: ClosedForm) -> float:
    top = (f.s**2 * f.t**2 * f.c**2).sum()
    return float(top / np.sqrt((f.s**4).sum() * (f.t**4).sum()))


def gulp(penalty: float) -> Formula:
    def formula(f: ClosedForm) -> float:
        mu, nu = f.s**2 / (f.s**2).sum(), f.t**2 / (f.t**2).sum()
        own = (mu / (mu + penalty)) ** 2 + (nu / (nu + penalty)) ** 2
        return float((own - 2 * mu * nu * f.c**2 / ((mu + penalty) * (nu + penalty))).sum())

    return formula


def ridge_r2(penalty: float) -> Formula:
    def formula(f: ClosedForm) -> float:
        kept = f.s**2 / (f.s**2 + penalty)
        return float((f.t**2 * f.c**2 * kept * (2 - kept)).sum() / (f.t**2).sum())

    return formula


# Functions of the spans and singular values alone: any rotation of the features may be applied.
ROTATABLE: dict[str, Formula] = {
    "cka[debiased=false]": cka,
    "procrustes": lambda f: np.sqrt(2 - 2 * nbs(f)),
    "procrustes[score=angle]": lambda f: np.arccos(nbs(f)),
    "nbs": nbs,
    "size_and_shape": size_and_shape,
    "size_and_shape[squared=true]": lambda f: size_and_shape(f) ** 2,
    "angular_shape[alpha=0]": angular(0.0),
    "angular_shape[alpha=0.3]": angular(0.3),
    "angular_shape[alpha=1]": angular(1.0),
    "linear_regression[predict=x]": lambda f: (f.s**2 * f.c**2).sum() / (f.s**2).sum(),
    "linear_regression[predict=y]": lambda f: (f.t**2 * f.c**2).sum() / (f.t**2).sum(),
    "linear_regression[ridge=0.7]": ridge_r2(0.7),
    "cca": lambda f: f.c.mean(),
    "cca[average=mean_squared]": lambda f: (f.c**2).mean(),
    "svcca[variance=1]": lambda f: f.c.mean(),
    "svcca_components[k=3]": lambda f: f.c.mean(),
    "gulp[regularization=0,squared=true]": gulp(0.0),
    "gulp[regularization=0.01,squared=true]": gulp(0.01),
    "gulp[regularization=0.5,squared=true]": gulp(0.5),
}
# Functions of the features one by one, here with the diagonal matching the best.
UNROTATED: dict[str, Formula] = {
    "pwcca[weights_from=x]": lambda f: (f.s * f.c).sum() / f.s.sum(),
    "pwcca[weights_from=y]": lambda f: (f.t * f.c).sum() / f.t.sum(),
    "pwcca_unwhitened": lambda f: (f.s * f.c).sum() / f.s.sum(),
    "permutation_procrustes": size_and_shape,
    "permutation_procrustes[score=angle]": lambda f: np.arccos(nbs(f)),
    "soft_matching": lambda f: f.c.mean(),
    "soft_matching_distance": lambda f: size_and_shape(f) / np.sqrt(3),
    "hard_correlation_match": lambda f: f.c.mean(),
    "soft_correlation_match": lambda f: f.c.mean(),
    "eigenspace_overlap": lambda f: (f.c**2).sum() / 3,
}
PUBLISHED = {
    "cka[debiased=false]": 0.371897,
    "procrustes": 0.797155,
    "procrustes[score=angle]": 0.819930,
    "size_and_shape": 2.741821,
    "linear_regression[predict=x]": 0.799318,
    "eigenspace_overlap": 0.583755,
    "gulp[regularization=0,squared=true]": 2.497473,
    "gulp[regularization=0.01,squared=true]": 1.951727,
    "gulp[regularization=0.5,squared=true]": 0.406505,
}


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 2e-5)])
@pytest.mark.parametrize("name", [*ROTATABLE, *UNROTATED])
def test_closed_form(name: str, dtype: type, tolerance: float) -> None:
    form = closed_form()
    expected = {**ROTATABLE, **UNROTATED}[name](form)
    got = float(compare(form.x.astype(dtype), form.y.astype(dtype), name))
    assert got == pytest.approx(expected, rel=tolerance)


@pytest.mark.parametrize(("d", "width"), [(5, 40), (80, 4), (80, 90)])
@pytest.mark.parametrize("name", ROTATABLE)
def test_closed_form_in_any_width(name: str, d: int, width: int) -> None:
    """The rank is 3 in all widths, also with fewer samples (50) than features."""
    form = closed_form()
    got = compare(embed(form.x, d, 1), embed(form.y, width, 2), name)
    assert float(got) == pytest.approx(ROTATABLE[name](form), rel=1e-8)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_digits(name: str) -> None:
    form = closed_form()
    assert float(compare(form.x, form.y, name)) == pytest.approx(PUBLISHED[name], abs=5e-7)


@pytest.mark.parametrize("theta", [1e-3, 1e-6, 1e-9, 1e-12])
@pytest.mark.parametrize(
    "name",
    [
        "procrustes[score=angle]",
        "angular_shape[alpha=0]",
        "angular_shape[alpha=0.5]",
        "permutation_procrustes[score=angle]",
    ],
)
def test_small_angles_keep_their_digits(name: str, theta: float) -> None:
    """Through the arccos of a cosine, half of them would be lost: 1e-9 would come out as 0."""
    form = closed_form(t=(3.0, 2.0, 1.0), theta=(theta, theta, theta))
    expected = pytest.approx(theta, rel=1e-3 if theta < 1e-10 else 1e-5)
    assert float(compare(form.x, form.y, name)) == expected


@pytest.mark.parametrize("stretch", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("size_and_shape", 1.0),
        ("permutation_procrustes", 1.0),
        ("soft_matching_distance", 1 / np.sqrt(3)),
    ],
)
def test_small_distances_keep_their_digits(name: str, share: float, stretch: float) -> None:
    form = closed_form()
    expected = stretch * np.linalg.norm(form.x) * share
    got = float(compare(form.x, (1 + stretch) * form.x, name))
    assert got == pytest.approx(expected, rel=1e-5)


def test_distance_correlation_of_three_points() -> None:
    name = "distance_correlation[debiased=false,root=true]"
    x, y = np.array([[0.0], [1.0], [2.0]]), np.array([[0.0], [1.0], [0.0]])
    assert float(compare(x, y, name)) == pytest.approx(10**-0.25, rel=1e-12)
    assert float(compare(x, 5 - 3 * x, name)) == pytest.approx(1.0, rel=1e-12)


def test_differences_from_multiples_of_a_representation() -> None:
    z = np.random.default_rng(0).normal(size=(40, 6)) + 1.0
    distances = np.linalg.norm(pdist(z))
    assert float(compare(z, 2 * z, "rsm_difference")) == pytest.approx(distances, rel=1e-12)
    mean = np.linalg.norm(z.mean(axis=0))
    assert float(compare(z, 3 * z, "magnitude_difference")) == pytest.approx(2 * mean, rel=1e-12)


def test_rank_similarity_of_reversed_lists() -> None:
    forth = np.arange(4, dtype=np.int32)[None]
    assert rank_agreement(forth, forth[:, ::-1].copy())[0] == pytest.approx(0.288, rel=1e-12)
    assert rank_agreement(forth, forth)[0] == pytest.approx(1.0, rel=1e-12)


# The width divides the overlap; a constant feature is a neuron of its own where features match.
WIDTH_COUNTS = {"eigenspace_overlap", "hard_correlation_match", "soft_correlation_match"}
# Outputs are classes, one for each column; correlations of rows change with their length.
COLUMNS_ARE_SAMPLES_OF = {"jensen_shannon", "rsa"}


@pytest.mark.parametrize(
    "name", sorted({*MEASURES.names()} - WIDTH_COUNTS - COLUMNS_ARE_SAMPLES_OF)
)
def test_features_that_are_zero_change_nothing(name: str) -> None:
    # Positive, so that no added column is the largest logit.
    values = np.random.default_rng(4).uniform(0.1, 1.0, size=(2, 40, 12))
    labels = np.arange(40) % 12
    wider = [np.hstack([x, np.zeros((40, 3))]) for x in values]
    plain, padded = ([Representation(x, labels=labels) for x in two] for two in (values, wider))
    assert float(compare(*padded, name)) == pytest.approx(float(compare(*plain, name)), rel=1e-9)
