"""What a task will cost, before it runs: operations, bytes, time, memory. Orders of magnitude.

Operations are multiplications with additions counted as two. Sizes come from representations
that the store has, else from what the study file or the training step says to `expect`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from repscape.compute.memory import DEFAULT_MEMORY_LIMIT, parse_bytes
from repscape.errors import RepscapeError
from repscape.geometry.base import DESCRIPTORS, get_descriptor
from repscape.measures.base import Measure, get_measure
from repscape.measures.rotation import RotationMeasure
from repscape.studies.measured import beyond_a_sweep, of_descriptor, pace_of_null

if TYPE_CHECKING:
    from repscape.store import Store
    from repscape.studies.pairs import Pairs
    from repscape.studies.phases import Extraction

CPU_RATE = 2e10
"""Operations per second of one core in these computations: assumed (`benchmarks/studies.py`)."""
GPU_RATE = 5e13
"""Operations per second of one GPU in forward passes, at about a sixth of an A100's peak."""
OVERHEAD = 0.02
"""Seconds that a task takes beside its operations."""
LOADING = 0.08
"""The same of an extraction, which loads a model."""
PROFILED_LAYER = 0.01
"""The same of each layer of a profile."""
FLOAT = 4
ROW_BYTES = 120
_SMALL = 2**28


@dataclass(frozen=True)
class Cost:
    """What one task takes; None where a size is not known."""

    operations: float | None
    bytes: float | None
    memory: float | None
    overhead: float = OVERHEAD

    def seconds(self, cpus: int, gpus: int) -> float | None:
        """The time that it takes with these resources."""
        if self.operations is None:
            return None
        rate = gpus * GPU_RATE if gpus else cpus * CPU_RATE
        return self.overhead + self.operations / rate


@dataclass(frozen=True)
class Size:
    """The representations of one model on one data set: samples, and features of each layer."""

    n: int
    widths: tuple[int, ...]
    parameters: float | None = None
    tokens: int = 1

    @property
    def features(self) -> int:
        """Σ d over the layers."""
        return sum(self.widths)


UNKNOWN = Cost(None, None, None)
_Pairwise: TypeAlias = "Callable[[int, Sequence[int], int], float]"


def size_of(extraction: Extraction, store: Store | None) -> Size | None:
    """How large the representations of one pooling are, if that is known."""
    expect = extraction.model.expected
    tokens = int(expect.get("tokens", 1))
    parameters = expect.get("parameters")
    if store is not None and store.has(extraction.task.key):
        known = store.manifest(extraction.task.key).metadata
        return Size(known["n"], tuple(known["widths"]), parameters, tokens)
    samples = extraction.samples
    if samples is None and extraction.data.entry.expect is not None:
        samples = extraction.data.entry.expect.samples
    if samples is None or "layers" not in expect or "width" not in expect:
        return None
    widths = (int(expect["width"]),) * int(expect["layers"])
    return Size(samples, widths, parameters, tokens)


def cost_of_extraction(size: Size | None, poolings: int, batch: int) -> Cost:
    """A forward pass over the data: two operations per parameter and token."""
    if size is None:
        return UNKNOWN
    written = float(FLOAT * size.n * size.features * poolings)
    if size.parameters is None:
        return Cost(None, written, None)
    activations = FLOAT * batch * size.tokens * max(size.widths) * 8
    return Cost(
        2 * size.parameters * size.tokens * size.n,
        written,
        FLOAT * size.parameters + activations,
        LOADING,
    )


def cost_of_reading(size: Size | None) -> Cost:
    """Reading values from files, each looked at once, and keeping them as float32."""
    if size is None:
        return UNKNOWN
    values = float(size.n * size.features)
    return Cost(values, FLOAT * values, 2 * FLOAT * values + _SMALL)


def cost_of_scores(
    measure: str,
    sizes: Sequence[Size | None],
    pairs: float,
    permutations: int,
    budget: float | None,
    memory_limit: str | None,
) -> Cost:
    """One table of scores: what is done once per layer, and what is done per pair and null."""
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes) or not known:
        return UNKNOWN
    chosen = get_measure(measure)
    n = max(size.n for size in known)
    widths = [d for size in known for d in size.widths]
    operations = score_operations(chosen, n, widths, int(pairs))
    null = null_operations(chosen, n, max(widths), permutations)
    if null and (budget is None or null <= budget):
        operations += operations + pairs * null * pace_of_null(chosen)  # it prepares anew
    limit = parse_bytes(memory_limit or DEFAULT_MEMORY_LIMIT)
    inputs = FLOAT * n * sum(widths)
    held = min(_states(chosen, n, widths), limit)
    return Cost(operations, ROW_BYTES * pairs, inputs + held)


def score_operations(measure: Measure[Any], n: int, widths: Sequence[int], pairs: int) -> float:
    """What the scores of these pairs take: the family's operations, and what was measured."""
    return _family(measure)(n, widths, pairs) + beyond_a_sweep(measure, n, widths, pairs)


def sweep_operations(measure: str, n: int, widths: Sequence[int], pairs: float) -> float:
    """The operations of the family, by which sweeps are divided: no measured number is in it."""
    return _family(get_measure(measure))(n, widths, int(pairs))


