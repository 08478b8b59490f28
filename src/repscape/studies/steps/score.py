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
from repscape.studies.estimate import null_operations
from repscape.studies.pairs import Pairs
from repscape.studies.steps.layers import load_layers
from repscape.tables import NULL_COLUMNS
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
    }
    table = score_with_nulls(
        layers, measure, pairs, settings, known["null"], _scorer(store, task, part)
    )
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


def score_with_nulls(
    layers: Mapping[str, Representation],
    measure: Measure[Any],
    pairs: Sequence[tuple[int, int]],
    settings: Mapping[str, Any],
    null: Mapping[str, Any] | None,
    scorer: Scorer | None = None,
) -> pd.DataFrame:
    """Score the pairs with their nulls, as far as these are within the budget; else say so.

    All layer pairs of two models are within it, or none: the best of them has a null of its own.
    With a `scorer` (see `score_layers`) there are none, since only such sweeps are divided whose
    nulls are beyond the budget.
    """
    import pandas as pd

    if null is None:
        return score_layers(layers, measure, pairs, settings, scorer)
    settings_of_null = {key: value for key, value in null.items() if key != "budget"}
    cost = _null_costs(list(layers.values()), measure, pairs, null["n_permutations"])
    budget = null["budget"]
    dear = [] if budget is None else [pair for pair in pairs if cost[pair] > budget]
    if scorer is not None:
        dear = list(pairs)
    if not dear:
        return score_layers(layers, measure, pairs, {**settings, **settings_of_null})
    pieces = []
    within = [] if scorer is not None else [pair for pair in pairs if cost[pair] <= budget]
    if within:
        pieces.append(score_layers(layers, measure, within, {**settings, **settings_of_null}))
    beyond = score_layers(layers, measure, dear, settings, scorer)
    reason = _too_dear(max(cost[pair] for pair in dear), budget)
    pieces.append(beyond.reindex(columns=[*beyond, *NULL_COLUMNS]).assign(null_reason=reason))
    return pieces[0] if len(pieces) == 1 else pd.concat(pieces, ignore_index=True)


def _null_costs(
    layers: Sequence[Representation],
    measure: Measure[Any],
    pairs: Sequence[tuple[int, int]],
    permutations: int,
) -> dict[tuple[int, int], float]:
    """What the null of every pair takes: that of the widest layers of its two models."""
    widest: dict[str | None, int] = {}
    for rep in layers:
        widest[rep.origin.model] = max(rep.d, widest.get(rep.origin.model, 0))
    found = {}
    for a, b in pairs:
        first, second = layers[a], layers[b]
        d = max(widest[first.origin.model], widest[second.origin.model])
        found[a, b] = null_operations(measure, max(first.n, second.n), d, permutations)
    return found


def _too_dear(cost: float, budget: float) -> str:
    return (
        f"the null of two layers would take up to {cost:.1e} operations, and significance.budget "
        f"is {budget:.0e}: raise it, ask for fewer permutations, or name the measure in "
        "significance.measures"
    )


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
