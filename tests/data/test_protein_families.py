from __future__ import annotations

import numpy as np
import pytest

from repscape.data.load_data import load_data
from repscape.data.protein_families import RESIDUES, protein_families
from repscape.errors import InvalidParameterError


def identity(a: str, b: str) -> float:
    """The share of equal residues where both stand at the same place."""
    return float(np.mean([x == y for x, y in zip(a, b, strict=False)]))


def test_relatives_are_more_alike_than_strangers() -> None:
    proteins = protein_families(8, 6, divergence=0.2)
    within, between = [], []
    for i, a in enumerate(proteins):
        for b in proteins[:i]:
            (within if a.family == b.family else between).append(identity(a.sequence, b.sequence))
    assert np.mean(between) < 0.1
    assert np.mean(within) > 3 * np.mean(between)


def test_divergence_is_the_share_of_residues_replaced() -> None:
    same = protein_families(1, 20, divergence=0.0, lengths=(400, 400))
    far = protein_families(1, 20, divergence=1.0, lengths=(400, 400))
    assert all(set(p.sequence) <= set(RESIDUES) for p in [*same, *far])
    lengths = [len(p.sequence) for p in same]
    assert np.mean(lengths) == pytest.approx(400, rel=0.03)  # as many insertions as deletions


def test_the_same_arguments_give_the_same_sequences() -> None:
    assert protein_families(3, 2) == protein_families(3, 2)
    assert protein_families(3, 2) != protein_families(3, 2, seed=1)


def test_the_source_is_labelled_by_family() -> None:
    source = load_data("protein-families", families=3, members=4)
    assert source.modality == "protein"
    assert len(source) == 12
    assert source.labels.tolist() == ["000"] * 4 + ["001"] * 4 + ["002"] * 4
    with pytest.raises(InvalidParameterError, match="families=0"):
        load_data("protein-families", families=0)
