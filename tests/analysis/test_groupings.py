from __future__ import annotations

import pytest

from repscape.analysis.groupings import count_groupings, groupings


@pytest.mark.parametrize(
    ("sizes", "count"), [([2, 2], 3), ([3, 1], 4), ([2, 2, 2], 15), ([1, 2, 3], 60), ([4, 4], 35)]
)
def test_every_grouping_once(sizes: list[int], count: int) -> None:
    found = [tuple(labels) for labels in groupings(sizes)]
    as_sets = {
        frozenset(
            frozenset(i for i, other in enumerate(labels) if other == label) for label in labels
        )
        for labels in found
    }
    assert len(found) == len(as_sets) == count == count_groupings(sizes)
    for groups in as_sets:
        assert sorted(map(len, groups)) == sorted(sizes)
