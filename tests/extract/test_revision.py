from __future__ import annotations

import pytest
import torch
from torch import nn
from toy_networks import Conv, Reused, build

from repscape.errors import InvalidParameterError
from repscape.extract.revision import digest_of_weights


def test_equal_networks_have_equal_digests_and_other_seeds_others():
    assert digest_of_weights(build(Conv)) == digest_of_weights(build(Conv))
    assert digest_of_weights(build(Conv)) != digest_of_weights(build(Conv, seed=1))


def test_training_flags_gradients_and_hooks_do_not_matter():
    network = build(Conv)
    before = digest_of_weights(network)
    network.eval().requires_grad_(False)
    network.conv1.register_forward_hook(lambda *_: None)
    assert digest_of_weights(network) == before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_one_flipped_bit_in_any_weight_or_buffer_changes_it(dtype):
    network = build(Conv).to(dtype)
    before = digest_of_weights(network)
    for tensor in [*network.parameters(), *network.buffers()]:
        data = tensor.data.reshape(-1).view(torch.uint8)
        data[-1] ^= 1
        assert digest_of_weights(network) != before
        data[-1] ^= 1
    assert digest_of_weights(network) == before


def test_dtype_shape_and_name_of_a_weight_matter():
    zeros = torch.zeros(4)
    variants = [zeros, zeros.reshape(2, 2), zeros.half(), torch.zeros(2, dtype=torch.float64)]
    digests = set()
    for name in ("a", "b"):
        for tensor in variants:
            module = nn.Module()
            module.register_buffer(name, tensor)
            digests.add(digest_of_weights(module))
    assert len(digests) == 8


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (nn.ReLU(), nn.Tanh()),
        (nn.LeakyReLU(0.1), nn.LeakyReLU(0.2)),
        (nn.MaxPool2d(2), nn.MaxPool2d(2, stride=1)),
        (nn.GELU(), nn.GELU(approximate="tanh")),
        (nn.Sequential(nn.ReLU(), nn.Tanh()), nn.Sequential(nn.Tanh(), nn.ReLU())),
    ],
)
def test_networks_with_equal_weights_that_compute_other_things_differ(one, other):
    assert digest_of_weights(one) != digest_of_weights(other)


def test_an_activation_held_as_a_function_matters():
    layers = [
        nn.TransformerEncoderLayer(8, 2, 16, activation=f).requires_grad_(False)
        for f in (torch.relu, torch.tanh)
    ]
    layers[1].load_state_dict(layers[0].state_dict())
    assert digest_of_weights(layers[0]) != digest_of_weights(layers[1])


def test_the_class_matters():
    class Other(Reused):
        pass

    assert digest_of_weights(build(Other)) != digest_of_weights(build(Reused))


@pytest.mark.parametrize("module", [nn.LazyLinear(3), nn.Linear(3, 3, device="meta")])
def test_weights_without_values_are_refused(module):
    with pytest.raises(InvalidParameterError, match="weight 'bias' has no values yet"):
        digest_of_weights(module)
