from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from repscape.errors import UnknownNameError
from repscape.training.networks import build, initialise
from repscape.training.objectives import (
    OBJECTIVES,
    augment,
    contrastive_loss,
    get_objective,
)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_augmented_images_keep_shape_type_and_range(images: Tensor, dtype: torch.dtype) -> None:
    views = augment(images.to(dtype), generator())
    assert views.shape == images.shape
    assert views.dtype == dtype
    assert views.min() == 0.0
    assert views.max() == 1.0


def test_augmentation_draws_from_its_generator_alone(images: Tensor) -> None:
    before = torch.get_rng_state()
    first = augment(images, generator(0))
    assert torch.equal(first, augment(images, generator(0)))
    assert not torch.equal(first, augment(images, generator(1)))
    assert torch.equal(before, torch.get_rng_state())


def test_augmentation_moves_its_generator_on(images: Tensor) -> None:
    source = generator()
    assert not torch.equal(augment(images, source), augment(images, source))


def test_augmentation_leaves_its_input_alone(images: Tensor) -> None:
    before = images.clone()
    augment(images, generator())
    assert torch.equal(images, before)


def test_each_image_is_changed_in_its_own_way(images: Tensor) -> None:
    views = augment(images[:1].expand(50, -1, -1, -1), generator())
    light = views.sum(dim=(1, 2, 3))
    assert light.unique().numel() == 50


def test_a_view_still_shows_the_same_digit(images: Tensor, labels: Tensor) -> None:
    views = augment(images, generator()).flatten(1)
    nearest = torch.cdist(views, images.flatten(1)).argmin(dim=1)
    assert (labels[nearest] == labels).double().mean() > 0.98
    assert (nearest != torch.arange(len(images))).any()


def test_a_bright_spot_moves_about_half_a_pixel_at_most() -> None:
    dot = torch.zeros(400, 1, 8, 8)
    dot[:, :, 3:5, 3:5] = 0.8  # in the middle, where turning and scaling move nothing
    views = augment(dot, generator())[:, 0].double()
    views = torch.where(views > 0.2, views, 0.0)
    at = torch.arange(8, dtype=torch.float64)
    for axis in (1, 2):
        weight = views.sum(dim=3 - axis)
        centre = (weight * at).sum(dim=1) / weight.sum(dim=1)
        assert (centre - 3.5).abs().max() < 0.75
        assert centre.min() < 3.25
        assert centre.max() > 3.75
        assert abs(centre.mean().item() - 3.5) < 0.1


def test_the_intensity_changes_by_a_fifth_at_most() -> None:
    grey = torch.full((400, 1, 8, 8), 0.5)
    level = augment(grey, generator())[:, 0, 2:6, 2:6].mean(dim=(1, 2))
    noise = 5 * 0.05 / 4  # five standard errors of the mean of sixteen pixels
    assert 0.4 - noise < level.min() < 0.42
    assert 0.58 < level.max() < 0.6 + noise


@pytest.mark.parametrize("temperature", [0.2, 1.0])
def test_the_contrastive_loss_is_its_formula(temperature: float) -> None:
    z = torch.randn((8, 5), generator=generator(), dtype=torch.float64)
    units = z / z.norm(dim=1, keepdim=True)
    terms = []
    for i in range(8):
        logits = [float(units[i] @ units[j]) / temperature for j in range(8)]
        below = sum(math.exp(logits[j]) for j in range(8) if j != i)
        terms.append(-math.log(math.exp(logits[(i + 4) % 8]) / below))
    assert contrastive_loss(z, temperature).item() == pytest.approx(sum(terms) / 8, abs=1e-12)


def test_the_contrastive_loss_of_equal_projections_is_log_of_the_others() -> None:
    equal = torch.ones(10, 3, dtype=torch.float64)
    assert contrastive_loss(equal, 0.2).item() == pytest.approx(math.log(9))


def test_the_contrastive_loss_vanishes_when_the_views_are_found() -> None:
    found = torch.eye(4, dtype=torch.float64).repeat(2, 1)
    assert contrastive_loss(found, 0.05).item() < 1e-7


def test_the_contrastive_loss_does_not_see_the_length_of_projections() -> None:
    z = torch.randn((8, 5), generator=generator(), dtype=torch.float64)
    lengths = torch.linspace(0.1, 10, 8, dtype=torch.float64)[:, None]
    assert contrastive_loss(z * lengths, 0.2).item() == pytest.approx(
        contrastive_loss(z, 0.2).item(), abs=1e-12
    )


@pytest.mark.parametrize(("name", "outputs"), [("supervised", 10), ("self-supervised", 64)])
def test_the_head_fits_the_features(name: str, outputs: int) -> None:
    head = get_objective(name).head(48)
    assert head(torch.zeros(3, 48)).shape == (3, outputs)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_the_loss_has_gradients_in_every_parameter(
    name: str, images: Tensor, labels: Tensor
) -> None:
    objective = get_objective(name)
    network = build("transformer", objective.head)
    initialise(network, generator())
    objective.loss(network, images[:20], labels[:20], generator()).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().max() > 0, parameter_name


def test_labels_matter_to_the_supervised_loss_only(images: Tensor, labels: Tensor) -> None:
    changed = {}
    for name in OBJECTIVES:
        objective = get_objective(name)
        network = build("mlp", objective.head)
        initialise(network, generator())
        losses = [objective.loss(network, images, y, generator()) for y in (labels, 9 - labels)]
        changed[name] = not torch.equal(*losses)
    assert changed == {"supervised": True, "self-supervised": False}


def test_the_supervised_loss_is_the_cross_entropy_of_one_view(
    images: Tensor, labels: Tensor
) -> None:
    objective = get_objective("supervised")
    network = build("mlp", objective.head)
    initialise(network, generator())
    logits = network(augment(images, generator(3)))
    expected = nn.functional.cross_entropy(logits, labels)
    assert torch.equal(objective.loss(network, images, labels, generator(3)), expected)


def test_an_unknown_objective_is_named_with_its_near_match() -> None:
    with pytest.raises(UnknownNameError, match="'supervized': did you mean 'supervised'"):
        get_objective("supervized")
