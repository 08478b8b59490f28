"""What a measure is: a frozen dataclass of parameters, a declaration, and two pure methods."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    Protocol,
    TypeAlias,
    TypeVar,
)

import torch
from typing_extensions import override

from repscape.compute.memory import Spare
from repscape.errors import (
    InvalidParameterError,
    RepscapeError,
    UndefinedNullError,
    UnknownNameError,
    did_you_mean,
)
from repscape.registry import Citation, Parametrised, Registry, parse_calls
from repscape.transforms import TRANSFORMS, Transform

if TYPE_CHECKING:
    import numpy.typing as npt

Kind: TypeAlias = Literal["similarity", "distance"]
INVARIANCES = ("orthogonal", "permutation", "isotropic_scaling", "translation", "invertible_linear")
"""The transformations of features that a measure may be invariant to, each side separately."""


@dataclass(frozen=True)
class MeasureSpec:
    """What a measure declares about itself; `check_measure` holds it to that.

    Attributes
    ----------
    name, version, aliases
        The canonical name; the version of the numbers; other names, each with the parameters
        that it stands for.
    family : str
        What it is listed under.
    kind : "similarity" or "distance"
        Similarity: larger is more alike. Distance: smaller is more alike.
    range : (low, high)
        Reached or not; infinite where unbounded. A score at an end is there up to the rounding of
        its sums, and may come out beyond it by that (a CKA of 1 + 1e-14): it is not clamped.
    symmetric, metric : bool
        Whether compare(a, b) = compare(b, a); whether the triangle inequality holds, too.
    invariances : frozenset of names from `INVARIANCES`
        Those that hold for either side on its own.
    self_is_best : bool
        Whether a representation scores the best value of the range against itself.
    matches_samples : bool
        Whether the score depends on which row of one side belongs to which row of the other.
    minimum_n : int
        The fewest samples for which the measure is defined.
    chance : str or None
        The value for independent representations where known, as a formula in n, d, k.
    formula, pitfalls, cost : str
        For people: the definition, what misleads, and the operations for one pair.
    citation : Citation
        The source.
    """

    name: str
    version: int
    family: str
    kind: Kind
    range: tuple[float, float]
    symmetric: bool
    metric: bool
    invariances: frozenset[str]
    minimum_n: int
    summary: str
    formula: str
    cost: str
    citation: Citation
    self_is_best: bool = True
    matches_samples: bool = True
    chance: str | None = None
    pitfalls: str = ""
    aliases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def but(self, **changes: Any) -> MeasureSpec:
        """This declaration with some fields changed."""
        return replace(self, **changes)

    def __post_init__(self) -> None:
        unknown = self.invariances - set(INVARIANCES)
        if unknown:
            raise InvalidParameterError(f"{self.name}: unknown invariances {sorted(unknown)}")


Outcome: TypeAlias = "float | RepscapeError"
"""A score, or why there is none."""

State = TypeVar("State")


class Shared(Protocol):
    """What several measures derive their states from, so that one call forms it once for all."""

    @property
    def key(self) -> Hashable:
        """Equal where one that is large enough serves all."""

    @property
    def size(self) -> int:
        """Of those with equal keys the largest is formed."""

    def form(self, x: torch.Tensor, memory_limit: int = ...) -> Any:
        """Form it for the values of one representation; raises as `prepare` does.

        What is held meanwhile keeps to the limit; raises `MemoryLimitError` where it cannot.
        """

    def bytes(self, n: int) -> int:
        """About how many bytes it takes for n samples."""


class Measure(Parametrised, Generic[State]):
    """Base of all measures.

    A subclass is a frozen dataclass with a `spec`, registered with `MEASURES.register`. It
    defines `prepare` (or `shared` and `derive`) and `compare`; all are pure. Values arrive as a
    float32 or float64 tensor (n × d) without NaN or infinities, with n ≥ `declared.minimum_n`.
    """

    spec: ClassVar[MeasureSpec]
    needs_labels: ClassVar[bool] = False
    """Whether the score depends on the samples' labels: then `prepare_labelled` is called."""

    @override
    def canonical(self) -> Measure[Any]:
        return self

    @property
    def transforms(self) -> tuple[Transform, ...]:
        """What is applied to the values before `prepare`; see `Transformed`."""
        return ()

    @property
    def core(self) -> Measure[State]:
        """The measure without its transforms."""
        return self

    @property
    def sweep(self) -> Sweep | None:
        """A faster way to do many pairs of many measures at once; it must equal the pair loop.

        Measures that return the same function are computed together by one call of it.
        """
        return None

    @property
    def shared(self) -> Shared | None:
        """What `derive` needs and other measures need, too; None: the state is all its own."""
        return None

    @property
    def declared(self) -> MeasureSpec:
        """The declaration for these parameters."""
        return self.spec

    def prepare(self, x: torch.Tensor) -> State:
        """Do everything that depends on one representation, once."""
        if self.shared is None:
            raise NotImplementedError
        return self.derive(self.shared.form(x), x)

    def derive(self, formed: Any, x: torch.Tensor) -> State:
        """The prepared state of x from what `shared`, or a larger one of its key, formed of x."""
        raise NotImplementedError

    def prepare_within(self, x: torch.Tensor, spare: Spare) -> State:
        """`prepare`; what is taken of `spare` may hold what saves work later, not other numbers."""
        return self.prepare(x)

    def prepare_labelled(self, x: torch.Tensor, labels: npt.NDArray[Any] | None) -> State:
        """`prepare`, with the labels of the samples, (n,), if the representation has any."""
        return self.prepare(x)

    def state_bytes(self, n: int, d: int) -> int:
        """About how many bytes the prepared state of n × d values holds beyond the values."""
        return 8 * n * d

    def compare(self, a: State, b: State) -> float:
        """Combine two prepared states into the score.

        Raises `UndefinedScoreError` where the score does not exist.
        """
        raise NotImplementedError

    @property
    def precomputed(self) -> bool:
        """Whether the values are an n × n matrix, so that samples are its rows and its columns."""
        return "precomputed" in vars(self).values()

    def permute(self, state: State, order: torch.Tensor) -> State:
        """The state of the same samples in another order: new sample i is old sample order[i].

        Nothing is prepared again. Raises `UndefinedNullError` where the score does not depend on
        which sample of one side is paired with which of the other.
        """
        raise UndefinedNullError(
            f"{self.name} has no permutation null: its score does not depend on which sample is "
            "paired with which"
        )

    def prepare_for_subsets(self, x: torch.Tensor) -> State:
        """`prepare`, with what `subset` may need beside it."""
        return self.prepare(x)

    def subset(self, state: State, rows: torch.Tensor) -> State | None:
        """The state of some of the samples, (m,) ascending, as if no others had been there.

        From a state of `prepare_for_subsets`. None where preparing those samples is the only way,
        since what was prepared depends on the others.
        """
        return None

    def permuted_scores(
        self, a: State, b: State, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        """The scores of `a` with `b` in each of the orders, (R, n) int64; (R,) float64.

        A family may be faster than this loop, and must equal it.
        """
        scores = [self.compare(a, self.permute(b, order)) for order in orders]
        return torch.tensor(scores, dtype=torch.float64)

    def permuted_pairs(
        self,
        states: Sequence[State],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        """`permuted_scores` of many pairs (positions in `states`), or why a pair has none.

        A family may be faster than this loop, and must equal it.
        """
        found: list[torch.Tensor | RepscapeError] = []
        for a, b in pairs:
            try:
                found.append(self.permuted_scores(states[a], states[b], orders, memory_limit))
            except RepscapeError as reason:
                found.append(reason)
        return found

    def null_bytes(self, n: int, d: int) -> int:
        """About how many bytes `permuted_scores` holds for each side, beyond the states."""
        return self.state_bytes(n, d)

    def expected(self, a: State, b: State) -> float | None:
        """The mean of the score over all n! orders of one side, where a closed form is known."""
        return None

    def resampled_scores(self, a: State, b: State, counts: torch.Tensor) -> torch.Tensor:
        """The scores of bootstrap samples in which sample i occurs counts[r, i] times; (R,).

        Pairs of a sample with its own copy are dropped. Raises `UndefinedNullError` where the
        score is no function of pairs, so that they cannot be dropped.
        """
        raise UndefinedNullError(
            f"{self.name}: a bootstrap with replacement puts copies of a sample into the data, "
            "which count as perfect neighbours of each other in both representations, and this "
            "measure cannot leave them out: use interval='jackknife' or interval='subsampling'"
        )


class RowsMeasure(Measure["torch.Tensor"]):
    """A measure whose prepared state is a matrix with one row for each sample."""

    @override
    def permute(self, state: torch.Tensor, order: torch.Tensor) -> torch.Tensor:
        return state[order]


@dataclass(frozen=True)
class Request:
    """Pairs to score with one measure: positions in `states`."""

    measure: Measure[Any]
    states: Sequence[Any]
    pairs: Sequence[tuple[int, int]]


Sweep: TypeAlias = Callable[[Sequence[Request], int], list[list[Outcome]]]
"""Scores the pairs of every request, within a memory limit in bytes."""

MEASURES: Registry[Measure[Any]] = Registry("measure", "repscape.measures")


class Transformed(Measure[Any]):
    """A measure behind one or more transforms: `unit_rows|cka[…]@1`."""

    def __init__(self, transforms: Sequence[Transform], core: Measure[Any]) -> None:
        self._transforms = tuple(transforms)
        self._core = core

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Measure) and self.name == other.name

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"<measure {self.name}>"

    @property
    @override
    def transforms(self) -> tuple[Transform, ...]:
        return self._transforms

    @property
    @override
    def core(self) -> Measure[Any]:
        return self._core

    @property
    @override
    def call(self) -> str:
        return "|".join([*(t.step for t in self._transforms), self._core.call])

    @property
    @override
    def name(self) -> str:
        return f"{self.call}@{self._core.declared.version}"

    @property
    @override
    def declared(self) -> MeasureSpec:
        kept = self._core.declared.invariances
        for transform in reversed(self._transforms):
            kept = (kept & transform.spec.preserves) | transform.spec.adds
        # A transform may send different values to the same ones: distance 0 no longer means equal.
        return self._core.declared.but(invariances=kept, metric=False)

    @override
    def prepare(self, x: torch.Tensor) -> Any:
        for transform in self._transforms:
            x = transform.apply(x)
        return self._core.prepare(x)

    @override
    def compare(self, a: Any, b: Any) -> float:
        return self._core.compare(a, b)

    @property
    @override
    def precomputed(self) -> bool:
        return self._core.precomputed

    @override
    def permute(self, state: Any, order: torch.Tensor) -> Any:
        return self._core.permute(state, order)

    @override
    def prepare_for_subsets(self, x: torch.Tensor) -> Any:
        for transform in self._transforms:
            x = transform.apply(x)
        return self._core.prepare_for_subsets(x)

    def subset(self, state: Any, rows: torch.Tensor) -> Any:
        """As of the measure alone, if every transform takes each sample by itself."""
        alone = all(transform.spec.row_wise for transform in self._transforms)
        return self._core.subset(state, rows) if alone else None

    @override
    def permuted_scores(
        self, a: Any, b: Any, orders: torch.Tensor, memory_limit: int
    ) -> torch.Tensor:
        return self._core.permuted_scores(a, b, orders, memory_limit)

    @override
    def permuted_pairs(
        self,
        states: Sequence[Any],
        pairs: Sequence[tuple[int, int]],
        orders: torch.Tensor,
        memory_limit: int,
    ) -> list[torch.Tensor | RepscapeError]:
        return self._core.permuted_pairs(states, pairs, orders, memory_limit)

    @override
    def expected(self, a: Any, b: Any) -> float | None:
        return self._core.expected(a, b)

    @override
    def resampled_scores(self, a: Any, b: Any, counts: torch.Tensor) -> torch.Tensor:
        return self._core.resampled_scores(a, b, counts)


def get_measure(measure: str | Measure[Any]) -> Measure[Any]:
    """Return the measure that a printable name (or an alias) stands for.

    >>> get_measure("cka[kernel=rbf,sigma=0.4]").name
    'cka[kernel=rbf,sigma=0.4,debiased=true]@1'

    Raises
    ------
    UnknownNameError
        For an unknown measure, transform or version; the message lists near matches.
    InvalidParameterError
        For an unknown, contradictory or ineffective parameter.
    """
    if isinstance(measure, Measure):
        return measure.canonical()
    if not isinstance(measure, str):
        raise InvalidParameterError(
            f"measure is a {type(measure).__name__}: give one name or one Measure; "
            "similarity_matrix takes several"
        )
    *first, last = parse_calls(measure)
    _refuse_transform_last(last.name, measure)
    transforms = [TRANSFORMS.build(call) for call in first]
    core = MEASURES.build(last)
    return Transformed(transforms, core) if transforms else core


def _refuse_transform_last(name: str, text: str) -> None:
    if name in TRANSFORMS.names() and name not in MEASURES.names():
        raise UnknownNameError(
            f"{text!r} ends with the transform {name!r}: put a measure behind it, e.g. "
            f"'{text}|cka'; {did_you_mean(name, MEASURES.names())}"
        )
