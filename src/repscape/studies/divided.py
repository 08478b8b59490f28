"""Sweeps over tiles that are too large for one task: which, and the tasks of their groups."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    from repscape.studies.phases import Extraction
    from repscape.studies.study import Study

Sizes = Callable[["Extraction"], "Size | None"]


def divided(
    study: Study,
    family: Mapping[str, Any],
    part: Pairs,
    by_key: Mapping[str, Extraction],
    size: Sizes,
) -> Pairs:
    """The part with the division of its sweep, if that takes more operations than `split` says.

    Sizes decide, and what the study says: neither the executor nor the number of workers. Scores
    that get a null are left whole, since permutations take most of their time (`group` divides
    those).
    """
    settings = study.file.compare
    if settings.split is None or not is_tiled(family["measure"]):
        return part
    sizes = {key: size(by_key[key]) for key in part.keys}
    known = [one for one in sizes.values() if one is not None]
    if len(known) < len(sizes) or _gets_null(family, known):
        return part
    n, widths = max(one.n for one in known), [d for one in known for d in one.widths]
    pairs = count_layer_pairs(part, sizes, family["which"])
    operations = sweep_operations(family["measure"], n, widths, pairs)
    limit = settings.memory_limit or DEFAULT_MEMORY_LIMIT
    found = division_of(family["measure"], n, widths, operations, settings.split, limit)
    return replace(part, division=found)


def _gets_null(family: Mapping[str, Any], sizes: Sequence[Size]) -> bool:
    """Whether the null of any two layers is within its budget."""
    null = family["null"]
    if null is None or null["budget"] is None:
        return null is not None
    n, d = min(one.n for one in sizes), min(min(one.widths) for one in sizes)
    measure = get_measure(family["measure"])
    return null_operations(measure, n, d, null["n_permutations"]) <= float(null["budget"])


def group_tasks(
    study: Study,
    family: Mapping[str, Any],
    part: Pairs,
    by_key: Mapping[str, Extraction],
    size: Sizes,
    label: str,
) -> list[Task]:
    """What the scores of a divided part need, in order: what is fitted, then its groups."""
    assert part.division is not None
    settings = study.file.compare
    resources = study.resources("compare")
    arguments = {"memory_limit": settings.memory_limit, "device": settings.device}
    fitted = _fittings(study, family, part, by_key, size)
    extractions = [by_key[key].task for key in part.keys if key in by_key]
    inputs = {key: key for key in part.keys}
    inputs |= {f"fitted/{key}": task.key for key, task in fitted.items()}
    shared = {name: value for name, value in family.items() if name != "null"}
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
            arguments,
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


def _fittings(
    study: Study,
    family: Mapping[str, Any],
    part: Pairs,
    by_key: Mapping[str, Extraction],
    size: Sizes,
) -> dict[str, Task]:
    """One task for each extraction, if something is fitted to all pairs of its samples."""
    measure = family["measure"]
    known = [size(by_key[key]) for key in part.keys if key in by_key]
    if not any(one is not None and needs_fitting(measure, one.n) for one in known):
        return {}
    parameters = {"measure": measure, "pooling": family["pooling"]}
    return {
        key: Task(
            Recipe(tiles_step.FITTED, tiles_step.VERSION, parameters, {"extraction": key}),
            "repscape.studies.steps.tiles:run_fitting",
            f"{measure} fitted to {by_key[key].model.name} on {by_key[key].data.name}",
            "compare",
            {"device": study.file.compare.device},
            (by_key[key].task,),
            study.resources("compare"),
        )
        for key in part.keys
        if key in by_key
    }
