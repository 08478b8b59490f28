"""Scores whose sweep over the tiles of n×n matrices is divided among processes or machines.

Three steps, each of which can run anywhere: `fitted_of` finds, once for each representation, what
is fitted to all pairs of its samples; `tile_sums` forms the sums over one group of tiles;
`similarity_matrix(…, scorer=scorer_of_sums(…))` adds the sums of all groups in their order and
scores. What the groups are follows from their `Division` alone, so the scores have the same bits
wherever the groups were computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.compute.precision import full_precision
from repscape.compute.tile_groups import Division, number_of_tiles
from repscape.errors import InvalidParameterError, MemoryLimitError, RepscapeError
from repscape.measures.base import Measure, Outcome, get_measure
from repscape.measures.tiled import Sums, Tiled
from repscape.pairwise import Labels, Pairs, Prepared, Values, check_n, transformed

if TYPE_CHECKING:
    import torch

Fitted: TypeAlias = "Sequence[Sums | None]"
"""For every representation what `fitted_of` found, if anything."""
MOST_GROUPS = 256


def division_of(
    measure: str | Measure[Any],
    n: int,
    widths: Sequence[int],
    operations: float,
    most: float,
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> Division | None:
    """How to divide the sweep of many pairs so that a group takes about `most` operations.

    It follows from these sizes alone. None if the sweep takes no more than that, if the measure
    takes no sweep over tiles for such representations, or if memory does not allow it.

    Parameters
    ----------
    measure : str or Measure
    n : int
        The number of samples.
    widths : sequence of int
        The number of features of each representation.
    operations : float
        What the whole sweep takes.
    most : float
        What one group may take.
    memory_limit : str or float
        As it will be given to `tile_sums`.
    """
    core = get_measure(measure).core
    if operations <= most or not isinstance(core, Tiled) or not core.takes_tiles(n, widths):
        return None
    limit = parse_bytes(memory_limit) // 2
    if sum(core.state_bytes(n, d) for d in widths) > limit:
        return None
    try:
        side = core.tile_side(n, widths, limit)
    except MemoryLimitError:
        return None
    groups = min(int(-(-operations // most)), number_of_tiles(n, side), MOST_GROUPS)
    return Division(side, groups) if groups > 1 else None


def is_tiled(measure: str | Measure[Any]) -> bool:
    """Whether the measure has a sweep over tiles at all."""
    return isinstance(get_measure(measure).core, Tiled)


def needs_fitting(measure: str | Measure[Any], n: int) -> bool:
    """Whether `fitted_of` finds anything for n samples."""
    core = get_measure(measure).core
    return isinstance(core, Tiled) and core.is_fitted(n)


def fitted_of(measure: str | Measure[Any], x: torch.Tensor) -> dict[str, torch.Tensor] | None:
    """What preparing a representation fits to all pairs of its samples.

    Parameters
    ----------
    measure : str or Measure
    x : (n, d) tensor

    Returns
    -------
    Small arrays by name: a median distance, bins of ranks. None where the representation has no
    score, since the error comes up again, in its place, when the pairs are scored.
    """
    chosen = get_measure(measure)
    core = _tiled(chosen)
    try:
        check_n(chosen, x.shape[0])
        value = transformed(chosen, x)
        if isinstance(value, RepscapeError):
            return None
        with full_precision():
            return core.fitted(chosen.core.prepare(value))
    except RepscapeError:
        return None


def tile_sums(
    measure: str | Measure[Any],
    values: Values,
    pairs: Pairs,
    division: Division,
    group: int,
    fitted: Fitted | None = None,
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> dict[str, torch.Tensor]:
    """What one group of tiles adds to the sums from which the pairs are scored.

    Parameters
    ----------
    measure : str or Measure
        One that is `repscape.measures.tiled.Tiled`.
    values : sequence of (n, d) tensor, or error
        The representations; all pairs of one that is an error have that error.
    pairs : sequence of (a, b)
        Positions in `values`.
    division : Division
        From `division_of`.
    group : int
        From 0 to `division.groups` - 1.
    fitted : sequence, optional
        What `fitted_of` found for each representation.
    memory_limit : str or float
        Beyond the inputs.

    Returns
    -------
    Arrays by name, float64; none if no pair can have a score.

    Raises
    ------
    MemoryLimitError
        If tiles of that side do not fit.
    """
    chosen = get_measure(measure)
    core = _tiled(chosen)
    with full_precision():
        prepared = _prepared(chosen, values, pairs, fitted)
        if not prepared.request.pairs:
            return {}
        limit = parse_bytes(memory_limit) // 2
        return core.tile_sums(prepared.request, division, group, limit)


def scorer_of_sums(
    sums: Iterable[Sums], fitted: Fitted | None = None
) -> Callable[..., list[list[Outcome]]]:
    """What scores pairs for `similarity_matrix` from the sums of all groups, in their order."""
    return partial(_score, sums=sums, fitted=fitted)


def _score(
    measures: Sequence[Measure[Any]],
    values: Values,
    pairs: Sequence[Pairs],
    memory_limit: int,
    progress: Callable[[int, int], None] | None,
    labels: Labels | None = None,
    *,
    sums: Iterable[Sums],
    fitted: Fitted | None,
) -> list[list[Outcome]]:
    """Like `repscape.pairwise.score_pairs`, of one measure."""
    [chosen], [wanted] = measures, pairs
    core = _tiled(chosen)
    with full_precision():
        prepared = _prepared(chosen, values, wanted, fitted)
        request = prepared.request
        outcomes = core.scores_of_sums(request, sums) if request.pairs else []
    if progress is not None:
        progress(len(wanted), len(wanted))
    return [prepared.merge(outcomes)]


def _prepared(
    measure: Measure[Any], values: Values, pairs: Pairs, fitted: Fitted | None
) -> Prepared:
    def state(index: int) -> Any:
        value = values[index]
        known = None if fitted is None else fitted[index]
        if isinstance(value, RepscapeError):
            return value
        try:
            check_n(measure, value.shape[0])
            x = transformed(measure, value)
            if isinstance(x, RepscapeError):
                return x
            return measure.core.prepare(x) if known is None else core.prepare_fitted(x, known)
        except RepscapeError as reason:
            return reason

    core = _tiled(measure)
    return Prepared.of(measure, pairs, state)


def _tiled(measure: Measure[Any]) -> Tiled[Any]:
    core: Any = measure.core
    if not isinstance(core, Tiled):
        raise InvalidParameterError(
            f"{measure.name} has no sweep over tiles that can be divided: score its pairs as usual"
        )
    return core
