"""How well a trained network tells held-out images apart."""

from __future__ import annotations

import torch
from torch import Tensor

from repscape.data.arrays import ArrayData
from repscape.training.networks import Network
from repscape.training.objectives import get_objective
from repscape.training.train import TrainingRecipe

NEIGHBOURS = 5


def held_out_accuracy(
    recipe: TrainingRecipe, network: Network, training: ArrayData, held_out: ArrayData
) -> float:
    """The fraction of held-out images that are recognised.

    By the head if the objective trains it to predict labels, else by `neighbour_accuracy`.
    """
    if get_objective(recipe.objective).head_predicts_labels:
        return head_accuracy(network, held_out)
    return neighbour_accuracy(network, training, held_out)


def head_accuracy(network: Network, held_out: ArrayData) -> float:
    """The fraction of images whose label is the largest output of the head."""
    with torch.no_grad():
        predicted: Tensor = network(torch.from_numpy(held_out.inputs)).argmax(dim=1)
    return float((predicted.numpy() == held_out.labels).mean())


def neighbour_accuracy(
    network: Network, training: ArrayData, held_out: ArrayData, k: int = NEIGHBOURS
) -> float:
    """The fraction of images whose label most of their k nearest training images share.

    Nearness is cosine similarity of the feature vectors. An untrained network reaches about
    0.9 on the digits, so compare with `untrained(recipe)`.
    """
    from sklearn.neighbors import KNeighborsClassifier

    with torch.no_grad():
        known = network.features(torch.from_numpy(training.inputs)).double().numpy()
        new = network.features(torch.from_numpy(held_out.inputs)).double().numpy()
    classifier = KNeighborsClassifier(k, metric="cosine").fit(known, training.labels)
    return float(classifier.score(new, held_out.labels))
