"""Train one small network: the same recipe and data give the same bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from repscape.compute.threads import one_thread
from repscape.errors import InvalidParameterError
from repscape.training.networks import IMAGE_SHAPE, Network, build, initialise
from repscape.training.objectives import CLASSES, Objective, get_objective

TRAINING_VERSION = 1
THREADS = 1
_WARM_UP = 0.1


@dataclass(frozen=True)
class TrainingRecipe:
    """All that determines a trained network, given the data.

    The defaults train every architecture with either objective, so that networks can differ
    in one factor and nothing else. Networks of one architecture and one seed begin with the
    same hidden layers, whatever their objective.

    Attributes
    ----------
    architecture : str
        One of `repscape.training.networks.ARCHITECTURES`.
    objective : str
        One of `repscape.training.objectives.OBJECTIVES`.
    seed : int
        Of the first parameters, the order of the images and their augmentation.
    epochs, batch_size : int
        Passes over the images, and images per step; the last images of an epoch that do not
        fill a batch are left out.
    learning_rate, weight_decay : float
        Of AdamW (Loshchilov and Hutter 2019). The rate rises linearly for a tenth of the
        steps, then falls to zero as half a cosine.

    Raises
    ------
    UnknownNameError
        If there is no such architecture or objective.
    InvalidParameterError
        If a number has the wrong type or sign.
    """

    architecture: str
    objective: str
    seed: int
    epochs: int = 10
    batch_size: int = 50
    learning_rate: float = 3e-3
    weight_decay: float = 0.05

    def __post_init__(self) -> None:
        for name, minimum in (("seed", 0), ("epochs", 1), ("batch_size", 2)):
            value = getattr(self, name)
            if type(value) is not int or value < minimum:
                raise InvalidParameterError(
                    f"{name}={value!r}: give a whole number of at least {minimum}"
                )
        for name in ("learning_rate", "weight_decay"):
            value = float(getattr(self, name))
            if not (math.isfinite(value) and value >= 0):
                raise InvalidParameterError(f"{name}={value!r}: give a number of at least 0")
            object.__setattr__(self, name, value)
        _check_names(self.architecture, self.objective)

    @property
    def name(self) -> str:
        """`architecture/objective/seed`, for tables and progress displays."""
        return f"{self.architecture}/{self.objective}/{self.seed}"


@dataclass(frozen=True)
class TrainingResult:
    """A trained network, and the mean loss of each epoch."""

    network: Network
    losses: tuple[float, ...]


def untrained(recipe: TrainingRecipe) -> Network:
    """Return the network that training by this recipe begins with."""
    return _begin(recipe)[0].eval()


def train(
    recipe: TrainingRecipe,
    images: Tensor,
    labels: Tensor,
    progress: Callable[[int, float], None] | None = None,
) -> TrainingResult:
    """Train a network on the CPU with one thread.

    The global random state is neither used nor changed, and the number of threads is put back.

    Parameters
    ----------
    recipe : TrainingRecipe
        What to train, and how.
    images : (n, 1, 8, 8) tensor
        float32 pixels between 0 and 1.
    labels : (n,) tensor
        int64 classes, 0 … 9. A self-supervised objective does not use them.
    progress : callable, optional
        Called after each epoch with the number of finished epochs and the mean loss of the last.

    Returns
    -------
    TrainingResult
        The network in evaluation mode.

    Raises
    ------
    InvalidParameterError
        If images or labels have another shape, type or range, if they are fewer than a batch,
        or if the loss stops being finite.
    """
    _check_data(recipe, images, labels)
    with one_thread(), torch.device("cpu"), torch.enable_grad():
        network, generator = _begin(recipe)
        objective = get_objective(recipe.objective)
        optimizer = torch.optim.AdamW(
            network.parameters(),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        steps = recipe.epochs * (len(images) // recipe.batch_size)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: _rate(s, steps))
        losses: list[float] = []
        for epoch in range(1, recipe.epochs + 1):
            batches = _batches(images, labels, recipe.batch_size, generator)
            losses.append(_epoch(network, objective, batches, optimizer, schedule, generator))
            _check_finite(recipe, epoch, losses[-1])
            if progress is not None:
                progress(epoch, losses[-1])
    return TrainingResult(network.eval(), tuple(losses))


@cache
def _check_names(architecture: str, objective: str) -> None:
    """Refuse unknown ones; a study asks for the same over and over."""
    build(architecture, get_objective(objective).head)


def _begin(recipe: TrainingRecipe) -> tuple[Network, torch.Generator]:
    generator = torch.Generator().manual_seed(recipe.seed)
    network = build(recipe.architecture, get_objective(recipe.objective).head)
    initialise(network, generator)
    return network, generator


def _epoch(
    network: Network,
    objective: Objective,
    batches: Iterator[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    generator: torch.Generator,
) -> float:
    losses: list[float] = []
    for images, labels in batches:
        optimizer.zero_grad()
        loss = objective.loss(network, images, labels, generator)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return math.fsum(losses) / len(losses)


def _batches(
    images: Tensor, labels: Tensor, size: int, generator: torch.Generator
) -> Iterator[tuple[Tensor, Tensor]]:
    order = torch.randperm(len(images), generator=generator)
    for start in range(0, len(images) - size + 1, size):
        rows = order[start : start + size]
        yield images[rows], labels[rows]


def _rate(step: int, steps: int) -> float:
    """The fraction of the learning rate that is used in a step, counted from 0."""
    warm = int(_WARM_UP * steps)
    if step < warm:
        return (step + 1) / (warm + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))


def _check_data(recipe: TrainingRecipe, images: Tensor, labels: Tensor) -> None:
    if images.shape[1:] != IMAGE_SHAPE or images.dtype != torch.float32:
        raise InvalidParameterError(
            f"the images have shape {tuple(images.shape)} and type {images.dtype}: give "
            f"(n, {', '.join(map(str, IMAGE_SHAPE))}) and torch.float32"
        )
    if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
        raise InvalidParameterError(
            f"the labels have shape {tuple(labels.shape)} and type {labels.dtype}: give one "
            f"torch.int64 for each of the {len(images)} images"
        )
    if len(images) < recipe.batch_size:
        raise InvalidParameterError(
            f"{len(images)} images do not fill a batch of {recipe.batch_size}: give more images "
            "or a smaller batch_size"
        )
    if not (images.min() >= 0 and images.max() <= 1):
        raise InvalidParameterError(
            f"the pixels lie between {images.min().item():g} and {images.max().item():g}: "
            "scale them to 0 … 1"
        )
    if labels.min() < 0 or labels.max() >= CLASSES:
        raise InvalidParameterError(
            f"the labels lie between {labels.min().item()} and {labels.max().item()}: "
            f"give 0 … {CLASSES - 1}"
        )


def _check_finite(recipe: TrainingRecipe, epoch: int, loss: float) -> None:
    if not math.isfinite(loss):
        raise InvalidParameterError(
            f"training {recipe.name} diverged: the loss of epoch {epoch} is {loss}; give less "
            f"than learning_rate={recipe.learning_rate:g}"
        )
