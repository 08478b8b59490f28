"""The distances within a bracket, collected in one pass over a tile of products."""

from __future__ import annotations

import numpy as np
import pytest

from repscape.compute.compiled_ranks import collect_between


@pytest.mark.parametrize("above", [False, True])
def test_those_within_the_bracket_are_written_and_those_below_counted(above: bool) -> None:
    rng = np.random.default_rng(4)
    # Small integers: many ties, also with the ends of the bracket, and exact sums.
    wide = rng.integers(-3, 4, (9, 20)).astype(np.float32)
    products = wide[:, 5:14]
    norms = rng.integers(2, 6, (2, 9)).astype(float)
    distances = np.maximum(norms[0][:, None] + norms[1] - 2.0 * products, 0.0)
    wanted = distances[np.triu_indices(9, 1)] if above else distances.ravel()
    out = np.full(100, -1.0)
    flat = wide.ravel()[5 : 5 + 8 * 20 + 9]
    below, held = collect_between(flat, 20, norms[0], norms[1], above, 4.0, 9.0, out)
    assert below == int((wanted < 4.0).sum())
    assert out[:held].tolist() == wanted[(wanted >= 4.0) & (wanted <= 9.0)].tolist()
    assert {4.0, 9.0} <= set(out[:held])


def test_too_little_room_is_said() -> None:
    products, norms = np.zeros(16), np.ones(4)
    assert collect_between(products, 4, norms, norms, False, 0.0, 9.0, np.empty(7)) == (0, -1)
    below, held = collect_between(products, 4, norms, norms, False, 0.0, 9.0, np.empty(16))
    assert (below, held) == (0, 16)