def count_layer_pairs(part: Pairs, sizes: Mapping[str, Size | None], which: str) -> float:
    """How many pairs of layers the pairs of models have."""
    count = {key: len(size.widths) for key, size in sizes.items() if size is not None}

    def inside(keys: Sequence[str]) -> float:
        total = sum(count.get(key, 0) for key in keys)
        within = sum(count.get(key, 0) * (count.get(key, 0) - 1) / 2 for key in keys)
        if which == "within_models":
            return within
        if which == "between_models":
            return total * (total - 1) / 2 - within
        return total * (total - 1) / 2

    across = sum(count.get(key, 0) for key in part.rows) * sum(
        count.get(key, 0) for key in part.columns
    )
    further = sum(count.get(a, 0) * count.get(b, 0) for a, b in part.further)
    return inside(part.within) + (0.0 if which == "within_models" else across + further)


def cost_of_profile(name: str, sizes: Sequence[Size | None], controls: int) -> Cost:
    """What every layer takes with a descriptor, or all pairs of a model's layers with a measure."""
    known = [size for size in sizes if size is not None]
    if len(known) < len(sizes) or not known:
        return UNKNOWN
    if name.partition("[")[0].partition("@")[0] in DESCRIPTORS.names():
        descriptor = get_descriptor(name)
        operations = sum(of_descriptor(descriptor, one.n, d) for one in known for d in one.widths)
    else:
        measure, operations = get_measure(name), 0.0
        for one in known:
            ordered = len(one.widths) * (len(one.widths) - 1)
            pairs = ordered // 2 if measure.declared.symmetric else ordered
            operations += score_operations(measure, one.n, one.widths, pairs)
    layers = (1 + controls) * sum(len(size.widths) for size in known)
    memory = max(FLOAT * size.n * max(size.widths) for size in known) + _SMALL
    overhead = OVERHEAD + PROFILED_LAYER * layers
    return Cost(operations * (1 + controls), 40.0 * ROW_BYTES * layers, memory, overhead)


def cost_of_fitting(size: Size | None) -> Cost:
    """What a measure fits to all pairs of samples of every layer."""
    if size is None:
        return UNKNOWN
    memory = FLOAT * size.n * max(size.widths) + _SMALL
    layers = len(size.widths)
    return Cost(2.0 * size.n**2 * size.features, 40.0 * ROW_BYTES * layers, memory)


def _family(measure: Measure[Any]) -> _Pairwise:
    return _FAMILIES.get(measure.declared.family, _pair_by_pair)


def _gram(n: int, widths: Sequence[int], pairs: int) -> float:
    """One sweep over tiles: n²Σd for the kernels, n²M² for their inner products."""
    return float(n) ** 2 * sum(widths) + 2.0 * n**2 * pairs


def _neighbours(n: int, widths: Sequence[int], pairs: int) -> float:
    return 2.0 * n**2 * sum(widths) + 50.0 * n * pairs


def _factorised(n: int, widths: Sequence[int], pairs: int) -> float:
    """A thin factorization per layer, then products of the factors and their singular values."""
    return sum(4.0 * n * d * min(n, d) for d in widths) + pairs * _cross(n, max(widths))


def _pair_by_pair(n: int, widths: Sequence[int], pairs: int) -> float:
    return 2.0 * n * sum(widths) + pairs * _cross(n, max(widths))


def _cross(n: int, d: int) -> float:
    r = min(n, d)
    return 2.0 * r * r * d + 10.0 * float(r) ** 3


def null_operations(measure: Measure[Any], n: int, d: int, permutations: int) -> float:
    """What the null of two representations of n samples and up to d features takes; 0 for none."""
    if not measure.declared.matches_samples:
        return 0.0
    name = measure.core.declared.name
    family = _family(measure)
    per_permutation: float
    if name in _NULLS:
        per_permutation = _NULLS[name](n)
    elif family is _gram:
        kendall = "compare_by=kendall" in measure.name
        per_permutation = (400.0 if kendall else 4.0) * float(n) ** 2
    elif family is _neighbours:
        per_permutation = 2.5e4 * n
    else:
        r = float(min(n, d))
        per_permutation = (
            n * r**2 + (5.0 if isinstance(measure.core, RotationMeasure) else 60.0) * r**3
        )
    return permutations * per_permutation


def _states(measure: Measure[Any], n: int, widths: Sequence[int]) -> float:
    try:
        return float(sum(measure.core.state_bytes(n, d) for d in widths))
    except RepscapeError:
        return 0.0


# Which nulls are within a budget follows from these: raise VERSION in steps/score.py with them.
_NULLS: dict[str, Callable[[int], float]] = {
    "mutual_knn": lambda n: 1e3 * n,
    "cknna": lambda n: 9e4 * n,
    "information_imbalance": lambda n: 250.0 * n**2,
    "second_order_cosine": lambda n: 6e4 * n,
}
"""Operations of one permutation where they are not those of the family (measured)."""
_FAMILIES: dict[str, _Pairwise] = {
    "Gram and RDM": _gram,
    "neighbours": _neighbours,
    "alignment": _factorised,
    "CCA": _factorised,
}
