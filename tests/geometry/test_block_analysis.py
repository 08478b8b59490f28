"""TwoNN averaged over partitions into 1, 2, … blocks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from shapes import manifold

from repscape.compute.neighbours import neighbours
from repscape.describe import describe
from repscape.geometry.presets import get_preset
from repscape.geometry.subsets import random_subsets


def published(x: np.ndarray, blocks: int, fraction: float) -> list[float]:
    """The definition, in NumPy: ratios of 1 and the two largest of a block are left out."""
    means = []
    for parts in range(1, blocks + 1):
        rows = random_subsets(len(x), len(x) // parts, parts, True, parts - 1)
        rows = [torch.arange(len(x))] if parts == 1 else rows
        values = []
        for block in rows:
            d = neighbours(torch.from_numpy(x[block.numpy()]), 2).distances.numpy()
            mu = np.sort((d[:, 1] / d[:, 0])[d[:, 1] > d[:, 0]])[:-2]
            used = int(fraction * len(mu))
            logs = np.log(mu[:used])
            heights = -np.log(1 - np.arange(1, used + 1) / len(mu))
            values.append(logs @ heights / (logs @ logs))
        means.append(float(np.mean(values)))
    return means


def test_the_curve_and_its_mean_are_those_of_the_definition():
    x = manifold("gauss5", 600, 0)
    curve = describe(x, "twonn_blocks[blocks=6]").curves[
        "twonn_blocks[blocks=6,fraction=0.9,seed=0,metric=euclidean]@1"
    ]
    expected = published(x, 6, 0.9)
    assert [r.value for r in curve.readings[:-1]] == pytest.approx(expected, rel=1e-12)
    assert [r.scale for r in curve.readings[:-1]] == [600, 300, 200, 150, 120, 100]
    assert curve.reading.value == pytest.approx(np.mean(expected), rel=1e-12)
    assert curve.reading.scale == pytest.approx(245)
    assert "1 to 6 blocks" in curve.choice


def test_ratios_of_one_are_left_out():
    x = manifold("gauss5", 300, 1)
    x[:30] = np.round(x[:30])
    assert describe(x, "twonn_blocks[blocks=2]").values["value"][0] == pytest.approx(
        np.mean(published(x, 2, 0.9)), rel=1e-12
    )


def test_its_error_covers_repetitions():
    found = [
        describe(manifold("cube2", 400, seed), "twonn_blocks[blocks=5]").values.iloc[0]
        for seed in range(8)
    ]
    spread = np.std([row["value"] for row in found], ddof=1)
    assert np.mean([row["standard_error"] for row in found]) > 0.5 * spread


def test_too_many_blocks_have_a_reason():
    row = describe(manifold("cube2", 100, 0), "twonn_blocks").values.iloc[0]
    assert "20 blocks of at least 6 samples need 120 distinct samples" in row["reason"]


def test_the_preset_of_the_protein_models():
    preset = get_preset("valeriani2023_esm")
    assert preset.descriptors[0] == "twonn_blocks[blocks=20,fraction=0.9]"
    x = manifold("gauss5", 400, 0)
    values = describe(x, "valeriani2023_esm", labels=np.arange(400) % 4).values
    assert values["quantity"].to_list() == ["dimension", "label overlap"]
    assert values["value"][0] == pytest.approx(np.mean(published(x, 20, 0.9)), rel=1e-12)
