from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from repscape.data.digits import digits
from repscape.data.subsets import hashed_order
from repscape.errors import InvalidParameterError, UnknownNameError


def test_all_digits_are_the_pixels_of_scikit_learn_divided_by_sixteen():
    data, bunch = digits(), load_digits()
    assert data.inputs.shape == (1797, 1, 8, 8)
    assert data.inputs.dtype == np.float32
    np.testing.assert_array_equal(data.inputs[:, 0] * 16, bunch.images)
    np.testing.assert_array_equal(data.labels, bunch.target)
    assert (data.inputs.min(), data.inputs.max()) == (0.0, 1.0)
    assert data.ids[0] == "digits/0000"
    assert data.ids[-1] == "digits/1796"
    assert data.split == "all"


def test_the_parts_are_disjoint_and_together_are_all():
    train, held_out = digits("train"), digits("held_out")
    assert len(held_out) == 449
    assert len(train) == 1348
    assert sorted([*train.ids, *held_out.ids]) == digits().ids.tolist()
    assert held_out.ids.tolist() == sorted(held_out.ids)


def test_a_sample_keeps_its_image_label_and_id_in_a_part():
    everything, part = digits(), digits("held_out", seed=3)
    rows = [int(i.removeprefix("digits/")) for i in part.ids]
    np.testing.assert_array_equal(part.inputs, everything.inputs[rows])
    np.testing.assert_array_equal(part.labels, everything.labels[rows])


PINNED = ["digits/0003", "digits/0005", "digits/0008", "digits/0013"]


def test_the_draw_is_pinned_and_follows_the_seed():
    assert digits("held_out").ids[:4].tolist() == PINNED
    assert set(digits("held_out", seed=1).ids) != set(digits("held_out", seed=0).ids)


def test_a_smaller_held_out_part_lies_within_a_larger_one():
    small = set(digits("held_out", held_out=0.1).ids)
    large = set(digits("held_out", held_out=0.5).ids)
    assert len(small) == 180
    assert small < large


def test_the_revision_names_the_content():
    assert digits("held_out").revision == digits("held_out").revision
    revisions = {digits(s, seed=seed).revision for s in ("train", "held_out") for seed in (0, 1)}
    assert len({*revisions, digits().revision}) == 5
    reversed_rows = np.arange(1797)[::-1].copy()
    assert digits().rows(reversed_rows, "all").revision != digits().revision


def test_batches_hold_every_sample_once_in_order():
    data = digits("held_out")
    batches = list(data.batches(100))
    assert [len(ids) for ids, _, _ in batches] == [100, 100, 100, 100, 49]
    np.testing.assert_array_equal(np.concatenate([ids for ids, _, _ in batches]), data.ids)
    stacked = torch.cat([inputs for _, inputs, _ in batches])
    assert torch.equal(stacked, torch.from_numpy(data.inputs))
    np.testing.assert_array_equal(np.concatenate([y for _, _, y in batches]), data.labels)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5, float("nan")])
def test_a_fraction_outside_zero_and_one_is_refused(fraction):
    with pytest.raises(InvalidParameterError, match="strictly between 0 and 1"):
        digits("train", held_out=fraction)


def test_an_unknown_split_names_the_near_one():
    with pytest.raises(UnknownNameError, match="did you mean 'held_out'"):
        digits("heldout")


def test_batches_of_no_samples_are_refused():
    with pytest.raises(InvalidParameterError, match="size=0"):
        digits().batches(0)


def test_the_order_of_two_ids_does_not_depend_on_the_others():
    ids = np.asarray([f"s{i}" for i in range(50)])
    everything = ids[hashed_order(ids, data="d", split="s", seed=0)].tolist()
    some = ids[10:30]
    ordered = some[hashed_order(some, data="d", split="s", seed=0)].tolist()
    assert ordered == [i for i in everything if i in set(ordered)]
    assert ordered != some.tolist()
