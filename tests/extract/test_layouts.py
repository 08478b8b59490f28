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
    (nn.Linear(7, 7), (7, 7), lambda x: torch.stack([x, x], 1)[:, 0].mT, 1),
    (nn.Linear(7, 7), (7, 7), lambda x: x @ x, 2),
    (nn.Linear(7, 7), (7, 7), lambda x: (x @ x).mT, 1),
    (nn.Linear(7, 7), (7, 7), lambda x: x @ x.mT, None),  # no features: tokens × tokens
    (nn.Linear(7, 7), (7, 7), lambda x: x.mT @ x, None),  # features × features
    (nn.Linear(7, 7), (7, 7), lambda x: torch.ones(7, 7) @ x, 2),  # mixes the tokens
    (nn.Linear(7, 7), (7, 7), lambda x: torch.ones(7, 7) @ x.mT, 1),
    (nn.Linear(7, 7), (7, 7), lambda x: torch.fft.fft2(x).real, None),
    (nn.Linear(7, 7), (7, 7), lambda x: x + torch.fft.fft2(x).real, 2),
    (nn.Linear(7, 7), (7, 7), lambda x: torch.zeros(4, 7, 7).copy_(x.mT), 1),
    (nn.Linear(7, 7), (7, 7), lambda x: x + x.mT, None),
    (nn.Conv1d(3, 6, 1), (3, 6), lambda x: x.transpose(1, 2), 2),
    (nn.Conv1d(3, 6, 1), (3, 6), lambda x: x[:, :, :5].repeat(1, 1, 2)[..., :6], 1),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), to_last, 3),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: torch.max_pool2d(torch.relu(x), 1), 1),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: x.permute(0, 2, 1, 3), None),
    (nn.Conv2d(3, 9, 1), (3, 3, 3), lambda x: x.flatten(2), 1),
    (nn.Conv2d(3, 9, 1), (3, 3, 3), lambda x: x.flatten(2).mT, 2),
    (Block(6), (6, 6, 6), lambda x: x, 1),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: x * torch.sigmoid(x.mean((2, 3), keepdim=True)), 1),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: x.mean(1), None),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: x.mean(2), 1),
    (nn.Conv2d(3, 6, 1), (3, 6, 6), lambda x: x.mean(3).mT, 2),
    (nn.Conv1d(3, 6, 1), (3, 12), nn.GLU(dim=1), 1),
    (nn.Conv2d(3, 8, 1), (3, 4, 4), nn.PixelShuffle(2), 1),
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


class Attention(nn.Module):
    """Attention by hand: products of activations, with heads as axes or in a batch of their own."""

    def __init__(self, width, heads, how):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.heads, self.how = heads, how
        self.mixed = nn.Identity()

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = (
            part.view(n, t, self.heads, -1).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=-1)
        )
        if self.how == "einsum":
            weights = torch.einsum("nhqd,nhkd->nhqk", q, k).softmax(-1)
            y = torch.einsum("nhqk,nhkd->nqhd", weights, v).reshape(n, t, d)
        elif self.how == "bmm":
            q, k, v = (part.reshape(n * self.heads, t, -1) for part in (q, k, v))
            weights = torch.baddbmm(torch.zeros(1, t, t), q, k.mT).softmax(-1)
            y = torch.bmm(weights, v).view(n, self.heads, t, -1).transpose(1, 2).reshape(n, t, d)
        elif self.how == "sdpa":
            y = nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        else:  # channels first: (n, d, t)
            y = (v.mT @ (q @ k.mT).softmax(-1).mT).reshape(n, d, t)
        return self.mixed(y)


@pytest.mark.parametrize("how", ["einsum", "bmm", "sdpa", "turned"])
@pytest.mark.parametrize("tokens", [8, 5])
def test_attention_by_hand_is_pooled_over_its_tokens(how, tokens):
    """Eight features, in two heads: also where there are as many tokens."""
    module, contents = Attention(8, 2, how), images(3, tokens, 8)
    x = whole(module, contents)
    expected = x.mean(2 if how == "turned" else 1)
    assert expected.shape == (3, 8)
    found = pooled(module, contents, "mixed")
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    rows = pooled(module, contents, "mixed", "none")
    turned = x.transpose(0, 2, 1) if how == "turned" else x
    assert np.array_equal(rows, turned.reshape(-1, 8).astype(np.float32))


