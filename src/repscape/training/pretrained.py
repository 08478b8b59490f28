"""Small trained transformers as artefacts of the store, segment by segment.

A checkpoint holds the weights, the moments of the optimizer and the state of the generator. A
training with checkpoints at 50 and 200 steps is two tasks, the second of which goes on from the
artefact of the first: a run that is killed repeats at most one segment.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from repscape.errors import InvalidParameterError
from repscape.tasks import Recipe, Resources, Task
from repscape.training.checkpoint import KIND

if TYPE_CHECKING:
    from repscape.extract.models.base import LoadedModel
    from repscape.store import Store
    from repscape.training.pretraining import PretrainingRecipe

LOSSES = "losses"
_RUN = "repscape.training.pretrained:make_checkpoint"
_PREVIOUS = "previous"


def checkpoint_tasks(
    recipe: PretrainingRecipe, steps: Sequence[int] = (), label: str | None = None
) -> dict[int, Task]:
    """One task for each checkpoint, each going on from the one before; the last step is there.

    Parameters
    ----------
    recipe : PretrainingRecipe
        What to train.
    steps : sequence of int
        After how many steps the state is kept; 0 is the network before training.
    label : str, optional
        What progress displays show; the step is added.

    Returns
    -------
    dict
        Tasks by their step, ascending.

    Raises
    ------
    InvalidParameterError
        If a step lies outside 0 … `recipe.steps`.
    """
    wrong = [step for step in steps if not 0 <= step <= recipe.steps]
    if wrong:
        raise InvalidParameterError(
            f"there is no checkpoint after {wrong[0]} steps: the training of {recipe.family} has "
            f"{recipe.steps}"
        )
    tasks: dict[int, Task] = {}
    for before, step in itertools.pairwise([None, *sorted({*steps, recipe.steps})]):
        assert step is not None
        tasks[step] = _task(recipe, step, None if before is None else tasks[before], label)
    return tasks


def make_checkpoint(store: Store, task: Task) -> None:
    """Train one segment and commit the state after it; what `checkpoint_tasks` run."""
    from repscape.training.pretraining import PretrainingRecipe, begin

    recipe = PretrainingRecipe(**task.recipe.parameters["pretraining"])
    training = begin(recipe)
    losses: list[float] = []
    previous = task.recipe.inputs.get(_PREVIOUS)
    if previous is not None:
        manifest = store.manifest(previous)
        losses = list(manifest.metadata[LOSSES])
        training.restore(store.read_arrays(previous), manifest.recipe.parameters["step"])
    training.advance(task.recipe.parameters["step"])
    store.write_arrays(
        task.recipe,
        training.state(),
        metadata={LOSSES: losses + training.losses},
        beside={"device": "cpu", "threads": 1},
    )


def load_pretrained(store: Store, key: str) -> LoadedModel:
    """Load a checkpoint through the reader of published models, as a `LoadedModel`.

    The network and its preprocessing are written to a temporary folder as `save_pretrained` does
    and opened as `hf:folder`, so that a small network goes the way of a published one.

    Raises
    ------
    ArtefactMissingError
        If it has not been trained yet.
    CorruptArtefactError
        If its file is truncated or altered.
    """
    import tempfile

    from repscape.extract.models.base import load_model
    from repscape.training.pretraining import quiet_transformers

    with tempfile.TemporaryDirectory(prefix="repscape-") as folder:
        write_pretrained(store, key, folder)
        with quiet_transformers():
            return load_model(f"hf:{folder}", device="cpu")


def write_pretrained(store: Store, key: str, folder: Path | str) -> None:
    """Write a checkpoint as `save_pretrained` does: configuration, weights, preprocessing."""
    from repscape.training.pretraining import (
        PretrainingRecipe,
        load_weights,
        open_lesson,
        quiet_transformers,
    )

    recipe = PretrainingRecipe(**store.manifest(key).recipe.parameters["pretraining"])
    lesson = open_lesson(recipe)
    load_weights(lesson.network, store.read_arrays(key))
    where = Path(folder)
    where.mkdir(parents=True, exist_ok=True)
    with quiet_transformers():
        lesson.save(where)


def _task(recipe: PretrainingRecipe, step: int, previous: Task | None, label: str | None) -> Task:
    from repscape.training.pretraining import PRETRAINING_VERSION, THREADS, data_revision

    parameters = {
        "pretraining": dataclasses.asdict(recipe),
        "step": step,
        "data_revision": data_revision(recipe.family),
    }
    inputs = {} if previous is None else {_PREVIOUS: previous.key}
    return Task(
        Recipe(KIND, PRETRAINING_VERSION, parameters, inputs),
        run=_RUN,
        label=f"train {label or recipe.family}, step {step} of {recipe.steps}",
        stage="train",
        needs=() if previous is None else (previous,),
        resources=Resources(cpus=THREADS),
    )
