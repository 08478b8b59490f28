"""The front door for scores: two representations, or all pairs of many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import torch

from repscape.compute.arrays import as_tensor, check_finite
from repscape.compute.device import on_capable_device
from repscape.compute.equal_rows import count_repeated
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.errors import (
    InvalidParameterError,
    RepscapeError,
    UnknownNameError,
    did_you_mean,
)
from repscape.measures.base import Measure, Outcome, get_measure
from repscape.pairwise import Labels, Pairs, Values, score_pairs
from repscape.representation import (
    Representation,
    RepresentationLike,
    aligned,
    as_representation,
    same_samples,
)
from repscape.score import Score
from repscape.significance.asked import CONFIDENCE, PERMUTATIONS, check_asked
from repscape.significance.columns import null_columns, same_side_permuted, scores_of_maps
from repscape.significance.intervals import interval as sample_interval
from repscape.significance.many import iterate_nulls
from repscape.significance.many_intervals import (
    check_interval_name,
    interval_columns,
    interval_pairs,
)
from repscape.significance.null import null_of
from repscape.significance.permutations import Partition, Permutations, partition
from repscape.significance.prepared import prepare_state
from repscape.similarities import Similarities
from repscape.tables import INTERVAL_COLUMNS, NULL_COLUMNS, SIMILARITY_COLUMNS, tag_column

if TYPE_CHECKING:
    import pandas as pd

Many: TypeAlias = "Sequence[RepresentationLike] | Mapping[str, RepresentationLike]"
Pair: TypeAlias = "tuple[str | int, str | int]"
Progress: TypeAlias = Callable[[int, int], None]
Scorer: TypeAlias = Callable[..., list[list[Outcome]]]


def compare(
    x: RepresentationLike,
    y: RepresentationLike,
    measure: str | Measure[Any] = "cka",
    *,
    align: str = "strict",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
    device: str | None = None,
    null: str | None = None,
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
    groups: Partition | None = None,
    blocks: Partition | None = None,
    interval: str | None = None,
    confidence: float = CONFIDENCE,
) -> Score:
    """Score how alike two representations of the same samples are.

    Parameters
    ----------
    x, y : (n, d) and (n, d') array, tensor or Representation
        Rows are the same samples in the same order; arrays have the ids 0 … n-1.
    measure : str or Measure
        A printable name such as `"cka"` or `"unit_rows|cka[kernel=rbf,sigma=0.4]"`; see
        `repscape.measures()`.
    align : "strict" or "intersection"
        Refuse different sample ids, or compare the samples that both have (`Score.n` says
        how many).
    memory_limit : str or float
        Bytes (or `"2GiB"`) that the computation may hold beyond its inputs.
    device : str, optional
        Where to compute, e.g. `"cuda"`; by default where the values are. A device without
        float64 leaves it to the CPU, with a `DeviceFallbackWarning`.
    null : "permutation", optional
        Also say what the score is when the samples of `y` are paired with those of `x` at
        random: mean, standard deviation, p-value, effect, quantiles.
    n_permutations, seed : int
        How many random orders, and their seed (also that of the interval's groups).
    groups, blocks : str or (n,) sequence, optional
        Restrict the permutations: samples change places within a group only, or whole blocks
        change places. A string names a column of `x` (or `"labels"`).
    interval : "jackknife", "subsampling" or "bootstrap", optional
        Also give an interval over samples; see `repscape.significance.intervals.interval`.
    confidence : float
        Nominal coverage of the interval.

    Raises
    ------
    SampleMismatchError, NonFiniteError, TooFewSamplesError, UndefinedScoreError
        Instead of a NaN.
    UndefinedNullError
        The measure has no permutation null, or no bootstrap.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 8))
    >>> print(compare(x, 3 * x[:, ::-1] + 1, "cka"))
    cka[kernel=linear,debiased=true]@1 = 1  (n=100, similarity)
    """
    chosen = get_measure(measure)
    check_asked(null, interval, n_permutations, seed, groups, blocks, confidence)
    a, b = aligned(as_representation(x, "x"), as_representation(y, "y"), align)
    values = [checked_tensor(rep, name, device) for rep, name in ((a, "x"), (b, "y"))]
    for value in values:
        if isinstance(value, RepscapeError):
            raise value
    limit = parse_bytes(memory_limit)
    [[outcome]] = score_pairs([chosen], values, [[(0, 1)]], limit, None, [a.labels, b.labels])
    if isinstance(outcome, RepscapeError):
        raise outcome
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    first, second = map(count_repeated, tensors)
    score = Score(outcome, chosen.name, chosen.declared.kind, a.n, (first, second))
    if null is not None:
        permutations = _permutations(a, n_permutations, seed, groups, blocks)
        state_a, state_b = (
            prepare_state(chosen, value, rep.labels)
            for value, rep in zip(tensors, (a, b), strict=True)
        )
        score = score.with_null(**null_of(chosen, state_a, state_b, permutations, limit).fields)
    if interval is not None:
        x_values, y_values = tensors
        found = sample_interval(chosen, x_values, y_values, outcome, interval, confidence, seed)
        score = score.with_interval(
            found.low,
            found.high,
            found.method,
            found.confidence,
            found.standard_error,
            found.reason,
        )
    return score


def _permutations(
    rep: Representation,
    n_permutations: int,
    seed: int,
    groups: Partition | None,
    blocks: Partition | None,
) -> Permutations:
    return Permutations(
        rep.n,
        n_permutations,
        seed,
        partition(rep, groups, "groups"),
        partition(rep, blocks, "blocks"),
    )


def similarity_matrix(
    rows: Many,
    measures: str | Measure[Any] | Sequence[str | Measure[Any]] = "cka",
    columns: Many | None = None,
    pairs: Iterable[Pair] | None = None,
    *,
    align: str = "strict",
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
    device: str | None = None,
    progress: Progress | None = None,
    null: str | None = None,
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
    groups: Partition | None = None,
    blocks: Partition | None = None,
    interval: str | None = None,
    confidence: float = CONFIDENCE,
    scorer: Scorer = score_pairs,
) -> Similarities:
    """Score all pairs of many representations; each one's expensive half is done once.

    Parameters
    ----------
    rows : sequence or mapping of name to representation
        Arrays, tensors or `Representation`s of the same samples. In a sequence,
        `Representation`s are called by their own names and arrays by their positions.
    measures : str, Measure, or sequence of them
        What to compute.
    columns : like `rows`, optional
        Score rows against columns instead of rows against rows.
    pairs : iterable of (a, b), optional
        Only these, by name or position in `rows` (and in `columns`, if given).
    align, memory_limit, device
        As in `compare`; `align="intersection"` keeps the samples that all have.
    progress : callable (done, total), optional
        Called as pairs are finished.
    null, n_permutations, seed, groups, blocks
        As in `compare`: the table gets the columns `repscape.tables.NULL_COLUMNS`. The same
        permutations serve all pairs.
    interval, confidence
        "jackknife" or "subsampling": the table gets the columns
        `repscape.tables.INTERVAL_COLUMNS`, at 20 or 100 times the cost of the scores.
    scorer : callable, optional
        What scores the pairs in place of `repscape.pairwise.score_pairs`; see `repscape.tiles`.

    Returns
    -------
    Similarities
        Without `columns` and `pairs`: i < j for symmetric measures, i ≠ j for others. A pair
        without a score has a null value and a reason; the other pairs are not lost.
    """
    named_rows = _named(rows, "rows")
    named_columns = named_rows if columns is None else _named(columns, "columns")
    same = columns is None
    names = [*named_rows, *([] if same else named_columns)]
    given = [*named_rows.values(), *([] if same else named_columns.values())]
    reps = _align_all(given, names, align)
    chosen = [
        get_measure(m) for m in ([measures] if isinstance(measures, (str, Measure)) else measures)
    ]
    if not chosen:
        raise InvalidParameterError("no measure was named: give at least one, e.g. 'cka'")
    if same and pairs is None and len(named_rows) == 1:
        raise InvalidParameterError(
            "rows holds one representation, which has no other to be compared with: give at least "
            "two, or columns"
        )
    offset = 0 if same else len(named_rows)
    asked = _pair_positions(list(named_rows), list(named_columns), pairs, same)
    tensors = [checked_tensor(rep, name, device) for rep, name in zip(reps, names, strict=True)]
    check_asked(null, interval, n_permutations, seed, groups, blocks, confidence)
    check_interval_name(interval, confidence)
    permutations = (
        None if null is None else _permutations(reps[0], n_permutations, seed, groups, blocks)
    )
    once = same and pairs is None
    wanted = [
        [(x, y + offset) for x, y in asked if x < y or not (once and measure.declared.symmetric)]
        for measure in chosen
    ]
    limit = parse_bytes(memory_limit)
    labels = [rep.labels for rep in reps]
    digest = reps[0].sample_digest  # all have the same samples
    records: list[dict[str, Any]] = []
    repeated = [count_repeated(x) if isinstance(x, torch.Tensor) else None for x in tensors]
    outcomes = scorer(chosen, tensors, wanted, limit, progress, labels)
    for measure, part, scores in zip(chosen, wanted, outcomes, strict=True):
        scored = [
            _record(measure, reps, digest, names, repeated, pair, outcome)
            for pair, outcome in zip(part, scores, strict=True)
        ]
        if permutations is not None:
            models = [rep.origin.model for rep in reps]
            asked_of = same_side_permuted(part, models) if measure.declared.symmetric else part
            against = scores_of_maps(asked_of, scores, models)
            nulls = iterate_nulls(measure, tensors, labels, asked_of, permutations, limit, against)
            stated = null_columns(asked_of, nulls, models)
            scored = [row | one for row, one in zip(scored, stated, strict=True)]
        if interval is not None:
            score_all = partial(_scores_of, measure, part, limit)
            found = interval_pairs(
                measure, tensors, labels, scores, score_all, interval, confidence, seed
            )
            stated = interval_columns(found)
            scored = [row | one for row, one in zip(scored, stated, strict=True)]
        records += scored
    further = [] if permutations is None else list(NULL_COLUMNS)
    further += [] if interval is None else list(INTERVAL_COLUMNS)
    table = _frame(records, further)
    return Similarities(table, tuple(named_rows), tuple(named_columns), same)


def _scores_of(
    measure: Measure[Any], pairs: Pairs, limit: int, values: Values, labels: Labels
) -> list[Outcome]:
    return score_pairs([measure], values, [pairs], limit, None, labels)[0]


def _named(many: Many, what: str) -> dict[str, Representation]:
    if isinstance(many, Mapping):
        named = {str(name): as_representation(x, str(name)) for name, x in many.items()}
    else:
        named = {}
        for position, x in enumerate(many):
            rep = as_representation(x, str(position))
            if rep.name in named:
                raise InvalidParameterError(
                    f"two of the {what} are called {rep.name!r}: give a mapping of distinct names, "
                    "or set origin.model and origin.layer"
                )
            named[rep.name] = rep
    if not named:
        raise InvalidParameterError(f"{what} is empty: give at least one representation")
    return named


def _align_all(reps: list[Representation], names: list[str], align: str) -> list[Representation]:
    first = reps[0]
    if all(same_samples(first, rep) for rep in reps):
        return reps
    for rep, name in zip(reps[1:], names[1:], strict=True):
        first, _ = aligned(first, rep, align, (names[0], name))
    return [rep if same_samples(first, rep) else rep.select(first.sample_ids) for rep in reps]


def _pair_positions(
    row_names: list[str], column_names: list[str], pairs: Iterable[Pair] | None, same: bool
) -> list[tuple[int, int]]:
    if pairs is None:
        everything = [(a, b) for a in range(len(row_names)) for b in range(len(column_names))]
        return [(a, b) for a, b in everything if not (same and a == b)]
    return [(_position(a, row_names), _position(b, column_names)) for a, b in pairs]


def _position(wanted: str | int, names: list[str]) -> int:
    if isinstance(wanted, int) and 0 <= wanted < len(names):
        return wanted
    if str(wanted) in names:
        return names.index(str(wanted))
    raise UnknownNameError(f"pairs name {wanted!r}: {did_you_mean(str(wanted), names)}")


def checked_tensor(
    rep: Representation, name: str, device: str | None
) -> torch.Tensor | RepscapeError:
    """The values where they are computed with, or the error that they are not finite."""
    tensor = on_capable_device(as_tensor(rep.values), device)
    try:
        check_finite(tensor, name)
    except RepscapeError as problem:
        return problem
    return tensor


def _record(
    measure: Measure[Any],
    reps: list[Representation],
    digest: str,
    names: list[str],
    repeated: list[int | None],
    pair: tuple[int, int],
    outcome: Outcome,
) -> dict[str, Any]:
    a, b = (reps[index] for index in pair)
    missing = isinstance(outcome, RepscapeError)
    record: dict[str, Any] = {
        "data": a.origin.data,
        "split": a.origin.split,
        "sample_digest": digest,
        "rep_a": names[pair[0]],
        "rep_b": names[pair[1]],
        "model_a": a.origin.model,
        "model_b": b.origin.model,
        "layer_a": a.origin.layer,
        "layer_b": b.origin.layer,
        "key_a": a.key,
        "key_b": b.key,
        "measure": measure.name,
        "kind": measure.declared.kind,
        "n": a.n,
        "duplicates_a": repeated[pair[0]],
        "duplicates_b": repeated[pair[1]],
        "value": None if missing else outcome,
        "reason": str(outcome) if missing else None,
    }
    for side, rep in (("a", a), ("b", b)):
        for tag, value in rep.origin.tags.items():
            record[tag_column(tag, SIMILARITY_COLUMNS, f"_{side}")] = value
    return record


def _frame(records: list[dict[str, Any]], further: list[str]) -> pd.DataFrame:
    import pandas as pd

    documented = [*SIMILARITY_COLUMNS, *further]
    extra = sorted({name for record in records for name in record} - set(documented))
    frame = pd.DataFrame.from_records(records, columns=[*documented, *extra])
    texts = {"null_reason", "interval_reason", "interval_method"}
    types = dict.fromkeys(set(further) - texts, "float64")
    if "n_permutations" in further:
        types["n_permutations"] = "Int64"
    types |= {"duplicates_a": "Int64", "duplicates_b": "Int64"}
    return frame.astype({"value": "float64", "n": "int64"} | types)
