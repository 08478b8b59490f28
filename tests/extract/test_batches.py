from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.errors import InvalidParameterError, InvalidRepresentationError
from repscape.extract.batches import count_samples, read_batches

X = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["a", "b"], ["a", "b"]),
        (("a", "b"), ["a", "b"]),
        ([7, 8], [7, 8]),
        (torch.tensor([7, 8]), [7, 8]),
        (np.asarray([7, 8], np.int32), [7, 8]),
        (range(2), [0, 1]),
    ],
)
def test_ids_of_every_kind(given, read):
    (batch,) = read_batches([(given, X)])
    assert batch.ids.tolist() == read
    assert batch.labels is None


def test_batches_are_numbered_and_empty_ones_left_out():
    items = [(["a", "b"], X, [0, 1]), ([], X, []), (["c"], X, torch.tensor([1]))]
    batches = list(read_batches(items))
    assert [(b.start, b.stop, b.labels.tolist()) for b in batches] == [(0, 2, [0, 1]), (2, 3, [1])]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (X, "gave a Tensor: yield"),
        ((X,), "a tuple of 1"),
        ((["a"], X, [0], 1), "a tuple of 4"),
        ((X, torch.tensor([0, 1])), r"ids of shape \(2, 3\)"),
        ((torch.zeros(2), X), "type float32"),
        ((["a", "b"], X, [0]), "2 ids, but labels of shape"),
    ],
)
def test_items_of_the_wrong_form_say_the_right_one(item, message):
    with pytest.raises(InvalidParameterError, match=message):
        list(read_batches([item]))


def test_a_repeated_id_is_named_within_and_across_batches():
    for items in ([(["a", "a"], X)], [(["b", "a"], X), (["a"], X)]):
        with pytest.raises(InvalidRepresentationError, match="sample id 'a' comes twice"):
            list(read_batches(items))


def test_text_and_numbers_are_not_mixed():
    with pytest.raises(InvalidRepresentationError, match="mixes text and whole numbers"):
        list(read_batches([(["a"], X), ([1], X)]))


@pytest.mark.parametrize("order", [1, -1])
def test_labels_are_given_for_all_or_none(order):
    items = [(["a"], X, [0]), (["b"], X)][::order]
    with pytest.raises(InvalidParameterError, match="give all or none"):
        list(read_batches(items))


def test_samples_are_counted_only_where_the_batches_are_there():
    items = [(["a", "b"], X), (["c"], X)]
    assert count_samples(items) == 3
    assert count_samples(iter(items)) is None
