"""Representations: what they accept, how they select, how they are told apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from repscape.errors import InvalidRepresentationError, SampleMismatchError
from repscape.representation import (
    Origin,
    Representation,
    aligned,
    as_representation,
    same_samples,
)
from repscape.sample_ids import digest_ids

X = np.arange(12.0).reshape(4, 3)


def test_arrays_get_positions_as_ids():
    rep = as_representation(X, "mine")
    assert (rep.n, rep.d, len(rep), rep.name) == (4, 3, 4, "mine")
    assert rep.sample_ids.tolist() == [0, 1, 2, 3]
    assert rep.values is X
    assert as_representation(rep) is rep


@pytest.mark.parametrize("values", [X.astype(int), X > 3, pd.DataFrame(X.astype(int)), X.tolist()])
def test_whole_numbers_become_float64(values):
    assert Representation(values).values.dtype == np.float64


def test_tensors_stay_tensors_without_their_graph():
    tensor = torch.ones(3, 2, dtype=torch.bfloat16, requires_grad=True)
    rep = Representation(tensor)
    assert isinstance(rep.values, torch.Tensor)
    assert not rep.values.requires_grad
    assert rep.values.dtype == torch.bfloat16
    assert Representation(torch.ones(3, 2, dtype=torch.int32)).values.dtype == torch.float64


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(4), r"shape \(4,\): a representation is samples × features; 4 samples of"),
        (np.ones((2, 2, 2)), r"shape \(2, 2, 2\).* pool the other axes"),
        (np.ones((0, 2)), "nothing to measure"),
        (np.array([[1, "a"]], dtype=object), "dtype object"),
        (np.ma.masked_invalid([[1.0, np.nan], [2.0, 3.0]]), "1 of the values are masked"),
        ("a.npy", r"'a\.npy' is a name, not values: read the file first"),
        (np.array([["a"]]), "dtype <U1: give real"),
        (np.ones((2, 2), complex), "dtype complex128"),
        (torch.ones(2, 2, dtype=torch.complex64), "dtype torch.complex64"),
        (torch.ones(2), r"shape \(2,\)"),
    ],
)
def test_what_is_refused(values, message):
    with pytest.raises(InvalidRepresentationError, match=message):
        Representation(values)


def test_ids_labels_and_columns_must_fit():
    with pytest.raises(
        InvalidRepresentationError, match=r"sample_ids have shape \(3,\), but there are 4"
    ):
        Representation(X, sample_ids=[1, 2, 3])
    with pytest.raises(InvalidRepresentationError, match="sample id 'b' stands at rows 1 and 3"):
        Representation(X, sample_ids=["a", "b", "c", "b"])
    with pytest.raises(InvalidRepresentationError, match=r"labels have shape \(2,\)"):
        Representation(X, labels=[0, 1])
    with pytest.raises(InvalidRepresentationError, match=r"age have shape \(1,\)"):
        Representation(X, columns={"age": [3]})


@pytest.mark.parametrize("values", [X, torch.from_numpy(X)])
def test_select_takes_everything_along(values):
    rep = Representation(
        values,
        sample_ids=["a", "b", "c", "d"],
        labels=[0, 1, 0, 1],
        columns={"age": [5, 6, 7, 8]},
        key="k" * 64,
    )
    part = rep.select(["d", "a"])
    assert np.asarray(part.values).tolist() == [[9, 10, 11], [0, 1, 2]]
    assert part.sample_ids.tolist() == ["d", "a"]
    assert part.labels.tolist() == [1, 0]
    assert part.columns["age"].tolist() == [8, 5]
    assert part.key not in (None, rep.key)
    assert part.key == rep.select(["d", "a"]).key != rep.select(["a", "d"]).key
    assert Representation(values).select([2]).key is None
    with pytest.raises(SampleMismatchError, match="has no sample 'e'"):
        rep.select(["e"])


def test_alignment():
    a = Representation(X, sample_ids=[1, 2, 3, 4])
    b = Representation(X, sample_ids=[4, 3, 9, 1])
    assert not same_samples(a, b)
    with pytest.raises(SampleMismatchError, match="row 0 is sample 1 in the first and 4"):
        aligned(a, b)
    left, right = aligned(a, b, "intersection")
    assert left.sample_ids.tolist() == right.sample_ids.tolist() == [1, 3, 4]
    assert np.asarray(right.values)[:, 0].tolist() == [9, 3, 0]
    with pytest.raises(SampleMismatchError, match="no sample id in common"):
        aligned(a, Representation(X, sample_ids=[5, 6, 7, 8]), "intersection")


def test_ids_of_different_kinds_differ():
    numbers, texts = Representation(X), Representation(X, sample_ids=["0", "1", "2", "3"])
    assert not same_samples(numbers, texts)
    assert digest_ids(numbers.sample_ids) != digest_ids(texts.sample_ids)
    assert numbers.sample_digest == Representation(2 * X).sample_digest


def test_origin_round_trip():
    origin = Origin(model="m", layer="l", tags={"seed": 1, "arch": "cnn"})
    assert dict(origin.tags) == {"arch": "cnn", "seed": "1"}
    assert Origin.from_dict(origin.to_dict()) == origin
    assert Representation(X, origin=origin).name == "m:l"
    assert Origin().to_dict() == {}


def test_the_mend_of_other_samples_is_told_for_both_ways_in():
    a, b = Representation(np.ones((3, 2)), [1, 2, 3]), Representation(np.ones((3, 2)), [1, 2, 4])
    with pytest.raises(SampleMismatchError, match=r"align='intersection' \(--align intersection\)"):
        aligned(a, b)
