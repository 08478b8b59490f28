"""Layer by layer: all scores of two models, with the null of the best layer pair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.errors import RepscapeError
from repscape.measures.base import Kind, Measure, get_measure
from repscape.representation import Representation
from repscape.score import Score
from repscape.significance.asked import PERMUTATIONS
from repscape.significance.columns import best_null
from repscape.significance.many import null_pairs
from repscape.significance.null import Null
from repscape.significance.permutations import Partition, Permutations, partition
from repscape.significance.prepared import Layers, check_same_samples, checked_values, named_layers

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pandas as pd


@dataclass(frozen=True, eq=False)
class LayerScores:
    """The scores of all layers of one model with all layers of another.

    Attributes
    ----------
    table : DataFrame
        One row for each layer pair: `layer_a`, `layer_b`, `value`, `null_mean`, `null_sd`,
        `expected`, `effect`; `p_value`, of this pair as if it were the only one; `p_max`, its
        p-value under the null of the best of all pairs, which holds for all pairs together
        (Westfall and Young 1993); `reason` where there is no score.
    best : Score
        The best layer pair, with the null of the best: `p_value`, `null_mean`, `effect`, …
    layer_a, layer_b : str
        The best layer pair.
    """

    table: pd.DataFrame
    best: Score
    layer_a: str
    layer_b: str

    def to_matrix(self, column: str = "value") -> pd.DataFrame:
        """One column of the table as layers of A × layers of B."""
        wide = self.table.pivot_table(
            index="layer_a", columns="layer_b", values=column, dropna=False, sort=False
        )
        layers_a, layers_b = (list(dict.fromkeys(self.table[f"layer_{s}"])) for s in "ab")
        matrix: pd.DataFrame = wide.reindex(index=layers_a, columns=layers_b)
        return matrix


def compare_layers(
    x: Layers,
    y: Layers,
    measure: str | Measure[Any] = "cka",
    *,
    n_permutations: int = PERMUTATIONS,
    seed: int = 0,
    groups: Partition | None = None,
    blocks: Partition | None = None,
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
) -> LayerScores:
    """Score every layer of one model against every layer of another, and test the best pair.

    The more layer pairs are searched, the higher the best of them by chance. Here each
    permutation of the samples is applied to all layers of `y` together and gives the best
    score of all pairs; the observed best is compared with those.

    Parameters
    ----------
    x, y : mapping of name to representation, or sequence
        The layers of each model, of the same samples in the same order.
    measure, n_permutations, seed, groups, blocks, memory_limit
        As in `repscape.compare`.

    Raises
    ------
    UndefinedScoreError
        No layer pair has a score.
    UndefinedNullError
        The measure has no permutation null.
    SampleMismatchError, NonFiniteError
        The layers are of other samples, or hold NaN or infinite values.
    """
    chosen = get_measure(measure)
    layers_a, layers_b = named_layers(x, "x"), named_layers(y, "y")
    reps = [*layers_a.values(), *layers_b.values()]
    names = [*(f"x[{name}]" for name in layers_a), *(f"y[{name}]" for name in layers_b)]
    check_same_samples(dict(zip(names, reps, strict=True)))
    first = reps[0]
    permutations = Permutations(
        first.n,
        n_permutations,
        seed,
        partition(first, groups, "groups"),
        partition(first, blocks, "blocks"),
    )
    values = [checked_values(rep, name) for rep, name in zip(reps, names, strict=True)]
    pairs = [(i, len(layers_a) + j) for i in range(len(layers_a)) for j in range(len(layers_b))]
    labels = [rep.labels for rep in reps]
    nulls = null_pairs(chosen, values, labels, pairs, permutations, parse_bytes(memory_limit))
    keys = [(a, b) for a in layers_a for b in layers_b]
    return _summarise(chosen, first, dict(zip(keys, nulls, strict=True)))


def _summarise(
    measure: Measure[Any],
    rep: Representation,
    nulls: Mapping[tuple[str, str], Null | RepscapeError],
) -> LayerScores:
    found = {key: null for key, null in nulls.items() if isinstance(null, Null)}
    if not found:
        raise next(problem for problem in nulls.values() if isinstance(problem, RepscapeError))
    kind = measure.declared.kind
    layer_a, layer_b = _most_alike(found, kind)
    chosen = found[layer_a, layer_b]
    best = best_null(list(found.values()), chosen)
    records = [_record(key, null, best.scores) for key, null in nulls.items()]
    score = Score(chosen.observed, measure.name, kind, rep.n).with_null(**best.fields)
    return LayerScores(_frame(records), score, layer_a, layer_b)


def _most_alike(nulls: Mapping[tuple[str, str], Null], kind: Kind) -> tuple[str, str]:
    sign = 1.0 if kind == "similarity" else -1.0
    return max(nulls, key=lambda key: sign * nulls[key].observed)


def _record(
    key: tuple[str, str], null: Null | RepscapeError, best_of_all: npt.NDArray[np.float64]
) -> dict[str, Any]:
    record: dict[str, Any] = {"layer_a": key[0], "layer_b": key[1]}
    if not isinstance(null, Null):
        return record | {"reason": str(null)}
    return record | {
        "value": null.observed,
        "null_mean": null.mean,
        "null_sd": null.sd,
        "expected": null.expected,
        "effect": null.effect,
        "p_value": null.p_value,
        "p_max": Null(null.observed, best_of_all, null.kind, null.best).p_value,
        "reason": None,
    }


_NUMBERS = ["value", "null_mean", "null_sd", "expected", "effect", "p_value", "p_max"]


def _frame(records: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame.from_records(records, columns=["layer_a", "layer_b", *_NUMBERS, "reason"])
    return frame.astype(dict.fromkeys(_NUMBERS, "float64"))
