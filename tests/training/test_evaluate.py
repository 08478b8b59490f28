from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from repscape.data.arrays import ArrayData
from repscape.training.evaluate import head_accuracy, held_out_accuracy, neighbour_accuracy
from repscape.training.networks import Network
from repscape.training.train import TrainingRecipe, train, untrained

KINDS = list(product(("cnn", "mlp", "transformer"), ("supervised", "self-supervised")))


def trained_on(recipe: TrainingRecipe, data: ArrayData) -> Network:
    return train(recipe, torch.from_numpy(data.inputs), torch.from_numpy(data.labels)).network


def test_three_epochs_teach_the_labels(training: ArrayData, held_out: ArrayData) -> None:
    recipe = TrainingRecipe("mlp", "supervised", seed=0, epochs=3)
    assert head_accuracy(untrained(recipe), held_out) < 0.3
    assert held_out_accuracy(recipe, trained_on(recipe, training), training, held_out) > 0.9


def test_self_supervision_improves_the_features_of_the_transformer(
    training: ArrayData, held_out: ArrayData
) -> None:
    recipe = TrainingRecipe("transformer", "self-supervised", seed=0, epochs=2)
    before = neighbour_accuracy(untrained(recipe), training, held_out)
    network = trained_on(recipe, training)
    after = held_out_accuracy(recipe, network, training, held_out)
    assert after == neighbour_accuracy(network, training, held_out)
    assert before < 0.89 < after


@pytest.mark.slow
@pytest.mark.parametrize(("architecture", "objective"), KINDS)
def test_the_default_recipe_teaches_every_network(
    architecture: str, objective: str, training: ArrayData, held_out: ArrayData
) -> None:
    recipe = TrainingRecipe(architecture, objective, seed=0)
    network = trained_on(recipe, training)
    least = {"supervised": 0.95, "self-supervised": 0.93}[objective]
    assert held_out_accuracy(recipe, network, training, held_out) > least


def test_head_accuracy_counts_the_largest_outputs(held_out: ArrayData) -> None:
    network = untrained(TrainingRecipe("mlp", "supervised", seed=0))
    with torch.no_grad():
        outputs = network(torch.from_numpy(held_out.inputs)).numpy()
    hits = [
        int(np.argmax(row)) == label for row, label in zip(outputs, held_out.labels, strict=True)
    ]
    assert head_accuracy(network, held_out) == sum(hits) / len(hits)


def test_an_image_is_its_own_nearest_neighbour(held_out: ArrayData) -> None:
    network = untrained(TrainingRecipe("mlp", "supervised", seed=0))
    assert neighbour_accuracy(network, held_out, held_out, k=1) == 1.0
