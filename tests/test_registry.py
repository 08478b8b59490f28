"""Names print every parameter, parse back, and refuse what they cannot mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.measures.base import MEASURES, get_measure
from repscape.measures.cka import CKA, Bandwidth
from repscape.registry import Registry, format_number, parse_calls
from repscape.transforms import TRANSFORMS


@pytest.mark.parametrize("cls", list(MEASURES.classes()), ids=lambda cls: cls.spec.name)
def test_default_names_and_aliases_parse_back(cls):
    for asked in (cls.spec.name, *cls.spec.aliases):
        measure = get_measure(asked)
        assert get_measure(measure.name) == measure
        assert get_measure(measure.name).name == measure.name
        assert measure.name.startswith(f"{measure.spec.name}[") or "[" not in measure.name
        assert measure.name.endswith(f"@{measure.spec.version}")


@given(
    sigma=st.floats(min_value=1e-50, max_value=1e50),
    relative=st.booleans(),
    debiased=st.booleans(),
    kernel=st.sampled_from(["rbf", "laplace"]),
)
def test_every_parameter_survives_the_round_trip(sigma, relative, debiased, kernel):
    measure = CKA(kernel=kernel, sigma=Bandwidth(sigma, relative), debiased=debiased)
    assert get_measure(measure.name) == measure


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_print_shortly_and_exactly(value):
    text = format_number(value)
    assert float(text) == value
    assert not text.endswith(".0")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("cka", "cka[kernel=linear,debiased=true]@1"),
        (" cka [ debiased = false ] ", "cka[kernel=linear,debiased=false]@1"),
        ("cka[kernel=rbf,sigma=0.40]", "cka[kernel=rbf,sigma=0.4,debiased=true]@1"),
        ("cka[kernel=rbf,sigma=1e0median]", "cka[kernel=rbf,sigma=1median,debiased=true]@1"),
        ("linear_cka", "cka[kernel=linear,debiased=true]@1"),
        ("rbf_cka[sigma=2]", "cka[kernel=rbf,sigma=2,debiased=true]@1"),
        ("dcor", "distance_correlation[debiased=false,root=true]@1"),
        ("mean_cca", "cca[average=mean]@1"),
        ("r2_cca", "cca[average=mean_squared]@1"),
        ("orthogonal_procrustes", "procrustes[score=distance,center=true]@1"),
        ("nbs", "procrustes[score=similarity,center=true]@1"),
        ("normalized_bures_similarity", "procrustes[score=similarity,center=true]@1"),
        ("soft_matching_distance", "soft_matching[score=distance]@1"),
        ("angular_shape[alpha=1]", "procrustes[score=angle,center=true]@1"),
        ("eigenspace_overlap", "eigenspace_overlap@1"),
        (
            "unit_rows|cka[kernel=rbf,sigma=0.4]",
            "unit_rows|cka[kernel=rbf,sigma=0.4,debiased=true]@1",
        ),
        (
            "pca[variance=0.9]|center|rsa",
            "pca[variance=0.9]|center|rsa[rdm=correlation,compare_by=spearman]@2",
        ),
        ("cka@1", "cka[kernel=linear,debiased=true]@1"),
    ],
)
def test_one_number_has_one_name(asked, name):
    assert get_measure(asked).name == name


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ("ckaa", UnknownNameError, r"no measure is called 'ckaa': did you mean 'cka'"),
        ("SVCCA", UnknownNameError, r"no measure is called 'SVCCA': did you mean 'svcca'"),
        ("cka,rsa", InvalidParameterError, r"cannot read 'cka,rsa'.*several names are a list"),
        (
            "unit_row|cka",
            UnknownNameError,
            r"no transform is called 'unit_row': did you mean 'unit_rows'",
        ),
        ("unit_rows", UnknownNameError, r"'unit_rows' ends with the transform 'unit_rows'"),
        ("cka@2", UnknownNameError, r"cka@2: this Repscape has version 1"),
        (
            "cka[kernal=rbf]",
            InvalidParameterError,
            r"has no parameter 'kernal': did you mean 'kernel'",
        ),
        ("eigenspace_overlap[k=1]", InvalidParameterError, r"no parameter 'k': it takes none"),
        ("cka[kernel=rbff]", InvalidParameterError, r"cka\[kernel=rbff\]: did you mean 'rbf'"),
        ("cka[debiased=1]", InvalidParameterError, r"cka\[debiased=1\]: write true or false"),
        ("cka[sigma=2]", InvalidParameterError, r"sigma=2 has no effect on .*leave it out"),
        ("cka[kernel=rbf,sigma=-1]", InvalidParameterError, r"sigma=-1: write a positive number"),
        ("cka[kernel=rbf,sigma=0]", InvalidParameterError, r"sigma=0: write a positive number"),
        ("cka[kernel=rbf,sigma=1mean]", InvalidParameterError, r"sigma=1mean: write a positive"),
        (
            "linear_cka[kernel=rbf]",
            InvalidParameterError,
            r"'linear_cka' is 'cka' with kernel=linear",
        ),
        ("mutual_knn[k=2.5]", InvalidParameterError, r"mutual_knn\[k=2.5\]: write a whole number"),
        ("mutual_knn[k=0]", InvalidParameterError, r"mutual_knn\[k=0\]: must be at least 1"),
        (
            "gulp[regularization=nan]",
            InvalidParameterError,
            r"gulp\[regularization=nan\]: write a number",
        ),
        (
            "uniformity_difference[t=inf]",
            InvalidParameterError,
            r"uniformity_difference\[t=inf\]: must be finite",
        ),
        ("cka[kernel=rbf,sigma=1e-60]", InvalidParameterError, r"sigma=1e-60: .*1e-50 to 1e\+50"),
        ("clip[quantile=2]|cka", InvalidParameterError, r"must be between 0 and 1"),
        ("cka[debiased]", InvalidParameterError, r"cannot read 'debiased'.*parameter=value"),
        ("cka[debiased=true,debiased=true]", InvalidParameterError, r"'debiased' stands twice"),
        ("cka[", InvalidParameterError, r"cannot read 'cka\[': write name"),
        ("", InvalidParameterError, r"cannot read ''"),
        ("cka|", InvalidParameterError, r"cannot read ''"),
    ],
)
def test_what_cannot_be_meant_is_refused(asked, error, message):
    with pytest.raises(error, match=message):
        get_measure(asked)


def test_python_arguments_are_checked_like_text():
    assert CKA(kernel="rbf", sigma="0.4") == get_measure("cka[kernel=rbf,sigma=0.4]")
    with pytest.raises(InvalidParameterError, match="write true or false"):
        CKA(debiased="maybe")


def test_parse_calls():
    [first, second] = parse_calls("a[x=1,y=z]|b@3")
    assert (first.name, dict(first.arguments), first.version) == ("a", {"x": "1", "y": "z"}, None)
    assert (second.name, dict(second.arguments), second.version) == ("b", {}, "3")


def test_two_classes_cannot_share_a_name():
    registry: Registry = Registry("toy", "repscape.transforms")
    registry.register(TRANSFORMS.find("center"))
    other = type("Other", (), {"spec": TRANSFORMS.find("center").spec})
    with pytest.raises(InvalidParameterError, match="two toys are called 'center'"):
        registry.register(other)
