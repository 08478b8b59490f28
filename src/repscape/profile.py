"""The front door for profiles: descriptors along the layers of models, and what layers share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from repscape.between_layers import between_layers
from repscape.compute.memory import DEFAULT_MEMORY_LIMIT
from repscape.compute.neighbours import NeighbourTable
from repscape.describe import (
    Described,
    Names,
    choose_descriptors,
    describe_sample,
    frame,
    records,
    sample_of,
)
from repscape.errors import InvalidParameterError, RepscapeError, UndefinedScoreError
from repscape.geometry.base import Curve, Descriptor
from repscape.geometry.controls import check_control, control_values
from repscape.geometry.duplicates import (
    Duplicates,
    check_policy,
    common_duplicates,
    find_duplicates,
)
from repscape.geometry.marks import marks_of
from repscape.geometry.presets import PRESETS, get_preset
from repscape.geometry.sample import Sample
from repscape.geometry.scales import ChosenScale, choose_scale
from repscape.measures.base import Measure, get_measure
from repscape.measures.information_imbalance import InformationImbalance
from repscape.measures.mutual_knn import MutualKNN
from repscape.representation import Representation, RepresentationLike, as_representation
from repscape.representation import aligned as align_two

if TYPE_CHECKING:
    import pandas as pd

    from repscape.store import Store

Layers: TypeAlias = "Sequence[RepresentationLike] | Mapping[str, RepresentationLike]"

FEWEST_DISTINCT = 0.5
"""A layer with a smaller share of distinct samples (token embeddings) has no say in the mask."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Descriptors along layers.

    Attributes
    ----------
    table : DataFrame
        A geometry table (columns: `repscape.tables.GEOMETRY_COLUMNS`): whole curves of every
        layer; the rows with `chosen` are the profile.
    marks : DataFrame
        For every model and descriptor: peak, minimum after it and second bump, each with layer,
        depth and value; null where there is none.
    overlaps : DataFrame
        A similarity table (`repscape.tables.SIMILARITY_COLUMNS`) of the measures between layers.
    mask : (n,) bool
        The samples kept: the same in every layer.
    """

    table: pd.DataFrame
    marks: pd.DataFrame
    overlaps: pd.DataFrame
    mask: npt.NDArray[np.bool_]

    @property
    def values(self) -> pd.DataFrame:
        """One row per layer and descriptor, without the controls; the reason where none is."""
        rows = (self.table["chosen"] | self.table["reason"].notna()) & self.table["control"].isna()
        return self.table[rows].reset_index(drop=True)


def profile(
    layers: Layers,
    descriptors: Names = ("gride",),
    *,
    measures: Sequence[str | Measure[Any]] | None = None,
    labels: Sequence[Any] | npt.NDArray[Any] | None = None,
    duplicates: str = "drop",
    controls: Sequence[str] = (),
    untrained: Layers | None = None,
    seed: int = 0,
    memory_limit: str | float = DEFAULT_MEMORY_LIMIT,
    device: str | None = None,
    store: Store | None = None,
) -> Profile:
    """Describe the layers of one or several models, at relative depth l / l_last.

    Parameters
    ----------
    layers : sequence or mapping of name to representation
        In the order of depth; layers of several models are told apart by `origin.model`.
    descriptors : str, Descriptor, or sequence of them
        As in `describe`. A descriptor that chooses its scale chooses one for all layers.
    measures : sequence of str or Measure
        Between all layers: `mutual_knn[…]`, the neighbourhood overlap, and
        `information_imbalance[…]`; none by default, or those of a preset among the descriptors.
    labels : (n,) sequence, optional
        The classes of the samples; by default those of the representations.
    duplicates : "drop", "keep" or "error"
        Samples that repeat an earlier one in any layer are dropped from all; layers where fewer
        than half are distinct have no say in that and no value.
    controls : sequence of "shuffled" and "gaussian"
        Also describe each layer with its features shuffled, or a normal twin of its covariance.
    untrained : like `layers`, optional
        The same layers of an untrained network, as a further control.
    seed : int
        Of the controls.
    memory_limit, device, store
        As in `describe`.

    Raises
    ------
    SampleMismatchError
        If the layers do not describe the same samples in the same order.
    """
    named = _named(layers, labels)
    between = _chosen_measures(descriptors, measures)
    chosen = choose_descriptors(descriptors) if descriptors or not between else []
    wanted = [check_control(control) for control in controls]
    common = _Common(named, check_policy(duplicates), memory_limit, device, store)
    rows, scales = common.describe(named, chosen, between, None)
    for control in wanted:
        rows += common.describe_controls(named, chosen, control, seed, scales)
    if untrained is not None:
        twins = _named(untrained, labels)
        other = _Common(twins, check_policy(duplicates), memory_limit, device, store)
        rows += other.describe(twins, chosen, [], "untrained", scales)[0]
    table = frame(rows)
    mask = common.mask if common.found is not None else np.ones(next(iter(named.values())).n, bool)
    return Profile(
        table,
        marks_of(table),
        between_layers(
            {name: rep for name, rep in named.items() if name not in common.poor},
            between,
            common.tables,
            lambda rep: common.sample(rep, []).features(),
            memory_limit,
        ),
        mask,
    )


class _Common:
    """Layers with one mask of samples; keeps the few neighbours that overlaps need."""

    def __init__(
        self,
        named: Mapping[str, Representation],
        policy: str,
        memory_limit: str | float,
        device: str | None,
        store: Store | None,
    ) -> None:
        self.policy = policy
        self.memory_limit = memory_limit
        self.device = device
        self.store = store
        self.poor: dict[str, str] = {}
        self.found = self._find(named) if policy != "keep" else None
        self.tables: dict[tuple[str, str], NeighbourTable] = {}

    @property
    def mask(self) -> npt.NDArray[np.bool_]:
        """The samples that every layer keeps."""
        assert self.found is not None
        return self.found.mask

    def _find(self, named: Mapping[str, Representation]) -> Duplicates:
        from repscape.compute.arrays import as_tensor, check_finite

        several = []
        for name, rep in named.items():
            values = as_tensor(rep.values)
            check_finite(values, name)
            found = find_duplicates(values)
            if found.count and self.policy == "error":
                raise InvalidParameterError(
                    f"{name}: {found.count} of {rep.n} rows equal an earlier one: use "
                    "duplicates='drop', or select distinct samples"
                )
            distinct = rep.n - found.count
            if distinct < FEWEST_DISTINCT * rep.n:
                self.poor[name] = _poor(distinct, rep.n)
            else:
                several.append(found)
        first = next(iter(named.values()))
        return common_duplicates(several) if several else Duplicates(np.arange(first.n))

    def sample(
        self,
        rep: Representation,
        descriptors: Sequence[Descriptor],
        extra: Mapping[str, int] | None = None,
    ) -> Sample:
        """Prepare one layer."""
        how: str | Duplicates = "keep" if self.found is None else self.found
        sample = sample_of(rep, descriptors, how, self.memory_limit, self.device, self.store, extra)
        if self.policy == "error":
            sample.policy = "error"
        return sample

    def describe(
        self,
        named: Mapping[str, Representation],
        descriptors: Sequence[Descriptor],
        between: Sequence[Measure[Any]],
        control: str | None,
        scales: Mapping[str, ChosenScale] | None = None,
    ) -> tuple[list[dict[str, Any]], dict[str, ChosenScale]]:
        """The rows of all layers, and the scale chosen for each descriptor."""
        needed = _neighbours_between(between)
        done = []
        for name, rep in named.items():
            sample = self.sample(rep, descriptors, needed)
            if name in self.poor:
                results: list[tuple[Descriptor, Described]] = [
                    (d, UndefinedScoreError(self.poor[name])) for d in descriptors
                ]
            else:
                results = describe_sample(sample, descriptors)
                sample.warn(name)
                self._keep_neighbours(name, sample, needed)
            sample.let_go()
            done.append((name, rep, sample, results))
        if scales is None:
            scales = common_scales([results for *_, results in done])
        depths = _depths(named)
        rows = []
        for name, rep, sample, results in done:
            placed = [(d, at_scale(r, scales.get(d.name))) for d, r in results]
            names = {"rep": name, "depth": depths[name], "control": control}
            rows += records(rep, sample, placed, names)
        return rows, dict(scales)

    def describe_controls(
        self,
        named: Mapping[str, Representation],
        descriptors: Sequence[Descriptor],
        control: str,
        seed: int,
        scales: Mapping[str, ChosenScale],
    ) -> list[dict[str, Any]]:
        """The rows of a control of every layer, at the scales of the profile."""
        depths = _depths(named)
        rows = []
        for number, (name, rep) in enumerate(named.items()):
            if name in self.poor:
                continue
            original = self.sample(rep, [])
            values = control_values(original.features(), check_control(control), seed + number)
            twin = Representation(values, labels=original.labels, origin=rep.origin)
            sample = sample_of(twin, descriptors, "keep", self.memory_limit, self.device)
            results = describe_sample(sample, descriptors)
            placed = [(d, at_scale(r, scales.get(d.name))) for d, r in results]
            names = {
                "rep": name,
                "depth": depths[name],
                "control": control,
                "sample_digest": rep.sample_digest,
            }
            rows += records(twin, sample, placed, names)
        return rows

    def _keep_neighbours(self, name: str, sample: Sample, needed: Mapping[str, int]) -> None:
        for metric, k in needed.items():
            table = sample.neighbours("cosine" if metric == "cosine" else "euclidean", k)
            # Cloned, so that the rest of a long table is not held for every layer.
            self.tables[name, metric] = NeighbourTable(
                table.indices.clone(), table.distances.clone(), metric
            )


def _named(
    layers: Layers, labels: Sequence[Any] | npt.NDArray[Any] | None
) -> dict[str, Representation]:
    if isinstance(layers, Mapping):
        named = {str(name): as_representation(x, str(name)) for name, x in layers.items()}
        arrays = {name for name, x in layers.items() if not isinstance(x, Representation)}
        named = {
            name: replace(rep, origin=replace(rep.origin, model=None, layer=name))
            if name in arrays
            else rep
            for name, rep in named.items()
        }
    else:
        named = {}
        for position, x in enumerate(layers):
            rep = as_representation(x)
            if rep.origin.layer is None:
                rep = replace(rep, origin=replace(rep.origin, layer=str(position)))
            name = rep.name if rep.origin.model is not None else str(rep.origin.layer)
            if name in named:
                raise InvalidParameterError(
                    f"two of the layers are called {name!r}: give a mapping of distinct names, or "
                    "set origin.model and origin.layer"
                )
            named[name] = rep
    if not named:
        raise InvalidParameterError("there are no layers: give at least one representation")
    first = next(iter(named.values()))
    for rep in named.values():
        align_two(first, rep)
    if labels is None:
        return named
    given = np.asarray(labels)
    return {name: replace(rep, labels=given) for name, rep in named.items()}


def _depths(named: Mapping[str, Representation]) -> dict[str, float]:
    """l / l_last within each model; 0 where it has one layer."""
    models: dict[str | None, list[str]] = {}
    for name, rep in named.items():
        models.setdefault(rep.origin.model, []).append(name)
    return {
        name: position / max(1, len(members) - 1)
        for members in models.values()
        for position, name in enumerate(members)
    }


def _chosen_measures(
    descriptors: Names, measures: Sequence[str | Measure[Any]] | None
) -> list[Measure[Any]]:
    if measures is None:
        several = [descriptors] if isinstance(descriptors, (str, Descriptor)) else descriptors
        presets = [name for name in several if isinstance(name, str) and name in PRESETS]
        measures = [measure for name in presets for measure in get_preset(name).measures]
    chosen = [get_measure(measure) for measure in measures]
    for measure in chosen:
        known = isinstance(measure, (MutualKNN, InformationImbalance))
        if not known or getattr(measure, "metric", None) == "precomputed":
            raise InvalidParameterError(
                f"measures={measure.name!r}: a profile has mutual_knn and information_imbalance "
                "between layers, by features; for others use similarity_matrix"
            )
    return list({measure.name: measure for measure in chosen}.values())


def _neighbours_between(measures: Sequence[Measure[Any]]) -> dict[str, int]:
    needed: dict[str, int] = {}
    for measure in measures:
        assert isinstance(measure, (MutualKNN, InformationImbalance))
        needed[measure.metric] = max(needed.get(measure.metric, 0), measure.k)
    return needed


def common_scales(
    layers: Sequence[Sequence[tuple[Descriptor, Described]]],
) -> dict[str, ChosenScale]:
    """For descriptors that choose their scale, the one for all layers."""
    chosen: dict[str, ChosenScale] = {}
    for column in zip(*layers, strict=True):
        descriptor = column[0][0]
        curves = [result.readings for _, result in column if isinstance(result, Curve)]
        if descriptor.chooses_scale and curves:
            chosen[descriptor.name] = choose_scale(curves)
    return chosen


def at_scale(result: Described, common: ChosenScale | None) -> Described:
    """A curve with the scale of the whole profile in place of its own."""
    if common is None or isinstance(result, RepscapeError):
        return result
    own = result.readings[result.chosen].scale
    why = common.reason
    if result.chosen != common.position:
        why += f"; this layer alone suggests {own:g}"
    return replace(result, chosen=common.position, choice=why)


def _poor(distinct: int, n: int) -> str:
    what = "one value" if distinct == 1 else f"only {distinct} different values"
    return (
        f"the {n} samples have {what} here (the embedding of a shared last token?), so this layer "
        "is not described with the others; describe() takes it on its own"
    )
