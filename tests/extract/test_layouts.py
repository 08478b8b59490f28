"""Which axis holds the features: for layers of torch, and for what modules make of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from torch import nn

import repscape
from repscape.errors import InvalidRepresentationError
from repscape.extract.encode import encode


class Then(nn.Module):
    """Applies modules and functions in a row; `last` gives the result once more."""

    def __init__(self, *steps):
        super().__init__()
        self.inside = nn.ModuleList(s for s in steps if isinstance(s, nn.Module))
        self.last = nn.Identity()
        self._steps = steps

    def forward(self, x):
        for step in self._steps:
            x = step(x)
        return self.last(x)


class Block(nn.Module):
    """Convolution, then layers on the last axis, then back: ConvNeXt's way."""

    def __init__(self, channels):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.mix = nn.Linear(channels, channels)

    def forward(self, x):
        y = self.mix(self.norm(self.conv(x).permute(0, 2, 3, 1)))
        return x + y.permute(0, 3, 1, 2)


def images(n, *shape):
    return list(np.random.default_rng(0).normal(size=(n, *shape)).astype(np.float32))


def pooled(module, contents, layer="last", pooling="mean"):
    return encode(repscape.load_model(module), contents, layer, pooling)[layer, pooling].values


def whole(module, contents):
    with torch.no_grad():
        return module(torch.from_numpy(np.stack(contents))).double().numpy()


def to_last(x):
    return x.permute(0, 2, 3, 1)


CHANNELS_FIRST = [
    (Then(nn.Conv2d(3, 5, 1), nn.ReLU()), (3, 6, 7)),
    (Then(nn.Conv2d(3, 5, 1), nn.MaxPool2d(2)), (3, 6, 8)),
    (Then(nn.Conv2d(3, 5, 1), Block(5)), (3, 6, 7)),
    (Then(nn.Conv2d(3, 6, 1), nn.ReLU()), (3, 6, 6)),  # as many channels as rows and columns
    (Then(nn.Conv1d(3, 5, 1), nn.ReLU()), (3, 9)),
    (Then(nn.Conv1d(3, 5, 1), nn.BatchNorm1d(5), nn.GELU(), nn.AvgPool1d(3)), (3, 9)),
    (Then(nn.Conv3d(1, 4, 1), nn.ReLU()), (1, 2, 3, 5)),
]
CHANNELS_LAST = [
    (Then(nn.Conv2d(3, 5, 1), to_last, nn.LayerNorm(5)), (3, 6, 7)),
    (Then(to_last, nn.Linear(3, 5), nn.GELU()), (3, 6, 7)),
    (Then(nn.Conv2d(3, 5, 1), lambda x: x.flatten(2).transpose(1, 2), nn.Linear(5, 4)), (3, 6, 7)),
    (Then(nn.Conv1d(3, 5, 1), lambda x: x.transpose(1, 2), nn.LayerNorm(5), nn.ReLU()), (3, 9)),
    (Then(nn.Linear(7, 7), nn.ReLU()), (7, 7)),
]


@pytest.mark.parametrize(("module", "shape"), CHANNELS_FIRST)
def test_channels_first_is_pooled_over_what_follows(module, shape):
    contents = images(4, *shape)
    x = whole(module.eval(), contents)
    mean = pooled(module, contents)
    np.testing.assert_allclose(mean, x.mean(tuple(range(2, x.ndim))), rtol=1e-5, atol=1e-6)
    rows = pooled(module, contents, pooling="none")
    assert np.array_equal(rows[0], x[0].reshape(x.shape[1], -1)[:, 0].astype(np.float32))


@pytest.mark.parametrize(("module", "shape"), CHANNELS_LAST)
def test_channels_last_is_pooled_over_what_stands_between(module, shape):
    contents = images(4, *shape)
    x = whole(module, contents)
    mean = pooled(module, contents)
    np.testing.assert_allclose(mean, x.mean(tuple(range(1, x.ndim - 1))), rtol=1e-5, atol=1e-6)
    rows = pooled(module, contents, pooling="none")
    assert np.array_equal(rows, x.reshape(-1, x.shape[-1]).astype(np.float32))


SQUARES = [
    # what is done to an output whose axes have one length, and where its features are then
    (nn.Linear(7, 7), (7, 7), lambda x: x.transpose(1, 2), 1),
    (nn.Linear(7, 7), (7, 7), lambda x: x.transpose(1, 2).contiguous(), 1),
    (nn.Linear(7, 7), (7, 7), lambda x: torch.relu(x.mT) * 2 + torch.ones(7), 1),
    (nn.Linear(7, 7), (7, 7), lambda x: x + torch.tanh(x.mT).mT, 2),
    (nn.Linear(7, 7), (7, 7), lambda x: (x @ torch.ones(7, 7)).softmax(-1), 2),
    (nn.Linear(7, 7), (7, 7), lambda x: x.reshape(-1, 7).view(4, 7, 7).permute(0, 2, 1), 1),
    (nn.Linear(7, 7), (7, 7), lambda x: torch.stack([x, x], 1)[:, 0].mT, None),
    (nn.Linear(7, 7), (7, 7), lambda x: x @ x, None),
    (nn.Linear(7, 7), (7, 7), lambda x: x + x.mT, None),
    (nn.Conv1d(3, 6, 1), (3, 6), lambda x: x.transpose(1, 2), 2),
    (nn.Conv1d(3, 6, 1), (3, 6), lambda x: x[:, :, :5].repeat(1, 1, 2)[..., :6], 1),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), to_last, 3),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: torch.max_pool2d(torch.relu(x), 1), 1),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: x.permute(0, 2, 1, 3), None),
    (nn.Conv2d(3, 9, 1), (3, 3, 3), lambda x: x.flatten(2), 1),
    (nn.Conv2d(3, 9, 1), (3, 3, 3), lambda x: x.flatten(2).mT, 2),
    (Block(6), (6, 6, 6), lambda x: x, 1),
]


