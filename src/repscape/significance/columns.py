"""What nulls and intervals say of many pairs, as columns of a table of scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from repscape.errors import RepscapeError
from repscape.measures.base import Outcome
from repscape.significance.many import known_scores
from repscape.significance.null import Null
from repscape.tables import NULL_COLUMNS

if TYPE_CHECKING:
    import numpy.typing as npt
    import torch

Pairs = Sequence[tuple[int, int]]
_NOTHING = np.empty(0)


def null_columns(
    pairs: Pairs,
    nulls: Iterable[tuple[tuple[int, int], Null | RepscapeError]],
    models: Sequence[str | None],
) -> list[dict[str, Any]]:
    """The columns `repscape.tables.NULL_COLUMNS` of every pair.

    Parameters
    ----------
    pairs
        Positions in `models`.
    nulls
        Every pair with its null, or why there is none; by the same permutations. None is kept.
    models
        The model of each representation, if known. The layer pairs of two models share the null
        of the best of them, as in `compare_layers`, where all permute the same side.
    """
    whole = _whole_maps(pairs, models)
    stated: dict[tuple[int, int], dict[str, Any]] = {}
    ends: dict[tuple[int, int], Null] = {}
    best: dict[tuple[str, str], Null] = {}
    for (a, b), null in nulls:
        stated[a, b] = _columns(null)
        key = (str(models[a]), str(models[b]))
        if isinstance(null, Null) and key in whole:
            # Of a null only the ends are kept, the best so far of all its permuted scores apart.
            ends[a, b] = replace(null, scores=_NOTHING)
            best[key] = best_null([best[key], null], null) if key in best else null
    for (a, b), null in ends.items():
        found = best[str(models[a]), str(models[b])]
        under = replace(null, scores=found.scores, expected=None)
        stated[a, b] |= {
            "p_max": under.p_value,
            "max_null_mean": under.mean,
            "max_effect": under.effect,
        }
    return [stated[pair] for pair in pairs]


def scores_of_maps(
    pairs: Pairs, outcomes: Iterable[Outcome], models: Sequence[str | None]
) -> dict[tuple[int, int], torch.Tensor]:
    """What each pair's permuted scores are compared with: the scores of all its layer map."""
    maps: dict[tuple[str, str], list[int]] = {}
    whole = _whole_maps(pairs, models)
    for position, (a, b) in enumerate(pairs):
        key = (str(models[a]), str(models[b]))
        if key in whole:
            maps.setdefault(key, []).append(position)
    known = list(outcomes)
    found: dict[tuple[int, int], torch.Tensor] = {}
    for positions in maps.values():
        scores = known_scores(known[position] for position in positions)
        found |= {pairs[position]: scores for position in positions}
    return found


def same_side_permuted(pairs: Pairs, models: Sequence[str | None]) -> list[tuple[int, int]]:
    """The pairs of a symmetric measure, turned where the model that comes second stands first.

    So all layer pairs of two models permute the same side, also where their layers interleave.
    """
    place: dict[str | None, int] = {}
    for model in models:
        place.setdefault(model, len(place))
    turned = [(b, a) if place[models[b]] < place[models[a]] else (a, b) for a, b in pairs]
    # Asked for in both directions, a pair has the null of each.
    return turned if len({*turned}) == len(turned) else list(pairs)


def best_null(nulls: Sequence[Null], observed: Null) -> Null:
    """The null of the best of many scores, under which `observed` is one of them."""
    scores = np.stack([null.scores for null in nulls])
    extreme: npt.NDArray[np.float64] = (
        scores.max(0) if observed.kind == "similarity" else scores.min(0)
    )
    return Null(observed.observed, extreme, observed.kind, observed.best)


def _whole_maps(pairs: Pairs, models: Sequence[str | None]) -> set[tuple[str, str]]:
    """Two different models whose pairs here all permute layers of the second.

    With both (a, b) and (b, a) there, each direction is whole; otherwise parts of one map would
    permute different sides.
    """
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for a, b in pairs:
        first, second = models[a], models[b]
        if first is not None and second is not None and first != second:
            groups.setdefault((first, second), []).append((a, b))
    asked = set(pairs)
    return {
        (first, second)
        for (first, second), members in groups.items()
        if (second, first) not in groups or all((b, a) in asked for a, b in members)
    }


def _columns(null: Null | RepscapeError) -> dict[str, Any]:
    if isinstance(null, RepscapeError):
        return dict.fromkeys(NULL_COLUMNS) | {"null_reason": str(null)}
    return dict.fromkeys(NULL_COLUMNS) | {
        "null_mean": null.mean,
        "null_sd": null.sd,
        "expected": null.expected,
        "p_value": null.p_value,
        "effect": null.effect,
        "n_permutations": len(null.scores),
        "null_reason": null.effect_reason,
    }