NEW_FEATURES = [
    # new features, by products, beside lengths that are like the old ones
    (nn.Linear(3, 6), lambda x: x @ torch.cat([x, -x], -1), (6, 3), 2),
    (nn.Linear(3, 9), lambda x: torch.einsum("ntd,de->net", x, torch.ones(9, 7)), (5, 3), 1),
    (
        nn.Linear(3, 6),
        lambda x: torch.einsum("ntd,tse->nse", x, torch.ones(5, 6, 12)),
        (5, 3),
        None,
    ),
    (nn.Linear(3, 6), lambda x: torch.einsum("ntd,st->nsd", x, torch.ones(9, 5)), (5, 3), 2),
    (nn.Conv1d(3, 6, 1), nn.GLU(dim=1), (3, 6), 1),
    (nn.Linear(3, 6), lambda x: torch.cdist(x, torch.ones(4, 12, 6)), (5, 3), None),
    (nn.Linear(3, 6), lambda x: x.unflatten(-1, (2, 3)).transpose(1, 2), (5, 3), None),  # heads
]


@pytest.mark.parametrize(("layer", "turn", "shape", "features"), NEW_FEATURES)
def test_new_features_made_by_products_are_followed_or_refused(layer, turn, shape, features):
    module, contents = Then(layer, turn), images(4, *shape)
    if features is None:
        with pytest.raises(InvalidRepresentationError, match="axes cannot be told apart"):
            pooled(module, contents)
        return
    expected = whole(module, contents).mean(3 - features)
    np.testing.assert_allclose(pooled(module, contents), expected, rtol=1e-5, atol=1e-6)


class OverTokens(nn.Module):
    """An MLP over the tokens, and one over the features: MLP-Mixer's block."""

    def __init__(self, tokens, width):
        super().__init__()
        self.over_tokens = nn.Sequential(nn.Linear(tokens, 9), nn.GELU(), nn.Linear(9, tokens))
        self.dropped = nn.Identity()
        self.block = nn.Identity()

    def forward(self, x):
        y = self.dropped(self.over_tokens(x.mT).mT)
        return self.block(x + y)


def test_a_linear_layer_over_the_tokens_leaves_the_features_where_they_are():
    """Seven tokens of six features, as many tokens as the layer before had features."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = Then(nn.Linear(3, 6), OverTokens(7, 6))
    contents = images(4, 7, 3)
    seen = {}
    layers = [
        "inside.1.over_tokens.0",
        "inside.1.over_tokens",
        "inside.1.dropped",
        "inside.1.block",
    ]
    for name in layers:
        module.get_submodule(name).register_forward_hook(
            lambda _, __, out, name=name: seen.__setitem__(name, out.double().numpy())
        )
    whole(module, contents)
    for name, places in zip(layers, (2, 2, 1, 1), strict=True):
        found = pooled(module, contents, name)
        assert found.shape == (4, 6)
        np.testing.assert_allclose(found, seen[name].mean(places), rtol=1e-5, atol=1e-6)


def test_what_is_written_into_another_tensor_piece_by_piece_is_refused():
    def pieces(x):
        out = torch.zeros(4, 6, 5)
        for place in range(5):
            out[:, :, place] = x[:, place]
        return out

    with pytest.raises(InvalidRepresentationError, match="axes cannot be told apart"):
        pooled(Then(nn.Linear(3, 6), pieces), images(4, 5, 3))


def test_what_goes_into_a_layer_is_as_the_layer_takes_it():
    for layer, places in ((nn.Conv1d(3, 5, 1), 2), (nn.Linear(9, 5), 1)):
        contents = images(4, 3, 9)
        found = pooled(nn.Sequential(layer), contents, "0:input")
        expected = np.stack(contents).astype(np.float64).mean(places)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


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


def test_time_first_without_any_layer_and_where_it_is_unknown():
    module = Then(lambda x: torch.einsum("ntd,td->tnd", x, torch.ones(5, 8)), nn.Identity())
    contents = images(4, 5, 8)
    expected = np.stack(contents).mean(1)
    np.testing.assert_allclose(pooled(module, contents), expected, rtol=1e-5, atol=1e-6)
    module = Then(lambda x: torch.cdist(x.transpose(0, 1), torch.ones(5, 6, 8)), nn.Identity())
    with pytest.raises(InvalidRepresentationError, match="its first axis must be the samples"):
        pooled(module, contents)


def test_a_recurrent_layer_gives_its_states():
    module = Then(nn.LSTM(3, 6, batch_first=True), lambda pair: pair[0])
    contents = images(4, 7, 3)
    expected = whole(module, contents)[:, -1].astype(np.float32)
    assert np.array_equal(pooled(module, contents, "inside.0", "last_token"), expected)
