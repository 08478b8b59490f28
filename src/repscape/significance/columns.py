"""What nulls and intervals say of many pairs, as columns of a table of scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from repscape.errors import RepscapeError
from repscape.significance.null import Null
from repscape.tables import NULL_COLUMNS

if TYPE_CHECKING:
    import numpy.typing as npt

Pairs = Sequence[tuple[int, int]]
_OWN = ("null_mean", "null_sd", "expected", "p_value", "effect", "n_permutations")


def null_columns(
    pairs: Pairs, nulls: Sequence[Null | RepscapeError], models: Sequence[str | None]
) -> list[dict[str, Any]]:
    """The columns `repscape.tables.NULL_COLUMNS` of every pair.

    Parameters
    ----------
    pairs
        Positions in `models`.
    nulls
        The null of each pair, or why there is none; by the same permutations.
    models
        The model of each representation, if known. The layer pairs of two models share the null
        of the best of them, as in `compare_layers`, where all permute the same side.
    """
    found = dict(zip(pairs, nulls, strict=True))
    best = {
        key: _best([null for pair in members if isinstance(null := found[pair], Null)])
        for key, members in _by_models(pairs, models).items()
    }
    return [_columns(found[a, b], best.get((str(models[a]), str(models[b])))) for a, b in pairs]


def best_null(nulls: Sequence[Null], observed: Null) -> Null:
    """The null of the best of many scores, under which `observed` is one of them."""
    scores = np.stack([null.scores for null in nulls])
    extreme: npt.NDArray[np.float64] = (
        scores.max(0) if observed.kind == "similarity" else scores.min(0)
    )
    return Null(observed.observed, extreme, observed.kind, observed.best)


def _by_models(
    pairs: Pairs, models: Sequence[str | None]
) -> Mapping[tuple[str, str], list[tuple[int, int]]]:
    """The pairs of different models by those; without models whose layers swap sides."""
    groups: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for a, b in pairs:
        first, second = models[a], models[b]
        if first is not None and second is not None and first != second:
            groups.setdefault((first, second), []).append((a, b))
    asked = set(pairs)
    # With both (a, b) and (b, a) there, each direction is whole; otherwise parts of one map
    # would permute different sides.
    return {
        (first, second): members
        for (first, second), members in groups.items()
        if (second, first) not in groups or all((b, a) in asked for a, b in members)
    }


def _best(nulls: Sequence[Null]) -> Null | None:
    return best_null(nulls, nulls[0]) if nulls else None


def _columns(null: Null | RepscapeError, best: Null | None) -> dict[str, Any]:
    if isinstance(null, RepscapeError):
        return dict.fromkeys(NULL_COLUMNS) | {"null_reason": str(null)}
    stated = {name: null.fields[name] for name in _OWN}
    of_best: dict[str, float | None] = {"p_max": None, "max_null_mean": None, "max_effect": None}
    if best is not None:
        under = Null(null.observed, best.scores, null.kind, null.best)
        of_best = {
            "p_max": under.p_value,
            "max_null_mean": under.mean,
            "max_effect": under.effect,
        }
    everything = stated | of_best | {"null_reason": null.effect_reason}
    return {name: everything[name] for name in NULL_COLUMNS}
