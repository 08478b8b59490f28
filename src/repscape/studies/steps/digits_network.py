"""Small networks that are trained on handwritten digits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import Field

from repscape.data.digits import digits
from repscape.studies.steps.base import TRAINERS, Options, Trainer
from repscape.training.checkpoint import load_network, training_task
from repscape.training.evaluate import NEIGHBOURS, held_out_accuracy
from repscape.training.networks import HIDDEN_LAYERS
from repscape.training.train import TrainingRecipe, untrained

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task
    from repscape.training.networks import Network


class DigitsNetworkOptions(Options):
    """How a network is trained; see `repscape.training.train.TrainingRecipe`."""

    architecture: str = Field(description="cnn, mlp or transformer")
    objective: str = Field(default="supervised", description="supervised or self-supervised")
    seed: int = Field(default=0, description="of the parameters and the order of the images")
    epochs: int = Field(default=10, description="passes over the images")

    def model_post_init(self, context: Any) -> None:
        """Refuse what cannot be trained."""
        self.recipe  # noqa: B018  # raises what the trainer would raise later

    @property
    def recipe(self) -> TrainingRecipe:
        """The same for the trainer."""
        return _recipe(self.architecture, self.objective, self.seed, self.epochs)


# A plan asks for the same things over and over.
_recipe = cache(TrainingRecipe)
_digits = cache(digits)


def _task(options: DigitsNetworkOptions, name: str) -> Task:
    del name
    return training_task(options.recipe, _digits("train"))


def load(store: Store, key: str, options: Mapping[str, Any]) -> Network:
    """The trained network, in evaluation mode."""
    del options
    return load_network(store.manifest(key).recipe, store)


def evaluate(store: Store, key: str, options: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Its factors, and how many held-out digits it recognises."""
    recipe = DigitsNetworkOptions(**options).recipe
    network = load(store, key, options)
    accuracy = held_out_accuracy(recipe, network, digits("train"), digits("held_out"))
    by_head = recipe.objective == "supervised"
    return {
        **asdict(recipe),
        "held_out_accuracy": accuracy,
        "judged_by": "its head" if by_head else f"the {NEIGHBOURS} nearest training digits",
        "checkpoint": key,
    }


@cache
def _parameters(architecture: str, objective: str) -> int:
    return sum(
        p.numel() for p in untrained(TrainingRecipe(architecture, objective, 0)).parameters()
    )


def _expect(options: DigitsNetworkOptions) -> dict[str, float]:
    """Sizes of these networks: about 1,350 images, forward and backward, in 27 steps an epoch.

    Most weights of the convolutional network are used at few places of an image. Of a step the
    smaller networks spend most on its calls: 5e7 operations (both as measured).
    """
    parameters = _parameters(options.architecture, options.objective)
    places = {"mlp": 1, "cnn": 5, "transformer": 16}[options.architecture]
    views = 2 if options.objective == "self-supervised" else 1
    operations = (6.0 * parameters * places * views * 1_348 + 27 * 5e7) * options.epochs
    return {
        "layers": len(HIDDEN_LAYERS),
        "width": 128 if options.architecture == "mlp" else 64,
        "parameters": parameters,
        "tokens": places,
        "training_operations": operations,
    }


TRAINERS.register(
    Trainer(
        name="digits_network",
        summary="a small network trained on the handwritten digits of scikit-learn",
        options=DigitsNetworkOptions,
        task=_task,
        load=f"{__name__}:load",
        evaluate=f"{__name__}:evaluate",
        expect=_expect,
        untrained=lambda options: untrained(options.recipe),
    )
)
