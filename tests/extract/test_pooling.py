from __future__ import annotations

import pytest
import torch

from repscape.errors import InvalidParameterError, InvalidRepresentationError, UnknownNameError
from repscape.extract.layers import Call
from repscape.extract.marks import Marks
from repscape.extract.places import Places
from repscape.extract.pooling import POOLINGS, get_pooling, get_poolings, weighted_at_once
from repscape.extract.rows import RowSpec
from repscape.extract.trace import TracedOutput

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SHAPES = [(5,), (4, 5), (4, 1), (3, 2, 6), (3, 1, 1), (2, 2, 3, 2)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_values_equal_loops_over_the_positions(dtype):
    images = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).reshape(2, 3, 2, 2).to(dtype)
    pixels = [[images[n, :, h, w] for h in range(2) for w in range(2)] for n in range(2)]
    mean = torch.stack([sum(p.double() for p in sample) / 4 for sample in pixels])
    assert torch.equal(get_pooling("mean").reduce(images, "first"), mean)
    assert torch.equal(
        get_pooling("none").reduce(images, "first"), torch.stack([*pixels[0], *pixels[1]])
    )
    flat = torch.stack([torch.cat([c.reshape(-1) for c in sample]) for sample in images])
    assert torch.equal(get_pooling("flatten").reduce(images, "first"), flat)


def test_values_equal_loops_over_the_tokens():
    tokens = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    rows = [tokens[n, t] for n in range(3) for t in range(4)]
    assert torch.equal(get_pooling("none").reduce(tokens), torch.stack(rows))
    assert torch.equal(get_pooling("flatten").reduce(tokens), torch.stack(rows).reshape(3, 20))
    torch.testing.assert_close(
        get_pooling("mean").reduce(tokens),
        torch.stack([sum(tokens[n, t].double() for t in range(4)) / 4 for n in range(3)]),
        rtol=1e-15,
        atol=0,
    )


@pytest.mark.parametrize("name", sorted(POOLINGS))
def test_two_axes_pass_through(name):
    x = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(get_pooling(name).reduce(x), x)


@pytest.mark.parametrize("name", ["mean", "max", "flatten", "none", "spatial_mean"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_announced_shape_is_that_of_the_rows(name, shape):
    if name == "spatial_mean" and len(shape) == 2:
        return
    layout = "first" if len(shape) > 2 else "last"
    pooling, x = get_pooling(name), torch.zeros(7, *shape)
    spec = RowSpec.of(TracedOutput.of(Call("a", 0), x, layout), pooling)
    assert pooling.reduce(x, layout).shape == (7 * spec.per_sample, spec.width)


def test_a_mean_in_half_precision_does_not_overflow_or_stagnate():
    big = torch.full((1, 4096, 1), 60000.0, dtype=torch.float16)
    assert get_pooling("mean").reduce(big).item() == 60000.0 - 60000.0 % 32
    fine = torch.full((1, 1, 100, 100), 1.0009765625, dtype=torch.float16)
    assert get_pooling("mean").reduce(fine, "first").item() == 1.0009765625


@pytest.mark.parametrize("shape", [(40, 3, 64, 64), (40, 100, 70), (3, 2, 400, 400)])
def test_a_mean_taken_in_pieces_is_the_mean_of_each_sample(shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    mean = get_pooling("mean").reduce(x, "last" if x.ndim == 3 else "first")
    axes = (1,) if x.ndim == 3 else (2, 3)
    torch.testing.assert_close(mean, x.double().mean(axes), rtol=1e-12, atol=1e-15)


def test_positions_go_row_by_row():
    image = torch.tensor([[[[0.0, 1.0], [2.0, 3.0]]]])
    assert Places.of(image, "first", Marks()).values[0, :, 0].tolist() == [0, 1, 2, 3]


def test_an_unknown_pooling_names_the_near_one():
    with pytest.raises(UnknownNameError, match="'flaten' is unknown: did you mean 'flatten'"):
        get_pooling("flaten")


MASK = torch.tensor([[0, 1, 1, 0, 1], [1, 1, 1, 1, 1], [0, 0, 0, 1, 0]], dtype=torch.bool)


@pytest.mark.parametrize("hidden", [0.0, float("nan"), float("inf"), 1e30])
def test_positions_that_do_not_count_have_no_part_whatever_they_hold(hidden):
    x = torch.randn(3, 5, 4, generator=torch.Generator().manual_seed(0))
    dirty = torch.where(MASK[..., None], x, torch.tensor(hidden))
    marks = Marks(MASK, torch.ones_like(MASK))
    kept = [sample[mask].double() for sample, mask in zip(x, MASK, strict=True)]
    steps = [torch.arange(1, len(one) + 1).double() for one in kept]
    expected = {
        "mean": [one.mean(0) for one in kept],
        "max": [one.amax(0) for one in kept],
        "first_token": [one[0] for one in kept],
        "last_token": [one[-1] for one in kept],
        "weighted_mean": [w @ one / w.sum() for w, one in zip(steps, kept, strict=True)],
    }
    for name, rows in expected.items():
        given = get_pooling(name).reduce(dirty, "last", marks)
        torch.testing.assert_close(given.double(), torch.stack(rows), rtol=1e-12, atol=1e-12)
    assert torch.equal(get_pooling("none").reduce(dirty, "last", marks), x[MASK])
    weights = MASK.double() * torch.tensor([1.0, 2, 3, 4, 5])
    slow = torch.stack(
        [w[m] @ s[m].double() / w.sum() for s, m, w in zip(x, MASK, weights, strict=True)]
    )
    torch.testing.assert_close(weighted_at_once(dirty, weights), slow, rtol=1e-12, atol=1e-12)


def test_a_mask_about_other_positions_is_an_error():
    shorter, maps = torch.zeros(3, 4, 2), torch.zeros(3, 2, 5, 5)
    for output, message in ((shorter, "4 positions where the batch has 5"), (maps, "no vector")):
        with pytest.raises(InvalidRepresentationError, match=message):
            get_pooling("mean").reduce(output, "last", Marks(MASK))
    nothing = Marks(torch.zeros(3, 5, dtype=torch.bool))
    with pytest.raises(InvalidRepresentationError, match="no token that counts"):
        get_pooling("mean").reduce(torch.zeros(3, 5, 2), "last", nothing)
    with pytest.raises(InvalidRepresentationError, match="tokens, not places in space"):
        get_pooling("spatial_mean").reduce(torch.zeros(3, 5, 2), "last", Marks(MASK))


def test_several_poolings_each_once():
    assert [p.name for p in get_poolings(["max", "mean", "max"])] == ["max", "mean"]
    with pytest.raises(InvalidParameterError, match="pooling is empty"):
        get_poolings([])
