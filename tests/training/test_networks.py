from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from repscape.errors import UnknownNameError
from repscape.training.networks import (
    ARCHITECTURES,
    HIDDEN_LAYERS,
    IMAGE_SHAPE,
    Network,
    build,
    initialise,
)

SHAPES = {
    "cnn": [(3, 32, 8, 8), (3, 32, 4, 4), (3, 64, 4, 4), (3, 64, 2, 2)],
    "mlp": [(3, 128)] * 4,
    "transformer": [(3, 16, 48)] * 4,
}


def made(architecture: str, seed: int = 0) -> Network:
    network = build(architecture, lambda width: nn.Linear(width, 10))
    initialise(network, torch.Generator().manual_seed(seed))
    return network


def hidden_layers(network: Network, images: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    for name in HIDDEN_LAYERS:
        network.get_submodule(name).register_forward_hook(
            lambda _module, _inputs, output, name=name: seen.update({name: output})
        )
    network(images)
    return seen


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_hidden_layers_are_called_once_in_the_order_of_their_names(
    architecture: str, images: Tensor
) -> None:
    seen = hidden_layers(made(architecture), images[:3])
    assert list(seen) == list(HIDDEN_LAYERS)
    assert [tuple(output.shape) for output in seen.values()] == SHAPES[architecture]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_forward_is_the_head_of_the_features(architecture: str, images: Tensor) -> None:
    network = made(architecture)
    features = network.features(images[:5])
    assert features.shape == (5, network.feature_width)
    assert torch.equal(network(images[:5]), network.head(features))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_image_has_the_same_features_in_any_batch_and_mode(
    architecture: str, images: Tensor
) -> None:
    network = made(architecture)
    together = network.train().features(images[:7])
    alone = network.eval().features(images[3:4])
    torch.testing.assert_close(together[3:4], alone, rtol=1e-5, atol=1e-6)


def test_the_features_are_the_average_of_the_last_maps(images: Tensor) -> None:
    network = made("cnn")
    maps = hidden_layers(network, images[:3])["blocks.3"]
    torch.testing.assert_close(network.features(images[:3]), maps.flatten(2).mean(2))


def test_the_tokens_of_the_transformer_stand_for_patches_row_by_row(images: Tensor) -> None:
    network = made("transformer")
    tokens: list[Tensor] = []
    network.blocks[0].register_forward_pre_hook(lambda _module, inputs: tokens.append(inputs[0]))
    changed = images[:1].clone()
    changed[0, 0, 2:4, 6:8] += 1.0  # the second row of patches, the fourth patch
    network(images[:1])
    network(changed)
    moved = (tokens[0] != tokens[1]).any(dim=2)[0]
    assert moved.nonzero().flatten().tolist() == [7]


def test_only_the_positions_tell_the_order_of_patches(images: Tensor) -> None:
    network = made("transformer")
    # An image of 2 × 2 patches that are constant, and the same patches in the reverse order.
    patches = images[:4, :, ::2, ::2].repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    turned = patches.flip(dims=(2, 3))
    assert (network.features(patches) - network.features(turned)).abs().max() > 0.01
    with torch.no_grad():
        network.positions.zero_()
    torch.testing.assert_close(network.features(patches), network.features(turned))


def test_attention_is_a_softmax_average_of_values() -> None:
    network = made("transformer").double()
    block = network.blocks[0]
    tokens = torch.randn((2, 16, 48), generator=torch.Generator().manual_seed(1)).double()
    normed = block.attention_norm(tokens)
    queries, keys, values = block.queries_keys_values(normed).split(48, dim=2)
    heads = []
    for part in (slice(0, 24), slice(24, 48)):
        scores = queries[..., part] @ keys[..., part].transpose(1, 2) / math.sqrt(24)
        heads.append(scores.softmax(dim=2) @ values[..., part])
    mixed = tokens + block.attention_out(torch.cat(heads, dim=2))
    hidden = nn.functional.gelu(block.perceptron_in(block.perceptron_norm(mixed)))
    torch.testing.assert_close(block(tokens), mixed + block.perceptron_out(hidden))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parameters_come_from_the_generator_alone(architecture: str) -> None:
    first, again, other = made(architecture, 0), made(architecture, 0), made(architecture, 1)
    for name, parameter in first.named_parameters():
        assert torch.equal(parameter, again.get_parameter(name)), name
        if parameter.ndim >= 2:
            assert not torch.equal(parameter, other.get_parameter(name)), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parameters_have_the_declared_scale(architecture: str) -> None:
    for name, parameter in made(architecture).named_parameters():
        values = parameter.detach().double()
        if name == "positions":
            expected = 0.5
        elif parameter.ndim >= 2:
            expected = parameter[0].numel() ** -0.5 * (8**-0.5 if "_out." in name else 1.0)
        else:
            assert values.unique().tolist() == [1.0 if name.endswith("norm.weight") else 0.0], name
            continue
        tolerance = 5 / math.sqrt(2 * values.numel())  # five standard errors
        assert values.std(correction=0).item() == pytest.approx(expected, rel=tolerance), name
        assert abs(values.mean().item()) < 5 * expected / math.sqrt(values.numel()), name


def test_the_hidden_layers_begin_alike_whatever_the_head() -> None:
    plain = made("cnn")
    other = build("cnn", lambda width: nn.Sequential(nn.Linear(width, 7), nn.Linear(7, 3)))
    initialise(other, torch.Generator().manual_seed(0))
    for name, parameter in plain.blocks.named_parameters():
        assert torch.equal(parameter, other.blocks.get_parameter(name)), name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_parameters_are_float32_whatever_the_default_type(architecture: str) -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        network = made(architecture)
    finally:
        torch.set_default_dtype(before)
    assert {parameter.dtype for parameter in network.parameters()} == {torch.float32}
    assert {parameter.device.type for parameter in network.parameters()} == {"cpu"}


def test_an_unknown_architecture_is_named_with_its_near_match() -> None:
    with pytest.raises(UnknownNameError, match="'transfomer': did you mean 'transformer'"):
        build("transfomer", lambda width: nn.Linear(width, 10))


def test_images_have_one_channel_of_eight_by_eight(images: Tensor) -> None:
    assert tuple(images.shape[1:]) == IMAGE_SHAPE
