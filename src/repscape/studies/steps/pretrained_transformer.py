"""Small transformers that are trained here: GPT-2, ImageGPT and ESM-2."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from repscape.studies.steps.base import TRAINERS, Options, Trainer
from repscape.training.pretrained import LOSSES, checkpoint_tasks, load_pretrained
from repscape.training.pretraining import WEIGHTS, PretrainingRecipe

if TYPE_CHECKING:
    from repscape.extract.models.base import LoadedModel
    from repscape.store import Store
    from repscape.tasks import Task

_LAST = 10


class PretrainedOptions(Options):
    """How a transformer is trained; see `repscape.training.pretraining.PretrainingRecipe`."""

    family: str = Field(description="gpt2, imagegpt or esm")
    layers: int = Field(description="number of blocks")
    width: int = Field(description="features of a layer")
    heads: int = Field(default=4, description="of attention; they divide the width")
    vocabulary: int = Field(default=512, description="tokens of text, or colours of pixels")
    context: int = Field(default=64, description="the most tokens of text that it sees")
    steps: int = Field(default=200, description="of training")
    batch_size: int = Field(default=16, description="samples of a step")
    learning_rate: float = Field(default=3e-3, description="the highest of AdamW")
    seed: int = Field(default=0, description="of the first weights and the order of samples")
    checkpoints: tuple[int, ...] = Field(
        default=(), description="steps after which the state is kept"
    )
    step: int | None = Field(
        default=None, description="which checkpoint; by default that after the last step"
    )

    def model_post_init(self, context: Any) -> None:
        """Refuse what cannot be trained, and checkpoints that are not there."""
        self.task()

    @property
    def recipe(self) -> PretrainingRecipe:
        """The same for the trainer."""
        settings = self.model_dump(exclude={"checkpoints", "step"})
        return PretrainingRecipe(**settings)

    def task(self) -> Task:
        """What trains up to the checkpoint asked for, and before it up to the earlier ones."""
        step = self.steps if self.step is None else self.step
        size = f"{self.family} {self.layers} x {self.width}, seed {self.seed}"
        return checkpoint_tasks(self.recipe, [*self.checkpoints, step], size)[step]


def _task(options: PretrainedOptions, name: str) -> Task:
    del name
    return options.task()


def load(store: Store, key: str, options: Mapping[str, Any]) -> LoadedModel:
    """The trained network, read as a published one is."""
    del options
    return load_pretrained(store, key)


def evaluate(store: Store, key: str, options: Mapping[str, Any]) -> dict[str, int | float | None]:
    """How far it was trained, and how well it predicts: the mean loss of its last ten steps."""
    manifest = store.manifest(key)
    losses = manifest.metadata[LOSSES]
    shapes = [spec.shape for name, spec in manifest.arrays.items() if name.startswith(WEIGHTS)]
    return {
        "parameters": sum(math.prod(shape) for shape in shapes),
        "steps": int(manifest.recipe.parameters["step"]),
        "loss": sum(losses[-_LAST:]) / len(losses[-_LAST:]) if losses else None,
    }


def _expect(options: PretrainedOptions) -> dict[str, float]:
    """Sizes: twelve matrices of width × width in each block, six operations per weight."""
    tokens = {"gpt2": options.context, "imagegpt": 64, "esm": 48}[options.family]
    parameters = 12.0 * options.layers * options.width**2 + options.vocabulary * options.width
    steps = options.steps if options.step is None else options.step
    return {
        "layers": options.layers + 1,
        "width": options.width,
        "parameters": parameters,
        "tokens": tokens,
        "training_operations": 6.0 * parameters * tokens * options.batch_size * steps,
    }


TRAINERS.register(
    Trainer(
        name="pretrained_transformer",
        summary="a small GPT-2, ImageGPT or ESM-2, trained on data that ships with Python",
        options=PretrainedOptions,
        task=_task,
        load=f"{__name__}:load",
        evaluate=f"{__name__}:evaluate",
        expect=_expect,
    )
)
