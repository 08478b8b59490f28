"""Questions as a user asks them: is A closer to B than to C; does the score depend on n?

Whether two representations are more alike than chance is `repscape.compare(…,
null="permutation")`, and for the layers of two models `compare_layers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.compute.seeds import checked_count, seeded
from repscape.errors import InvalidParameterError, TooFewSamplesError
from repscape.measures.base import Measure, get_measure
from repscape.representation import RepresentationLike, as_representation
from repscape.significance.asked import CONFIDENCE, PERMUTATIONS, check_confidence
from repscape.significance.intervals import Interval, jackknife
from repscape.significance.null import ROUNDING, Null, null_of, p_value
from repscape.significance.permutations import Partition, Permutations, partition
from repscape.significance.prepared import (
    PartialScores,
    check_same_samples,
    checked_values,
    prepare_state,
    select_samples,
)

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Closeness:
    """Whether A is closer to B than to C.

    Attributes
    ----------
    difference : float
        How much more alike A and B are than A and C, in the measure's units (positive: B is
        closer), whatever the measure's direction.
    value_b, value_c : float
        The scores of A with B and with C.
    interval : Interval
        Of the difference over samples: the paired jackknife, the same samples being left out of
        all three.
    p_value : float
        Of "A is no closer to B than to C", one-sided, by the paired jackknife.
    calibrated_difference : float or None
        The difference of the effects (0 at chance, 1 for a perfect match), which chance does
        not favour, e.g. by the widths of B and C; None where an effect is undefined.
    p_chance : float
        Of "A has nothing to do with B and C": the difference against those where the samples of
        A change places, by the same permutations for both. If A resembles both, a small value
        does not say that B is closer; `p_value` does.
    """

    difference: float
    value_b: float
    value_c: float
    interval: Interval
    p_value: float
    calibrated_difference: float | None
    p_chance: float
    measure: str
    kind: str
    n: int


def closer(
    a: RepresentationLike,
    b: RepresentationLike,
    c: RepresentationLike,
    measure: str | Measure[Any] = "cka",
    *,
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
    groups: Partition | None = None,
    blocks: Partition | None = None,
    confidence: float = CONFIDENCE,
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> Closeness:
    """Test whether A is closer to B than to C.

    Parameters
    ----------
    a, b, c : representations of the same samples
        A, and the two that compete.
    measure, n_permutations, seed, groups, blocks, memory_limit
        As in `repscape.compare`.
    confidence : float
        Of the interval of the difference.

    Raises
    ------
    SampleMismatchError, NonFiniteError, TooFewSamplesError, UndefinedScoreError,
    UndefinedNullError
        As in `repscape.compare`.
    """
    chosen = get_measure(measure)
    reps = {name: as_representation(x, name) for name, x in (("a", a), ("b", b), ("c", c))}
    check_same_samples(reps)
    check_confidence(confidence)
    first = reps["a"]
    permutations = Permutations(
        first.n,
        n_permutations,
        seed,
        partition(first, groups, "groups"),
        partition(first, blocks, "blocks"),
    )
    values = {name: checked_values(rep, name) for name, rep in reps.items()}
    states = {name: prepare_state(chosen, x, reps[name].labels) for name, x in values.items()}
    # The same orders of B and of C: as if A had changed its order, in the same way for both.
    limit = parse_bytes(memory_limit)
    # Differences of permuted scores are compared, so each has to be exact.
    to_b, to_c = (
        null_of(chosen, states["a"], states[other], permutations, limit, exact=True)
        for other in ("b", "c")
    )
    sign = 1.0 if chosen.declared.kind == "similarity" else -1.0
    scores = PartialScores(chosen, [values[name] for name in ("a", "b", "c")])

    def difference(rows: torch.Tensor) -> float:
        return sign * (scores(rows, 0, 1) - scores(rows, 0, 2))

    observed = sign * (to_b.observed - to_c.observed)
    scale = max(abs(to_b.observed), abs(to_c.observed))
    needed = chosen.declared.minimum_n
    low, high = chosen.declared.range
    found = jackknife(difference, first.n, observed, confidence, seed, needed)
    found = found.within(low - high, high - low, "differences")
    return Closeness(
        difference=observed,
        value_b=to_b.observed,
        value_c=to_c.observed,
        interval=found,
        p_value=_one_sided(observed, found, ROUNDING * scale),
        calibrated_difference=_calibrated(to_b, to_c),
        p_chance=p_value(observed, sign * (to_b.scores - to_c.scores), "similarity", scale=scale),
        measure=chosen.name,
        kind=chosen.declared.kind,
        n=first.n,
    )


def _calibrated(to_b: Null, to_c: Null) -> float | None:
    if to_b.effect is None or to_c.effect is None:
        return None
    return to_b.effect - to_c.effect


def _one_sided(difference: float, found: Interval, rounding: float) -> float:
    from scipy.stats import t

    assert found.degrees_of_freedom is not None
    if found.standard_error <= rounding:
        return 1.0 if difference <= rounding else 0.0
    return float(t.sf(difference / found.standard_error, found.degrees_of_freedom))


def dependence_on_n(
    x: RepresentationLike,
    y: RepresentationLike,
    measure: str | Measure[Any] = "cka",
    sizes: Sequence[int] | None = None,
    *,
    repeats: int = 10,
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> pd.DataFrame:
    """The score of growing random subsets of the samples, beside its null.

    A score that changes with n says as much about n as about the representations (mutual
    nearest neighbours at fixed k fall with n); its effect tells what is left.

    Parameters
    ----------
    x, y : representations of the same samples
    measure
        As in `repscape.compare`.
    sizes : sequence of int, optional
        Numbers of samples; by default n/8, n/4, n/2 and n, as far as the measure allows.
    repeats : int
        Random subsets of each size (one of all samples).
    n_permutations, seed, memory_limit
        As in `repscape.compare`; the permutations are of the first subset of each size.

    Returns
    -------
    DataFrame
        One row per size: `measure`, `kind`, `n`, `value` and `sd` (mean and standard deviation
        over the subsets), `subsets`; of the first subset `first_value`, `null_mean`, `null_sd`,
        `p_value` and `standard_error` (jackknife); `effect`, of `value` beside that null mean.
        `interval_low` and `interval_high`
        are `value` and that error, as of a single score of n samples, at 95 %; null where too few
        samples are left for the jackknife; `interval_reason` says so, or that they lie beyond the
        range of the measure.
    """
    import pandas as pd

    chosen = get_measure(measure)
    reps = {name: as_representation(v, name) for name, v in (("x", x), ("y", y))}
    check_same_samples(reps)
    values = [checked_values(rep, name) for name, rep in reps.items()]
    n = reps["x"].n
    checked_count("repeats", repeats)
    limit = parse_bytes(memory_limit)
    generator = seeded(seed)
    partial = PartialScores(chosen, values)
    records = []
    for size in _sizes(chosen, n, sizes):
        subsets = [
            torch.randperm(n, generator=generator)[:size].sort().values
            for _ in range(1 if size == n else repeats)
        ]
        scores = [partial(rows) for rows in subsets]
        a, b = (prepare_state(chosen, select_samples(chosen, v, subsets[0])) for v in values)
        null = null_of(chosen, a, b, Permutations(size, n_permutations, seed), limit)
        record: dict[str, Any] = {"measure": chosen.name, "kind": chosen.declared.kind, "n": size}
        record |= _spread(scores)
        record |= _stated(null, record["value"])
        records.append(record | _error(chosen, partial, subsets[0], record["value"], seed))
    return pd.DataFrame(records)


def _error(
    measure: Measure[Any], partial: PartialScores, rows: torch.Tensor, value: float, seed: int
) -> dict[str, float | str | None]:
    def statistic(kept: torch.Tensor) -> float:
        return partial(rows[kept])

    try:
        found = jackknife(statistic, len(rows), value, 0.95, seed, measure.declared.minimum_n)
    except TooFewSamplesError as reason:
        none = dict.fromkeys(("standard_error", "interval_low", "interval_high"))
        return none | {"interval_reason": str(reason)}
    return {
        "standard_error": found.standard_error,
        "interval_low": found.low,
        "interval_high": found.high,
        "interval_reason": found.within(*measure.declared.range).reason,
    }


def _spread(scores: Sequence[float]) -> dict[str, float]:
    sd = float(np.std(scores, ddof=1)) if len(scores) > 1 else float("nan")
    return {"value": float(np.mean(scores)), "sd": sd, "subsets": len(scores)}


def _stated(null: Null, value: float) -> dict[str, float | None]:
    names = ("null_mean", "null_sd", "p_value")
    stated = {"first_value": null.observed, **{name: null.fields[name] for name in names}}
    return stated | {"effect": replace(null, observed=value).effect}


def _sizes(measure: Measure[Any], n: int, sizes: Sequence[int] | None) -> list[int]:
    least = measure.declared.minimum_n
    if sizes is None:
        return sorted({size for size in (n // 8, n // 4, n // 2, n) if size >= max(least, 8)})
    for size in sizes:
        if size > n:
            raise InvalidParameterError(f"sizes holds {size}, but there are {n} samples")
        if size < least:
            raise TooFewSamplesError(f"sizes holds {size}, and {measure.name} needs {least}")
    return sorted(set(sizes))