@pytest.mark.parametrize(("layer", "shape", "turn", "features"), SQUARES)
def test_a_square_is_pooled_over_the_right_axis_however_it_was_turned_or_refused(
    layer, shape, turn, features
):
    module, contents = Then(layer, turn), images(4, *shape)
    assert pooled(module, contents, pooling="flatten").shape[0] == 4
    if features is None:
        with pytest.raises(InvalidRepresentationError, match="axes cannot be told apart"):
            pooled(module, contents)
        return
    x = whole(module, contents)
    others = tuple(axis for axis in range(1, x.ndim) if axis != features)
    np.testing.assert_allclose(pooled(module, contents), x.mean(others), rtol=1e-5, atol=1e-6)


def test_the_linear_layers_of_gpt2_are_pooled_over_tokens_even_if_as_many_as_features():
    config = transformers.GPT2Config(
        vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2, attn_pdrop=0.0
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = transformers.GPT2Model(config).eval()
    tokens = torch.arange(16).reshape(2, 8) % 11  # eight tokens of eight features, no padding
    seen = {}
    layers = ("h.0.attn.c_attn", "h.0.mlp.c_fc", "h.0.mlp.act", "h.0.mlp.c_proj", "h.0")
    for name in layers:
        module.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: seen.__setitem__(
                name, out[0] if isinstance(out, tuple) else out
            )
        )
    with torch.no_grad():
        module(tokens)
    reps = repscape.extract(module, [(range(2), tokens)], layers)
    for name in layers:
        np.testing.assert_allclose(reps[name].values, seen[name].mean(1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        # (6, 6), then (3, 6): new channels, or as many features as there were channels?
        (Then(nn.Conv1d(3, 6, 1), nn.GLU(dim=1)), (3, 6)),
        # (6, 6), then (6, 12) by a product with itself
        (Then(nn.Linear(3, 6), lambda x: x @ torch.cat([x, -x], -1)), (6, 3)),
        # (9, 5), then (7, 5) by a product with new features, turned around
        (
            Then(nn.Linear(3, 9), lambda x: torch.einsum("ntd,de->net", x, torch.ones(9, 7))),
            (5, 3),
        ),
    ],
)
def test_new_features_beside_a_length_like_the_old_ones_are_an_error(module, shape):
    with pytest.raises(InvalidRepresentationError, match="axes cannot be told apart"):
        pooled(module, images(2, *shape))


class TimeFirst(nn.Module):
    """An old transformer: inside, time comes before the samples."""

    def __init__(self, attention):
        super().__init__()
        self.embed = nn.Linear(8, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=False) if attention else None
        self.norm = nn.LayerNorm(8)
        self.mix = nn.Linear(8, 8)
        self.block = nn.Identity()
        self.last = nn.Identity()

    def forward(self, x):
        y = self.embed(x).transpose(0, 1)
        if self.attention is not None:
            y = y + self.attention(y, y, y)[0]
        y = self.block(y + torch.relu(self.mix(self.norm(y))))
        return self.last(y.transpose(0, 1))


@pytest.mark.parametrize("attention", [True, False])
@pytest.mark.parametrize("samples", [4, 5, 8])
def test_time_before_samples_is_seen_also_where_they_are_as_many(attention, samples):
    """Five tokens of eight features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = TimeFirst(attention)
    x = torch.from_numpy(np.stack(images(samples, 5, 8)))
    seen = {}
    for name in ("norm", "mix", "block"):
        module.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: seen.__setitem__(name, out.detach())
        )
    expected = whole(module, list(x.numpy())).mean(1)
    reps = repscape.extract(module, [(range(samples), x)], [*seen, "last"], ["mean", "none"])
    for layer in ("block", "last"):
        np.testing.assert_allclose(reps[f"{layer}[mean]"].values, expected, rtol=1e-5, atol=1e-6)
    for layer in ("norm", "mix"):
        rows = seen[layer].transpose(0, 1).reshape(-1, 8).numpy()
        assert np.array_equal(reps[f"{layer}[none]"].values, rows)


def test_where_neither_time_nor_samples_are_known_squares_are_an_error():
    module = Then(lambda x: torch.einsum("ntd,td->tnd", x, torch.ones(5, 8)), nn.Identity())
    with pytest.raises(InvalidRepresentationError, match="its first axis must be the samples"):
        pooled(module, images(4, 5, 8))


def test_a_recurrent_layer_gives_its_states():
    module = Then(nn.LSTM(3, 6, batch_first=True), lambda pair: pair[0])
    contents = images(4, 7, 3)
    expected = whole(module, contents)[:, -1].astype(np.float32)
    assert np.array_equal(pooled(module, contents, "inside.0", "last_token"), expected)
