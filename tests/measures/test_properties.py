"""What every registered measure does with generated values, odd ones among them."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from repscape.compare import compare
from repscape.compute.arrays import as_tensor
from repscape.errors import RepscapeError
from repscape.measures.base import MEASURES, get_measure
from repscape.representation import Representation

SINGLE = 1e-4
"""How far rounding of float32 values may carry a score, as in `check_measure`."""
DOUBLE = 1e-7
EXCHANGED = {True: 1e-6, False: 1e-9}
"""How far another order of summation may, in float32 and in float64."""
CLASSES = 3


def few_neighbours(name: str) -> str:
    """With k = 3 where there is a k, so that few samples are enough."""
    has_k = "k" in {field.name for field in dataclasses.fields(get_measure(name))}
    return f"{name}[k=3]" if has_k else name


@st.composite
def sides(draw: st.DrawFn, n: int) -> np.ndarray:
    """Values of n samples: smooth, integers or all of one sign; then spoilt in some way."""
    d = draw(st.one_of(st.integers(2, 7), st.integers(2, 7), st.just(1)))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "integers", "positive", "rank one"]))
    x = rng.normal(size=(n, d))
    if kind == "integers":
        x = rng.integers(-1, 2, size=(n, d)).astype(float)
    elif kind == "positive":
        x = np.maximum(x, 0.0)
    elif kind == "rank one":
        x = np.outer(x[:, 0], rng.normal(size=d))
    spoil = draw(st.sampled_from(["nothing", "constant", "twice", "zero rows", "offset", "scale"]))
    if spoil == "constant":
        x[:, : draw(st.integers(1, d))] = draw(st.sampled_from([0.0, 1.0, -2.5]))
    elif spoil == "twice":
        x[n // 2 :] = x[: n - n // 2]
    elif spoil == "zero rows":
        x[: draw(st.integers(1, n))] = 0.0
    elif spoil == "offset":
        x[:, 0] += 300.0
    elif spoil == "scale":
        x *= draw(st.sampled_from([1e-4, 1e3]))
    return x.astype(draw(st.sampled_from([np.float16, np.float32, np.float64])))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.one_of(st.integers(6, 16), st.integers(6, 16), st.integers(1, 5)))
    x = draw(sides(n))
    y = x.copy() if draw(st.integers(0, 9)) == 0 else draw(sides(n))
    return x, y


@pytest.mark.parametrize("name", MEASURES.names())
@settings(deadline=None, max_examples=20, derandomize=True)
@given(pair=pairs())
def test_a_number_in_the_range_or_a_typed_error(name, pair):
    measure = get_measure(few_neighbours(name))
    labels = np.arange(len(pair[0])) % CLASSES
    before = [side.tobytes() for side in pair]

    def outcome(a: np.ndarray, b: np.ndarray) -> float | type[RepscapeError]:
        try:
            return compare(*(Representation(v, labels=labels) for v in (a, b)), measure).value
        except RepscapeError as reason:
            return type(reason)

    single = min(v.dtype.itemsize for v in pair) < 8
    found = outcome(*pair)
    assert outcome(*pair) == found
    assert [side.tobytes() for side in pair] == before
    if isinstance(found, float):
        low, high = measure.declared.range
        room = SINGLE if single else DOUBLE
        assert math.isfinite(found)
        assert low - room <= found <= high + room
    if measure.declared.symmetric:
        back = outcome(*pair[::-1])
        same_kind = isinstance(back, float) == isinstance(found, float)
        assert same_kind
        if isinstance(found, float) and isinstance(back, float):
            assert back == pytest.approx(found, rel=0, abs=EXCHANGED[single] * max(1, abs(found)))


@pytest.mark.parametrize("name", MEASURES.names())
@settings(deadline=None, max_examples=8, derandomize=True)
@given(pair=pairs())
def test_preparing_leaves_values_and_states_alone(name, pair):
    measure = get_measure(few_neighbours(name))
    labels = np.arange(len(pair[0])) % CLASSES
    if len(labels) < measure.declared.minimum_n:
        return
    x, y = (as_tensor(side) for side in pair)
    copies = x.clone(), y.clone()
    random_state = torch.get_rng_state()
    try:
        a, b = (measure.prepare_labelled(side, labels) for side in (x, y))
        first = measure.compare(a, b)
        again = measure.compare(a, b)
        other = measure.compare(b, b)
    except RepscapeError:
        return
    finally:
        assert torch.equal(x, copies[0])
        assert torch.equal(y, copies[1])
        assert torch.equal(torch.get_rng_state(), random_state)
    # A state serves many pairs: comparing changes nothing in it.
    assert again == first or math.isnan(first)
    fresh = measure.prepare_labelled(y, labels)
    assert measure.compare(fresh, fresh) == pytest.approx(other, rel=1e-12, nan_ok=True)
