"""Sweeps over tiles that are too large for one task: which, and the tasks of their groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
from repscape.measures.base import get_measure
from repscape.studies.estimate import Size, count_layer_pairs, null_operations, sweep_operations
from repscape.studies.steps import tiles as tiles_step
from repscape.tasks import Recipe, Task
from repscape.tiles import division_of, is_tiled, needs_fitting

if TYPE_CHECKING:
    from repscape.studies.pairs import Pairs
    from repscape.studies.scoring import Scoring


def divided(scoring: Scoring, part: Pairs) -> Pairs:
    """The part with the division of its sweep, if that takes more operations than `split` says.

    Sizes decide, and what the study says: neither the executor nor the number of workers. Scores
    that get a null are left whole, since permutations take most of their time (`group` divides
    those).
    """
    settings, measure = scoring.study.file.compare, scoring.measure
    if settings.split is None or not is_tiled(measure):
        return part
    sizes = {key: scoring.size_of(scoring.by_key[key]) for key in part.keys}
    known = [one for one in sizes.values() if one is not None]
    if len(known) < len(sizes) or _gets_null(scoring.family, known):
        return part
    n, widths = max(one.n for one in known), [d for one in known for d in one.widths]
    pairs = count_layer_pairs(part, sizes, scoring.family["which"])
    operations = sweep_operations(measure, n, widths, pairs)
    limit = settings.memory_limit or DEFAULT_MEMORY_LIMIT
    found = division_of(measure, n, widths, operations, settings.split, limit)
    return replace(part, division=found)


def _gets_null(family: Mapping[str, Any], sizes: Sequence[Size]) -> bool:
    """Whether the null of any two layers is within its budget."""
    null = family["null"]
    if null is None or null["budget"] is None:
        return null is not None
    n, d = min(one.n for one in sizes), min(min(one.widths) for one in sizes)
    measure = get_measure(family["measure"])
    return null_operations(measure, n, d, null["n_permutations"]) <= float(null["budget"])


def group_tasks(scoring: Scoring, part: Pairs, label: str) -> list[Task]:
    """What the scores of a divided part need, in order: what is fitted, then its groups."""
    assert part.division is not None
    resources = scoring.study.resources("compare")
    fitted = _fittings(scoring, part)
    extractions = [one.task for one in scoring.extractions(part).values()]
    inputs = {key: key for key in part.keys}
    inputs |= {f"fitted/{key}": task.key for key, task in fitted.items()}
    shared = {name: value for name, value in scoring.family.items() if name != "null"}
    groups = [
        Task(
            Recipe(
                tiles_step.SUMS,
                tiles_step.VERSION,
                {**shared, "pairs": part.to_dict(), "group": number},
                inputs,
            ),
            "repscape.studies.steps.tiles:run_tile_sums",
            f"{label}, tiles {number + 1} of {part.division.groups}",
            "compare",
            scoring.arguments,
            (*extractions, *fitted.values()),
            resources,
        )
        for number in range(part.division.groups)
    ]
    return [*fitted.values(), *groups]


def inputs_of(tasks: Sequence[Task]) -> dict[str, str]:
    """What a table of scores is made from beside the extractions, by role."""
    fitted = [task for task in tasks if task.recipe.kind == tiles_step.FITTED]
    groups = [task for task in tasks if task.recipe.kind == tiles_step.SUMS]
    return {f"fitted/{task.recipe.inputs['extraction']}": task.key for task in fitted} | {
        f"group/{number}": task.key for number, task in enumerate(groups)
    }


def _fittings(scoring: Scoring, part: Pairs) -> dict[str, Task]:
    """One task for each extraction, if something is fitted to all pairs of its samples."""
    measure, extractions = scoring.measure, scoring.extractions(part)
    sizes = map(scoring.size_of, extractions.values())
    if not any(one is not None and needs_fitting(measure, one.n) for one in sizes):
        return {}
    parameters = {"measure": measure, "pooling": scoring.family["pooling"]}
    return {
        key: Task(
            Recipe(tiles_step.FITTED, tiles_step.VERSION, parameters, {"extraction": key}),
            "repscape.studies.steps.tiles:run_fitting",
            f"{measure} fitted to {one.model.name} on {one.data.name}",
            "compare",
            {"device": scoring.arguments["device"]},
            (one.task,),
            scoring.study.resources("compare"),
        )
        for key, one in extractions.items()
    }
