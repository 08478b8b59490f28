"""Run a model on data, or read representations from files: one table of what there is now.

The representations are artefacts of their own; the table says layer, pooling, key, n, d, and how
deep in the network the layer lies (null where that is not known; tables that earlier versions
left in a store have no such column, and what was computed from them stays valid).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from repscape.errors import InvalidRepresentationError, StudyError
from repscape.extract.depth import relative_depth
from repscape.extract.extract import extract
from repscape.extract.models.base import load_model
from repscape.hub import without_progress_bars
from repscape.representation import Representation
from repscape.studies.resolve import load_samples
from repscape.studies.steps.base import READERS, import_attribute
from repscape.tasks import Recipe, Task

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store

KIND = "extraction"
VERSION = 1
READ_VERSION = 1


def run_extraction(store: Store, task: Task) -> None:
    """Extract every layer and pooling that the recipe names, and commit the table of them."""
    import pandas as pd

    known, arguments = task.recipe.parameters, task.arguments
    begin = time.perf_counter()
    model = _model(store, task)
    data = load_samples(arguments["data"], arguments["data_options"], known["subset"])
    if data.revision != known["data_revision"]:
        raise StudyError(
            f"the data set {arguments['data']!r} has changed since the study was planned "
            f"(revision {data.revision}, planned {known['data_revision']}): run again"
        )
    found = extract(
        model,
        data,
        known["layers"],
        list(known["poolings"]),
        store=store,
        batch_size=arguments["batch_size"],
        device=arguments["device"],
        on_error=known["on_error"],
        output_dtype=known["output_dtype"],
        model=arguments["model_name"],
        **({} if "load" not in arguments else {"model_revision": known["model_revision"]}),
    )
    canonical = getattr(model, "aliases", ())
    rows = [_row(rep, relative_depth(str(rep.origin.layer), canonical)) for rep in found.values()]
    seconds = round(time.perf_counter() - begin, 3)
    table = pd.DataFrame(rows).astype({"depth": "float64"})
    store.write_table(task.recipe, table, sizes_of(table), beside={"seconds": seconds})


def run_reading(store: Store, task: Task) -> None:
    """Read representations from files into the store, and commit the table of them."""
    import pandas as pd

    known, arguments = task.recipe.parameters, task.arguments
    read = import_attribute(READERS.find(arguments["reader"]).read)
    found: Mapping[str, Representation] = read(arguments["options"], arguments["data_name"])
    if not found:
        raise InvalidRepresentationError(f"{arguments['reader']} read no representation")
    rows = []
    for layer, rep in found.items():
        recipe = Recipe(
            "representation", READ_VERSION, {"revision": known["revision"], "layer": layer}
        )
        origin = replace(rep.origin, model=arguments["model_name"], layer=layer)
        stored = store.save_representation(recipe, replace(rep, origin=origin))
        rows += [_row(stored, None, pooling) for pooling in known["poolings"]]
    table = pd.DataFrame(rows).astype({"depth": "float64"})
    store.write_table(task.recipe, table, sizes_of(table))


def sizes_of(table: pd.DataFrame) -> dict[str, Any]:
    """Samples, and features of each layer with one pooling: what planning wants to know."""
    first = table[table["pooling"] == table["pooling"].iloc[0]]
    return {"n": int(table["n"].max()), "widths": [int(d) for d in first["d"]]}


def _row(rep: Representation, depth: float | None, pooling: str | None = None) -> dict[str, Any]:
    return {
        "layer": rep.origin.layer,
        "pooling": pooling or rep.origin.pooling,
        "rep_key": rep.key,
        "n": rep.n,
        "d": rep.d,
        "depth": depth,
        "sample_digest": rep.sample_digest,
        "split": rep.origin.split,
    }


def _model(store: Store, task: Task) -> Any:
    arguments = task.arguments
    if "load" in arguments:
        load = import_attribute(arguments["load"])
        return load(store, task.recipe.inputs["training"], arguments["model_options"])
    if arguments["model"].startswith("hf:"):
        without_progress_bars()
    model = load_model(arguments["model"], **arguments["model_options"])
    planned = task.recipe.parameters["model_revision"]
    if model.revision != planned:
        raise StudyError(
            f"the model {arguments['model']!r} has changed since the study was planned (revision "
            f"{model.revision}, planned {planned}): run again"
        )
    return model
