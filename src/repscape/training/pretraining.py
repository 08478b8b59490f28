"""Train a small transformer from nothing: the same recipe and data give the same bits.

The networks are those of the `transformers` package, built small from their configurations, so
that what reads published models reads these, too. A training is cut into segments: the state
after a segment (weights, moments of the optimizer, generator) is all that the next one needs, so
that a training that is interrupted goes on, to the same weights, from the last whole segment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from repscape.compute.threads import one_thread
from repscape.errors import InvalidParameterError, UnknownNameError, did_you_mean
from repscape.extras import import_extra

PRETRAINING_VERSION = 1
THREADS = 1
_WARM_UP = 0.1
_INITIAL_SD = 0.02
_LARGEST_GRADIENT = 1.0
WEIGHTS = "weights/"
"""How the names of the weights begin in a checkpoint."""
_FIRST, _SECOND, _GENERATOR = "first_moment/", "second_moment/", "generator"


@dataclass(frozen=True)
class PretrainingRecipe:
    """All that determines a trained transformer, given its data.

    Attributes
    ----------
    family : str
        What it is, and what it is trained on: `"gpt2"` (Python's documentation), `"imagegpt"`
        (the handwritten digits), `"esm"` (synthetic protein families).
    layers, width, heads : int
        Its size; the heads divide the width.
    vocabulary : int
        Tokens of text, or colours of pixels; the residues of proteins are fixed.
    context : int
        The most tokens that it sees at once; the pixels of images are fixed.
    steps, batch_size : int
        Of training.
    learning_rate, weight_decay : float
        Of AdamW. The rate rises linearly for a tenth of the steps, then falls to zero as half a
        cosine; gradients are cut to norm 1.
    seed : int
        Of the first weights and of the order of the samples.

    Raises
    ------
    UnknownNameError
        If there is no such family.
    InvalidParameterError
        If a number is not allowed.
    """

    family: str
    layers: int
    width: int
    heads: int = 4
    vocabulary: int = 512
    context: int = 64
    steps: int = 200
    batch_size: int = 16
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    seed: int = 0

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise UnknownNameError(
                f"no family of transformers is called {self.family!r}: "
                f"{did_you_mean(self.family, FAMILIES)}"
            )
        least = {"layers": 1, "width": 1, "heads": 1, "vocabulary": 2, "context": 2}
        for name, minimum in {**least, "steps": 1, "batch_size": 1, "seed": 0}.items():
            value = getattr(self, name)
            if type(value) is not int or value < minimum:
                raise InvalidParameterError(
                    f"{name}={value!r}: give a whole number of at least {minimum}"
                )
        if self.width % self.heads:
            raise InvalidParameterError(
                f"heads={self.heads} do not divide width={self.width}: choose another number"
            )
        for name in ("learning_rate", "weight_decay"):
            value = float(getattr(self, name))
            if not (math.isfinite(value) and value >= 0):
                raise InvalidParameterError(f"{name}={value!r}: give a number of at least 0")
            object.__setattr__(self, name, value)


class Lesson(Protocol):
    """A network and what it is trained on."""

    @property
    def network(self) -> nn.Module:
        """The network, of the `transformers` package."""

    def loss(self, generator: torch.Generator) -> Tensor:
        """The mean loss of one batch; every random choice is drawn from `generator`."""

    def save(self, folder: Path) -> None:
        """Write the network as it is and its preprocessing, as `save_pretrained` does."""


FAMILIES: dict[str, str] = {
    "gpt2": "repscape.training.language_models",
    "imagegpt": "repscape.training.image_models",
    "esm": "repscape.training.protein_models",
}
"""The module of each family: its `lesson(recipe)`, and the `data_revision()` of what it reads."""


def open_lesson(recipe: PretrainingRecipe) -> Lesson:
    """Build the network of a recipe, untrained, with its data."""
    with preserved_random_state():
        lesson: Lesson = import_module(FAMILIES[recipe.family]).lesson(recipe)
        return lesson


def data_revision(family: str) -> str:
    """The content revision of what a family is trained on."""
    return str(import_module(FAMILIES[family]).data_revision())


@dataclass
class Training:
    """A training in progress.

    Attributes
    ----------
    recipe : PretrainingRecipe
    lesson : Lesson
    generator : torch.Generator
    optimizer : AdamW
    step : int
        How many steps are done.
    losses : list of float
        Of the steps that this object did.
    """

    recipe: PretrainingRecipe
    lesson: Lesson
    generator: torch.Generator
    optimizer: torch.optim.AdamW
    step: int = 0
    losses: list[float] = field(default_factory=list)

    def advance(self, until: int) -> None:
        """Train until this many steps are done, on the CPU with one thread.

        Raises `InvalidParameterError` if the loss stops being finite.
        """
        parameters = list(self.lesson.network.parameters())
        with one_thread(), torch.enable_grad():
            self.lesson.network.train()
            while self.step < until:
                for group in self.optimizer.param_groups:
                    group["lr"] = self.recipe.learning_rate * _rate(self.step, self.recipe.steps)
                self.optimizer.zero_grad()
                loss = self.lesson.loss(self.generator)
                loss.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(parameters, _LARGEST_GRADIENT)
                self.optimizer.step()
                self.step += 1
                self.losses.append(self._finite(loss.item()))
            self.lesson.network.eval()

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise InvalidParameterError(
                f"training diverged: the loss of step {self.step} is {loss}; give less than "
                f"learning_rate={self.recipe.learning_rate:g}"
            )
        return loss

    def state(self) -> dict[str, Tensor]:
        """All that the next segment needs, as named arrays."""
        arrays: dict[str, Tensor] = {_GENERATOR: self.generator.get_state()}
        for name, parameter in self.lesson.network.named_parameters():
            arrays[WEIGHTS + name] = parameter.detach()
            moments = self.optimizer.state.get(parameter, {})
            if moments:
                arrays[_FIRST + name] = moments["exp_avg"]
                arrays[_SECOND + name] = moments["exp_avg_sq"]
        return arrays

    def restore(self, arrays: Mapping[str, Any], step: int) -> None:
        """Go on from the state after `step` steps."""
        self.generator.set_state(torch.as_tensor(arrays[_GENERATOR]))
        load_weights(self.lesson.network, arrays)
        for name, parameter in self.lesson.network.named_parameters():
            if _FIRST + name in arrays:
                self.optimizer.state[parameter] = {
                    "step": torch.tensor(float(step)),
                    "exp_avg": torch.as_tensor(arrays[_FIRST + name]).clone(),
                    "exp_avg_sq": torch.as_tensor(arrays[_SECOND + name]).clone(),
                }
        self.step = step


def begin(recipe: PretrainingRecipe) -> Training:
    """Build the network with its first weights, before the first step."""
    lesson = open_lesson(recipe)
    generator = torch.Generator().manual_seed(recipe.seed)
    _initialise(lesson.network, generator)
    optimizer = torch.optim.AdamW(
        lesson.network.parameters(),
        lr=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        fused=True,
    )
    lesson.network.eval()
    return Training(recipe, lesson, generator, optimizer)


def load_weights(network: nn.Module, arrays: Mapping[str, Any]) -> None:
    """Put the weights of a `Training.state` into a network."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(torch.as_tensor(arrays[WEIGHTS + name]))


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Matrices are normal with standard deviation 0.02, gains one, biases zero."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1:
                drawn = torch.randn(parameter.shape, generator=generator)
                parameter.copy_(_INITIAL_SD * drawn)
            else:
                parameter.fill_(1.0 if name.endswith("weight") else 0.0)


def _rate(step: int, steps: int) -> float:
    """The fraction of the learning rate that is used in a step, counted from 0."""
    warm = max(1, int(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No progress bars and no reports of small networks that are written and read back."""
    logging = import_extra("transformers.utils.logging", "hub", "a small transformer")
    verbosity, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()


@contextmanager
def preserved_random_state() -> Iterator[None]:
    """Put the global random state back: networks draw weights when they are built."""
    with torch.random.fork_rng(devices=[]):
        yield
