from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.errors import InvalidParameterError, TooFewSamplesError, UnknownNameError
from repscape.representation import Representation
from repscape.significance.permutations import Permutations, partition


def test_orders_are_permutations_and_depend_on_the_seed_only() -> None:
    orders = Permutations(30, 50, seed=3).orders
    assert orders.shape == (50, 30)
    assert (orders.sort(dim=1).values == torch.arange(30)).all()
    before = torch.random.get_rng_state()
    assert torch.equal(Permutations(30, 50, seed=3).orders, orders)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert not torch.equal(Permutations(30, 50, seed=4).orders, orders)


def test_every_place_gets_every_sample_equally_often() -> None:
    orders = Permutations(6, 719).orders
    counts = torch.stack([(orders == sample).sum(dim=0) for sample in range(6)]).double()
    chi_squared = float(((counts - 719 / 6) ** 2 / (719 / 6)).sum())
    assert chi_squared < 52  # the 0.999 quantile at 25 degrees of freedom is 52.6


def test_groups_keep_their_samples() -> None:
    groups = np.array(["a", "b", "b", "a", "a", "b", "a", "c"])
    orders = Permutations(8, 100, groups=groups).orders.numpy()
    assert (groups[orders] == groups).all()
    assert (orders[:, 7] == 7).all()
    assert len({tuple(order) for order in orders}) > 50


def test_blocks_move_whole_and_keep_their_inner_order() -> None:
    blocks = np.repeat([5, 3, 9, 1, 7, 2], 4)
    orders = Permutations(24, 100, blocks=blocks).orders.view(100, 6, 4)
    assert (orders[:, :, 1:] - orders[:, :, :-1] == 1).all()
    assert (orders[:, :, 0] % 4 == 0).all()
    assert (orders[:, :, 0].sort(dim=1).values == 4 * torch.arange(6)).all()


def test_blocks_of_other_sizes_do_not_change_places() -> None:
    blocks = np.array([0, 0, 1, 2, 2, 3, 3, 4, 5, 5])
    orders = Permutations(10, 23, blocks=blocks).orders
    sizes = torch.tensor([2, 2, 1, 2, 2, 2, 2, 1, 2, 2])
    assert (sizes[orders] == sizes).all()


def test_too_few_orders_say_the_smallest_p() -> None:
    with pytest.raises(TooFewSamplesError, match=r"120 different orders.*1/120.*at most 119"):
        Permutations(5, 200)
    assert Permutations(5, 119).orders.shape == (119, 5)
    with pytest.raises(TooFewSamplesError, match=r"within their groups.*1/36.*larger groups"):
        Permutations(6, 36, groups=np.array([0, 0, 0, 1, 1, 1]))
    with pytest.raises(TooFewSamplesError, match=r"whole blocks.*1/2.*more blocks"):
        Permutations(60, 200, blocks=np.repeat([0, 1], 30))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 4, "groups": np.arange(4)}, "every group holds a single sample"),
        ({"n": 6, "blocks": np.array([0, 1, 1, 2, 2, 2])}, "no two blocks have the same size"),
        ({"n": 6, "blocks": np.zeros(6)}, "no two blocks"),
        ({"n": 1}, "a single sample"),
        ({"n": 9, "count": 0}, "n_permutations=0"),
        ({"n": 9, "groups": np.zeros(8)}, "groups has 8 entries, but 9 samples"),
        ({"n": 3, "groups": np.array([0, np.nan, 0])}, "groups has 1 missing.* at sample 1"),
        ({"n": 3, "blocks": np.array(["a", None, "a"], object)}, "blocks has 1 missing"),
        ({"n": 9, "groups": np.zeros(9), "blocks": np.zeros(9)}, "choose one"),
    ],
)
def test_what_cannot_be_permuted_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(InvalidParameterError, match=message):
        Permutations(**arguments)


def test_a_column_of_the_samples_names_a_partition() -> None:
    rep = Representation(np.eye(3), labels=[1, 1, 2], columns={"clip": ["a", "b", "b"]})
    assert partition(rep, "labels", "groups").tolist() == [1, 1, 2]
    assert partition(rep, "clip", "groups").tolist() == ["a", "b", "b"]
    assert partition(rep, [0, 0, 1], "groups").tolist() == [0, 0, 1]
    assert partition(rep, None, "groups") is None
    with pytest.raises(UnknownNameError, match=r"blocks='clips'.*did you mean 'clip'"):
        partition(rep, "clips", "blocks")
    with pytest.raises(UnknownNameError, match="no columns and no labels"):
        partition(Representation(np.eye(3)), "clip", "groups")
