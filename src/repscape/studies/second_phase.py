"""The second phase: scores and descriptions of the representations that there are."""

from __future__ import annotations

from collections.abc import Sequence

from repscape.studies.blocks import cost_of_scores, models_a_side
from repscape.studies.covers import Covers
from repscape.studies.divided import divided, group_tasks, inputs_of
from repscape.studies.pairs import Pairs
from repscape.studies.phases import Extraction, Group, Middle
from repscape.studies.schema import SPLIT_OPERATIONS
from repscape.studies.scoring import Scoring
from repscape.studies.steps import describe as describe_step
from repscape.studies.steps import score as score_step
from repscape.studies.study import Study
from repscape.tasks import Recipe, Task


def continue_(
    study: Study,
    extractions: Sequence[Extraction],
    covers: Covers,
    hoped: Sequence[Extraction] = (),
) -> Middle:
    """Make the tasks of the second phase for these extractions, out of those `hoped` for."""
    groups: list[Group] = []
    for data in study.data:
        here = tuple(one for one in extractions if one.data is data)
        keys = [one.task.key for one in hoped if one.data is data]
        for pooling in study.file.poolings if here else ():
            groups += [_scores(study, name, pooling, here, covers, keys) for name in study.measures]
            for what, names in (("descriptor", data.descriptors), ("measure", study.between)):
                groups += [_profiles(study, what, name, pooling, here) for name in names]
    return Middle(tuple(groups))


def _scores(
    study: Study,
    measure: str,
    pooling: str,
    here: tuple[Extraction, ...],
    covers: Covers,
    hoped: Sequence[str],
) -> Group:
    settings, significance = study.file.compare, study.file.significance
    null = None
    if significance is not None and measure in study.calibrated:
        null = {
            "null": significance.method,
            "n_permutations": significance.permutations,
            "seed": significance.seed,
            "budget": significance.affordable,
        }
    family = {
        "measure": measure,
        "pooling": pooling,
        "which": settings.pairs,
        "align": settings.align,
        "null": null,
    }
    scoring = Scoring(study, family, {one.task.key: one for one in here}, covers.size)
    parts = covers.parts(
        family,
        list(scoring.by_key),
        models_a_side(scoring),
        settings.align == "strict",
        lambda part: divided(scoring, part),
        hoped if settings.group or _is_done_soon(scoring) else (),
    )
    tasks: list[Task] = []
    before: list[Task] = []
    for part in parts:
        label = _label(scoring, part, len(parts))
        groups = [] if part.division is None else group_tasks(scoring, part, label)
        task = _scores_task(scoring, part, label, groups)
        tasks.append(task)
        # Sums whose scores are there are not needed any more.
        before += [] if covers.has(task.key) else groups
    first = here[0]
    whole = (tuple(tasks), tuple(before))
    return Group("scores", measure, first.data, first.split, pooling, here, *whole)


def _is_done_soon(scoring: Scoring) -> bool:
    """Whether all that can be scored now may be scored again once everything is there.

    What takes longer is kept and added to, though its last bits then show that something failed.
    """
    operations = cost_of_scores(scoring, Pairs(within=tuple(scoring.by_key))).operations
    return operations is not None and operations <= SPLIT_OPERATIONS


def _label(scoring: Scoring, part: Pairs, parts: int) -> str:
    data = next(iter(scoring.extractions(part).values())).data
    label = f"{scoring.measure} on {data.name}"
    if len(scoring.study.file.poolings) > 1:
        label += f", {scoring.family['pooling']}"
    if parts > 1:
        label += f", {len(part.keys)} models"
    return label


def _scores_task(scoring: Scoring, part: Pairs, label: str, groups: Sequence[Task]) -> Task:
    parameters = {**scoring.family, "pairs": part.to_dict()}
    return Task(
        Recipe(
            score_step.KIND,
            score_step.VERSION,
            parameters,
            {key: key for key in part.keys} | inputs_of(groups),
        ),
        "repscape.studies.steps.score:run_scores",
        label,
        "compare",
        scoring.arguments,
        (*(one.task for one in scoring.extractions(part).values()), *groups),
        scoring.study.resources("compare"),
    )


def _profiles(
    study: Study, what: str, name: str, pooling: str, here: tuple[Extraction, ...]
) -> Group:
    sets = [here] if study.file.describe.together else [(one,) for one in here]
    tasks = tuple(_profile_task(study, what, name, pooling, one) for one in sets)
    kind = "geometry" if what == "descriptor" else "overlaps"
    return Group(kind, name, here[0].data, here[0].split, pooling, here, tasks)


def _profile_task(
    study: Study, what: str, name: str, pooling: str, here: tuple[Extraction, ...]
) -> Task:
    settings = study.file.describe
    keys = [one.task.key for one in here]
    recipe = Recipe(
        describe_step.KIND,
        describe_step.VERSION,
        {
            what: name,
            "pooling": pooling,
            "extractions": keys,
            "duplicates": settings.duplicates,
            "controls": list(settings.controls) if what == "descriptor" else [],
            "seed": settings.seed,
        },
        {key: key for key in keys},
    )
    whose = here[0].model.name if len(here) == 1 else f"{len(here)} models"
    return Task(
        recipe,
        "repscape.studies.steps.describe:run_profile",
        f"{name} of {whose} on {here[0].data.name}",
        "describe",
        {"memory_limit": settings.memory_limit, "device": settings.device},
        tuple(one.task for one in here),
        study.resources("describe"),
    )
