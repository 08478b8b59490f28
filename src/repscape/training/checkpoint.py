"""Trained networks as artefacts of the store: each is trained once, and found again."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from repscape.data.arrays import ArrayData
from repscape.tasks import Recipe, Task
from repscape.training.networks import Network
from repscape.training.train import THREADS, TRAINING_VERSION, TrainingRecipe, train, untrained

if TYPE_CHECKING:
    from repscape.store import Store

KIND = "checkpoint"


def checkpoint_recipe(recipe: TrainingRecipe, data: ArrayData) -> Recipe:
    """Return the full recipe of a checkpoint: how it is trained, on which data, by which code.

    Whoever changes what `train` computes, the networks included, raises `TRAINING_VERSION`.
    """
    parameters = {"training": dataclasses.asdict(recipe), "data_revision": data.revision}
    return Recipe(KIND, TRAINING_VERSION, parameters)


def training_task(
    recipe: TrainingRecipe,
    data: ArrayData,
    progress: Callable[[int, float], None] | None = None,
) -> Task:
    """Return the task that trains a network and commits its weights.

    The artefact holds one float32 array for each parameter, by its name in the network, and
    the mean loss of each epoch in its metadata.
    """
    stored = checkpoint_recipe(recipe, data)

    def make(store: Store) -> None:
        begin = time.perf_counter()
        images, labels = torch.from_numpy(data.inputs), torch.from_numpy(data.labels)
        result = train(recipe, images, labels, progress)
        seconds = round(time.perf_counter() - begin, 3)
        store.write_arrays(
            stored,
            result.network.state_dict(),
            metadata={"losses": list(result.losses)},
            beside={"device": "cpu", "threads": THREADS, "seconds": seconds},
        )

    return Task(stored, make, label=f"train {recipe.name}", stage="train", threads=THREADS)


def load_network(task: Task, store: Store) -> Network:
    """Read the network that a `training_task` has trained, in evaluation mode.

    Raises
    ------
    ArtefactMissingError
        If it has not been trained yet.
    CorruptArtefactError
        If its file is truncated or altered.
    """
    arrays = store.read_arrays(task.key)
    network = untrained(TrainingRecipe(**task.recipe.parameters["training"]))
    network.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
    return network


def trained(
    recipe: TrainingRecipe,
    data: ArrayData,
    store: Store,
    progress: Callable[[int, float], None] | None = None,
) -> Network:
    """Return the network that this recipe gives on this data, trained now if it never was.

    The weights are committed before this returns, so that a run that is killed begins again
    at the first network that it had not finished.

    Parameters
    ----------
    recipe : TrainingRecipe
        What to train, and how.
    data : ArrayData
        The training images and labels.
    store : Store
        Where trained networks are kept.
    progress : callable, optional
        Called after each epoch of training, see `repscape.training.train.train`.

    Raises
    ------
    InvalidParameterError
        If the data do not fit, or training diverges.
    CorruptArtefactError
        If the store has the network, but its file is truncated or altered.
    StoreNotWritableError
        If the disk is full or read-only.
    """
    task = training_task(recipe, data, progress)
    if not store.has(task.key):
        task.make(store)
    return load_network(task, store)
