"""Scores that would take one task too long: how many models a side each task gets instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repscape.studies.divided import divided
from repscape.studies.estimate import Cost, count_layer_pairs
from repscape.studies.estimate import cost_of_scores as estimated
from repscape.studies.pairs import Pairs

if TYPE_CHECKING:
    from repscape.studies.scoring import Scoring

MOST_SIDES = 22
"""Blocks of models a side, at most: 253 tasks."""


def cost_of_scores(scoring: Scoring, part: Pairs) -> Cost:
    """What the scores of a part take, with their nulls."""
    sizes = {key: scoring.size_of(scoring.by_key[key]) for key in part.keys}
    null = scoring.family["null"] or {}
    return estimated(
        scoring.measure,
        list(sizes.values()),
        count_layer_pairs(part, sizes, scoring.family["which"]),
        null.get("n_permutations", 0),
        null.get("budget"),
        scoring.study.file.compare.memory_limit,
    )


def models_a_side(scoring: Scoring) -> int | None:
    """How many models a side a task gets; None if one task may score all pairs.

    What the study says (`compare.group`); else, where all pairs together take more operations
    than `compare.split` and are not divided by tiles, as many that a task takes at most so many,
    but at least one. So a run that is killed loses what one task had done, not hours of it.
    """
    settings, keys = scoring.study.file.compare, list(scoring.by_key)
    whole = Pairs(within=tuple(keys))
    if settings.group is not None or settings.split is None or len(keys) < 2:
        return settings.group
    operations = cost_of_scores(scoring, whole).operations
    if operations is None or operations <= settings.split:
        return None
    if divided(scoring, whole).division is not None:
        return None
    dearest = sorted(keys, key=lambda key: -_features(scoring, key))
    group, least = len(keys), -(-len(keys) // MOST_SIDES)
    while group > least:
        group = max(-(-group // 2), least)
        block = Pairs(rows=tuple(dearest[:group]), columns=tuple(dearest[group : 2 * group]))
        if (cost_of_scores(scoring, block).operations or 0.0) <= settings.split:
            break
    return group


def _features(scoring: Scoring, key: str) -> int:
    size = scoring.size_of(scoring.by_key[key])
    return 0 if size is None else size.features
