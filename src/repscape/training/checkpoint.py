"""Trained networks as artefacts of the store: each is trained once, and found again."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import torch

from repscape.data.arrays import ArrayData
from repscape.data.digits import digits
from repscape.errors import InvalidParameterError
from repscape.tasks import Recipe, Resources, Task
from repscape.training.networks import Network
from repscape.training.train import THREADS, TRAINING_VERSION, TrainingRecipe, train, untrained

if TYPE_CHECKING:
    from repscape.store import Store

KIND = "checkpoint"

Progress = Callable[[int, float], None]


def checkpoint_recipe(recipe: TrainingRecipe, data: ArrayData) -> Recipe:
    """Return the full recipe of a checkpoint: how it is trained, on which data, by which code.

    Whoever changes what `train` computes, the networks included, raises `TRAINING_VERSION`.
    """
    parameters = {"training": dataclasses.asdict(recipe), "data_revision": data.revision}
    return Recipe(KIND, TRAINING_VERSION, parameters)


def training_task(recipe: TrainingRecipe, data: ArrayData) -> Task:
    """Return the task that trains a network and commits its weights.

    The artefact holds one float32 array for each parameter, by its name in the network, and
    the mean loss of each epoch in its metadata. `data` is one of the splits that
    `repscape.data.digits.digits` returns, where the task loads it again when it runs.
    """
    return Task(
        checkpoint_recipe(recipe, data),
        run="repscape.training.checkpoint:train_and_store",
        label=f"train {recipe.name}",
        stage="train",
        arguments={"split": data.split.partition("[")[0]},
        resources=Resources(cpus=THREADS),
    )


def train_and_store(store: Store, task: Task) -> None:
    """Do what a `training_task` says.

    Raises
    ------
    InvalidParameterError
        If the split that it names is not the data in its recipe.
    """
    parameters, split = task.recipe.parameters, task.arguments["split"]
    data = digits(split)
    if data.revision != parameters["data_revision"]:
        raise InvalidParameterError(
            f"task {task.label!r} trains on the data {parameters['data_revision']}, but the split "
            f"{split!r} of the digits is {data.revision}: give a split that digits() returns, or "
            "train with trained()"
        )
    _train_and_store(store, task.recipe, TrainingRecipe(**parameters["training"]), data)


def _train_and_store(
    store: Store,
    stored: Recipe,
    recipe: TrainingRecipe,
    data: ArrayData,
    progress: Progress | None = None,
) -> None:
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


def load_network(recipe: Recipe, store: Store) -> Network:
    """Read the network of a `checkpoint_recipe` that was trained, in evaluation mode.

    Raises
    ------
    ArtefactMissingError
        If it has not been trained yet.
    CorruptArtefactError
        If its file is truncated or altered.
    """
    arrays = store.read_arrays(recipe.key)
    network = untrained(TrainingRecipe(**recipe.parameters["training"]))
    network.load_state_dict({name: torch.as_tensor(array) for name, array in arrays.items()})
    return network


def trained(
    recipe: TrainingRecipe,
    data: ArrayData,
    store: Store,
    progress: Progress | None = None,
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
    stored = checkpoint_recipe(recipe, data)
    if not store.has(stored.key):
        _train_and_store(store, stored, recipe, data, progress)
    return load_network(stored, store)
