"""Evaluate a trained model: further columns of the table of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from repscape.studies.steps.base import TRAINERS, import_attribute

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.tasks import Task


def run_evaluation(store: Store, task: Task) -> None:
    """Call the trainer's `evaluate` and commit what it returns as a table of one row."""
    trainer = TRAINERS.find(task.arguments["trainer"])
    assert trainer.evaluate is not None
    evaluate = import_attribute(trainer.evaluate)
    row = evaluate(store, task.recipe.inputs["training"], task.recipe.parameters["options"])
    store.write_table(task.recipe, pd.DataFrame([row]))
