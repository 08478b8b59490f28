"""Score pairs of layers with one measure: one table, for any set of pairs of extractions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from repscape.compare import similarity_matrix
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
from repscape.errors import SampleMismatchError
from repscape.measures.base import Measure, get_measure
from repscape.pairwise import score_pairs
from repscape.representation import Representation, aligned
from repscape.studies.pairs import Pairs
from repscape.studies.steps.layers import load_layers
from repscape.tasks import Task

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store

Scorer: TypeAlias = Callable[[int, Sequence[str]], Callable[..., Any]]
KIND = "scores"
VERSION = 1


def run_scores(store: Store, task: Task) -> None:
    """Score the pairs that the recipe names, and commit the table."""
    known, arguments = task.recipe.parameters, task.arguments
    part = Pairs.from_dict(known["pairs"])
    layers = load_layers(store, part.keys, known["pooling"])
    measure = get_measure(known["measure"])
    pairs = layer_pairs(part, list(layers), known["which"], measure.declared.symmetric)
    begin = time.perf_counter()
    limit = arguments["memory_limit"] or DEFAULT_MEMORY_LIMIT
    settings = {
        "align": known["align"],
        "memory_limit": limit,
        "device": arguments["device"],
        **(known["null"] or {}),
    }
    table = score_layers(layers, measure, pairs, settings, _scorer(store, task, part))
    beside = {
        "seconds": round(time.perf_counter() - begin, 3),
        "threads": task.resources.cpus,
        "device": arguments["device"] or "cpu",
        "memory_limit": str(limit),
    }
    store.write_table(task.recipe, table.drop(columns=["data", "split"]), beside=beside)


def _scorer(store: Store, task: Task, part: Pairs) -> Scorer | None:
    """Where the sweep was divided: what scores layers from the sums of its groups."""
    if part.division is None:
        return None
    from repscape.studies.steps.tiles import SumsOfGroups

    return SumsOfGroups(store, task.recipe.inputs, part.division.groups).scorer


def score_layers(
    layers: Mapping[str, Representation],
    measure: Measure[Any],
    pairs: Sequence[tuple[int, int]],
    settings: Mapping[str, Any],
    scorer: Scorer | None = None,
) -> pd.DataFrame:
    """Score the pairs; one of different samples has a null value and says so.

    All others are scored, which `similarity_matrix` on its own would refuse. `scorer` is called
    with the number and the names of each class of layers that have the same samples.
    """
    import pandas as pd

    names = list(layers)
    if settings["align"] != "strict":
        return similarity_matrix(layers, measure, pairs=pairs, **settings).table
    pieces = []
    for number, (alike, inside) in enumerate(classes(layers, pairs)):
        how = score_pairs if scorer is None else scorer(number, list(alike))
        found = similarity_matrix(alike, measure, pairs=inside, scorer=how, **settings)
        pieces.append(found.table)
    digests = [rep.sample_digest for rep in layers.values()]
    across = [pair for pair in pairs if digests[pair[0]] != digests[pair[1]]]
    if not across and len(pieces) == 1:
        return pieces[0]
    rows = [_unscored(measure, layers[names[a]], layers[names[b]]) for a, b in across]
    whole = pd.concat([*pieces, pd.DataFrame(rows)], ignore_index=True)
    return whole.astype({"n": "Int64", "value": "float64"})


def classes(
    layers: Mapping[str, Representation], pairs: Sequence[tuple[int, int]]
) -> Iterator[tuple[dict[str, Representation], list[tuple[int, int]]]]:
    """The layers that have the same samples, and the pairs within them by their positions."""
    digests = [rep.sample_digest for rep in layers.values()]
    for digest in dict.fromkeys(digests):
        members = [position for position, one in enumerate(digests) if one == digest]
        at = {position: inside for inside, position in enumerate(members)}
        inside = [(at[a], at[b]) for a, b in pairs if a in at and b in at]
        if inside or len(members) == len(layers):
            names = list(layers)
            yield {names[position]: layers[names[position]] for position in members}, inside


def _unscored(measure: Measure[Any], a: Representation, b: Representation) -> dict[str, Any]:
    try:
        aligned(a, b)
        reason = "the samples differ"
    except SampleMismatchError as problem:
        reason = str(problem)
    return {
        "data": None,
        "split": None,
        "sample_digest": None,
        "rep_a": a.name,
        "rep_b": b.name,
        "model_a": a.origin.model,
        "model_b": b.origin.model,
        "layer_a": a.origin.layer,
        "layer_b": b.origin.layer,
        "key_a": a.key,
        "key_b": b.key,
        "measure": measure.name,
        "kind": measure.declared.kind,
        "value": None,
        "reason": reason,
    }


def layer_pairs(
    part: Pairs, layers: Sequence[str], which: str, symmetric: bool
) -> list[tuple[int, int]]:
    """The pairs of layers, by position: one direction for a symmetric measure, else both."""
    by_key: dict[str, list[int]] = {}
    for position, name in enumerate(layers):
        by_key.setdefault(name.partition("/")[0], []).append(position)
    found: dict[tuple[int, int], None] = {}
    for a, b in part:
        if (which == "between_models" and a == b) or (which == "within_models" and a != b):
            continue
        for i in by_key.get(a, ()):
            for j in by_key.get(b, ()):
                low, high = (i, j) if i < j else (j, i)
                if i != j:
                    found[low, high] = None
                    if not symmetric:
                        found[high, low] = None
    return list(found)
