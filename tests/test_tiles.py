"""Sweeps that are divided: any group anywhere, and the same scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from repscape.compare import similarity_matrix
from repscape.compute import ranks
from repscape.compute.tile_groups import Division, number_of_tiles, upper_tiles
from repscape.errors import InvalidParameterError, MemoryLimitError
from repscape.tiles import division_of, fitted_of, needs_fitting, scorer_of_sums, tile_sums

DIVIDED = (
    "cka",
    "cka[debiased=false]",
    "cka[kernel=rbf]",
    "cka[kernel=laplace,sigma=2]",
    "unit_rows|cka",
    "distance_correlation",
    "rsa[compare_by=pearson]",
    "rsa[rdm=euclidean,compare_by=cosine]",
    "rsm_difference",
)


def representations(n: int, dtype: torch.dtype = torch.float64) -> list[torch.Tensor]:
    """So wide that linear kernels take the sweep too, and not the moments."""
    draw = torch.Generator().manual_seed(0)
    shared = torch.randn(n, 6, generator=draw, dtype=torch.float64)
    mixed = [torch.randn(6, d, generator=draw, dtype=torch.float64) for d in (60, 90, 120)]
    noisy = [shared @ m + torch.randn(n, m.shape[1], generator=draw) for m in mixed]
    return [x.to(dtype) for x in [*noisy, noisy[0] * 1.0001]]


def scored(measure, values, division=None, pairs=None):
    """The scores of all pairs, whole or from the sums of every group."""
    pairs = pairs or [(a, b) for a in range(len(values)) for b in range(a + 1, len(values))]
    if division is None:
        return similarity_matrix(values, measure, pairs=pairs).table
    fitted = [fitted_of(measure, x) for x in values] if needs_fitting(measure, len(values[0])) \
        else None  # fmt: skip
    sums = [
        tile_sums(measure, values, pairs, division, group, fitted)
        for group in range(division.groups)
    ]
    scorer = scorer_of_sums(sums, fitted)
    return similarity_matrix(values, measure, pairs=pairs, scorer=scorer).table


@pytest.mark.parametrize("measure", DIVIDED)
def test_the_scores_are_those_of_one_sweep(measure):
    values = representations(150)
    whole, divided = (scored(measure, values, division) for division in (None, Division(32, 4)))
    assert list(divided["value"]) == pytest.approx(list(whole["value"]), rel=1e-12)


@pytest.mark.parametrize("measure", ["cka", "cka[kernel=rbf,sigma=2]", "rsm_difference"])
def test_float32_scores_of_tiles_of_one_side_agree_to_the_last_digits(measure):
    """Such tiles have the same products; only the order of float64 additions differs."""
    values = representations(150, torch.float32)
    whole, *divided = (
        scored(measure, values, division)["value"]
        for division in (None, Division(150, 1), Division(40, 1), Division(40, 3))
    )
    assert list(divided[0]) == pytest.approx(list(whole), rel=1e-12)
    assert list(divided[2]) == pytest.approx(list(divided[1]), rel=1e-12)


def test_ranks_in_bins_are_fitted_once_and_give_the_same_scores(monkeypatch):
    measure = "rsa[rdm=euclidean,compare_by=spearman]"
    assert needs_fitting(measure, 4097)
    assert not needs_fitting(measure, 4096)
    monkeypatch.setattr(ranks, "EXACT_RANK_ROWS", 100)
    monkeypatch.setattr(ranks, "RANK_ERROR", 0.5)  # few distances do not fill narrow bins
    values = representations(150)[:3]
    whole, divided = (scored(measure, values, division) for division in (None, Division(64, 4)))
    assert list(divided["value"]) == pytest.approx(list(whole["value"]), rel=1e-12)


def test_what_was_fitted_makes_the_same_state_bit_for_bit():
    x = representations(120, torch.float32)[1]
    assert set(fitted_of("cka[kernel=rbf]", x)) == {"sigma"}
    assert fitted_of("cka[kernel=rbf]", torch.ones(20, 3)) is None
    pairs, division = [(0, 1)], Division(100, 2)
    values = representations(120, torch.float32)[:2]
    fitted = [fitted_of("cka[kernel=rbf]", x) for x in values]
    for group in range(2):
        afresh, known = (
            tile_sums("cka[kernel=rbf]", values, pairs, division, group, given)
            for given in (None, fitted)
        )
        assert all(torch.equal(afresh[name], known[name]) for name in afresh)


def test_a_pair_without_a_score_has_its_reason_and_the_others_are_scored():
    values = [*representations(60), torch.ones(60, 3, dtype=torch.float64)]
    whole, divided = (scored("cka", values, division) for division in (None, Division(16, 4)))
    assert list(divided["reason"]) == list(whole["reason"])
    assert divided["reason"].notna().sum() == 4
    assert scored("cka", values[-1:] * 2, Division(16, 2))["reason"].notna().all()


def test_the_groups_hold_every_tile_once_and_follow_from_the_division_alone():
    for n, side, groups in ((10, 3, 4), (1000, 512, 2), (64, 16, 10), (5, 5, 3)):
        division = Division(side, groups)
        held = [list(division.tiles(n, group)) for group in range(groups)]
        assert [tile for group in held for tile in group] == list(upper_tiles(n, side))
        assert sum(map(len, held)) == number_of_tiles(n, side)
        assert max(map(len, held)) - min(map(len, held)) <= 1
        assert Division.from_dict(division.to_dict()) == division


def test_what_is_divided_and_into_how_many_groups():
    widths = [768] * 40
    assert division_of("cka[kernel=rbf]", 20_000, widths, 2.5e13, 1e13) == Division(512, 3)
    assert division_of("cka[kernel=rbf]", 20_000, widths, 1e13, 1e13) is None
    assert division_of("cka[kernel=rbf]", 600, widths, 1e15, 1e13) == Division(512, 3), "all tiles"
    assert division_of("cka", 20_000, widths, 1e14, 1e13) == Division(512, 10)
    assert division_of("cka", 2_000_000, widths, 1e14, 1e13) is None, "moments are cheaper"
    assert division_of("rsa", 4096, widths, 1e14, 1e13) is None, "whole matrices are ranked"
    assert division_of("rsa", 4097, widths, 1e14, 1e13) == Division(512, 10)
    for other in ("rsa[compare_by=kendall]", "rsa[rdm=mahalanobis]", "procrustes", "mutual_knn"):
        assert division_of(other, 20_000, widths, 1e14, 1e13) is None
    small = division_of("cka", 20_000, widths, 1e14, 1e13, "64MiB")
    assert small == Division(64, 10), "tiles that fit"
    assert division_of("cka", 20_000, widths, 1e14, 1e13, "1MiB") is None


def test_errors_say_what_cannot_be_divided():
    values = representations(60)
    with pytest.raises(InvalidParameterError, match=r"procrustes.* has no sweep over tiles"):
        tile_sums("procrustes", values, [(0, 1)], Division(16, 2), 0)
    with pytest.raises(MemoryLimitError, match=r"in tiles of 60×60, as this sweep was divided"):
        tile_sums("cka", values, [(0, 1)], Division(60, 2), 0, memory_limit="600KiB")


def test_numpy_sums_serve_as_tensors_do(tmp_path):
    """They are stored in between."""
    values = representations(90)
    division = Division(32, 3)
    sums = [tile_sums("cka", values, [(0, 1)], division, group) for group in range(3)]
    stored = [
        {name: torch.as_tensor(np.asarray(array)) for name, array in one.items()} for one in sums
    ]
    first, second = (
        similarity_matrix(values[:2], "cka", scorer=scorer_of_sums(one)).table["value"][0]
        for one in (sums, stored)
    )
    assert first == second
