"""Run an analysis: tables in, tables out, each an artefact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from repscape.studies.steps.base import import_attribute
from repscape.tasks import Recipe, Task

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store


def run_analysis(store: Store, task: Task) -> None:
    """Call the analysis; commit its tables, then the table that lists them."""
    import pandas as pd

    known = task.recipe.parameters
    tables = {name: store.read_table(key) for name, key in task.recipe.inputs.items()}
    function = import_attribute(task.arguments["run"])
    further = [store.load_representation] if task.arguments.get("reads_representations") else []
    found = function(tables, known["options"], *further)
    several: Mapping[str, pd.DataFrame] = (
        {known["analysis"]: found} if isinstance(found, pd.DataFrame) else found
    )
    rows = [
        {"table": name, "key": store.write_table(_recipe(task, name), table)}
        for name, table in several.items()
    ]
    store.write_table(task.recipe, pd.DataFrame(rows, columns=["table", "key"]).astype(str))


def analysis_tables(store: Store, key: str) -> dict[str, str]:
    """The keys of the tables that an analysis made, by name."""
    listed = store.read_table(key)
    return dict(zip(listed["table"], listed["key"], strict=True))


def _recipe(task: Task, name: str) -> Recipe:
    return Recipe("table", task.recipe.version, {"table": name}, {"analysis": task.key})
