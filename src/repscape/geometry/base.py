"""What a descriptor is: a frozen dataclass of parameters, a declaration, and one pure method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from typing_extensions import override

from repscape.errors import InvalidParameterError, UnknownNameError
from repscape.registry import Citation, Parametrised, Registry, parameter, parse_calls

if TYPE_CHECKING:
    from repscape.geometry.sample import Sample

INVARIANCES = (
    "orthogonal",
    "permutation",
    "isotropic_scaling",
    "translation",
    "zero_columns",
    "sample_order",
)
"""What may leave a descriptor unchanged; the last two: columns of zeros added, rows reordered."""

Metric = Literal["euclidean", "cosine", "precomputed"]


@dataclass(frozen=True)
class DescriptorSpec:
    """What a descriptor declares about itself; `check_descriptor` holds it to that.

    Attributes
    ----------
    name, version, aliases
        The canonical name; the version of the numbers; other names, each with the parameters
        that it stands for.
    family : str
        What it is listed under.
    quantity : str
        What its values are, with their unit: "dimension", "log density", …
    scale : str
        What its curve runs over: "neighbour rank", "samples", "component", "quantile"; "" where
        there is one number and no scale.
    range : (low, high)
        Reached or not; infinite where unbounded.
    invariances : frozenset of names from `INVARIANCES`
        What leaves the values unchanged.
    minimum_n : int
        The fewest distinct samples for which the descriptor is defined.
    needs_labels : bool
        Whether the samples must have labels.
    formula, pitfalls, cost : str
        For people: the definition, what misleads, and the operations.
    citation : Citation
        The source.
    """

    name: str
    version: int
    family: str
    quantity: str
    scale: str
    range: tuple[float, float]
    invariances: frozenset[str]
    minimum_n: int
    summary: str
    formula: str
    cost: str
    citation: Citation
    needs_labels: bool = False
    pitfalls: str = ""
    aliases: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def but(self, **changes: Any) -> DescriptorSpec:
        """This declaration with some fields changed."""
        return replace(self, **changes)

    def __post_init__(self) -> None:
        unknown = self.invariances - set(INVARIANCES)
        if unknown:
            raise InvalidParameterError(f"{self.name}: unknown invariances {sorted(unknown)}")


@dataclass(frozen=True)
class Reading:
    """One point of a descriptor's curve.

    Attributes
    ----------
    value : float
        The number.
    scale : float or None
        Where on the curve (`DescriptorSpec.scale`); None where there is no scale.
    standard_error : float or None
        Of the value; it allows for samples that share neighbours. None where not known.
    independent_error : float or None
        The standard error that would hold if samples shared no neighbours (from the Fisher
        information), as other packages report it; too small on real point sets.
    distance : float or None
        The mean distance between neighbours at this scale, in the units of the features.
    samples : int or None
        How many samples the value rests on, e.g. without those at distance zero.
    spread : float or None
        The standard deviation over subsets or over samples, where there are several.
    chance : float or None
        What a representation that ignores the labels would give.
    """

    value: float
    scale: float | None = None
    standard_error: float | None = None
    independent_error: float | None = None
    distance: float | None = None
    samples: int | None = None
    spread: float | None = None
    chance: float | None = None


@dataclass(frozen=True)
class Curve:
    """What a descriptor says of one representation: every reading, and the one that stands for it.

    Attributes
    ----------
    readings : tuple of Reading
        The whole curve, in the order of the scales.
    chosen : int
        The position of the reading that is the descriptor's value.
    choice : str
        Why that one: "" where there was nothing to choose.
    notes : tuple of str
        What to know about this result.
    """

    readings: tuple[Reading, ...]
    chosen: int = 0
    choice: str = ""
    notes: tuple[str, ...] = ()

    @property
    def reading(self) -> Reading:
        """The chosen reading."""
        return self.readings[self.chosen]


class Descriptor(Parametrised):
    """Base of all descriptors.

    A subclass is a frozen dataclass with a `spec`, registered with `DESCRIPTORS.register`. It
    defines `describe`, which is pure, and says in `neighbours_needed` how many tabulated
    neighbours it reads, so that one table serves all descriptors of a representation.
    """

    spec: ClassVar[DescriptorSpec]

    @override
    def canonical(self) -> Descriptor:
        return self

    @property
    def declared(self) -> DescriptorSpec:
        """The declaration for these parameters."""
        return self.spec

    @property
    def neighbour_metric(self) -> Metric | None:
        """The metric of the neighbour table it reads; None if it reads none."""
        return None

    @property
    def chooses_scale(self) -> bool:
        """Whether the curve itself decides which reading stands for it."""
        return False

    def neighbours_needed(self, n: int) -> int:
        """How many neighbours of each of n samples it reads from the table."""
        return 0

    def neighbours_of_classes(self, n: int, largest_class: int) -> int:
        """`neighbours_needed`, where that depends on the size of the largest class."""
        return self.neighbours_needed(n)

    def describe(self, sample: Sample) -> Curve:
        """Compute the curve.

        Raises `RepscapeError` where it does not exist.
        """
        raise NotImplementedError


def metric_parameter() -> Any:
    """The declaration of the field `metric` of a `NeighbourDescriptor`, its last one."""
    return parameter(
        "euclidean", "distance between samples; precomputed: the values given are n×n distances"
    )


class NeighbourDescriptor(Descriptor):
    """A descriptor of neighbours: its dataclass has the field `metric = metric_parameter()`."""

    metric: Metric

    @property
    @override
    def neighbour_metric(self) -> Metric:
        return self.metric

    @property
    @override
    def declared(self) -> DescriptorSpec:
        if self.metric == "cosine":
            return self.spec.but(invariances=self.spec.invariances - {"translation"})
        if self.metric == "precomputed":
            return self.spec.but(invariances=self.spec.invariances & {"isotropic_scaling"})
        return self.spec


DESCRIPTORS: Registry[Descriptor] = Registry("descriptor", "repscape.geometry")


def get_descriptor(descriptor: str | Descriptor) -> Descriptor:
    """Return the descriptor that a printable name (or an alias) stands for.

    >>> get_descriptor("twonn[method=mle]").name
    'twonn[method=mle,decimation=1,metric=euclidean]@1'

    Raises
    ------
    UnknownNameError
        For an unknown descriptor or version; the message lists near matches.
    InvalidParameterError
        For an unknown, contradictory or ineffective parameter.
    """
    if isinstance(descriptor, Descriptor):
        return descriptor.canonical()
    calls = parse_calls(descriptor)
    if len(calls) > 1:
        raise UnknownNameError(
            f"{descriptor!r} has a transform in front: transform the representation first, "
            f"and describe it with {calls[-1].name!r}"
        )
    return DESCRIPTORS.build(calls[0])
