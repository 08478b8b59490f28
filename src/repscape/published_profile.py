"""The profile of a published study, from the files that it published or that its code writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repscape.between_layers import between_layers
from repscape.compute.neighbours import NeighbourTable
from repscape.describe import Described, describe_sample, frame, records
from repscape.errors import InvalidParameterError, UnreadableFileError
from repscape.geometry.base import Curve, Descriptor, get_descriptor
from repscape.geometry.marks import marks_of
from repscape.geometry.presets import Preset, get_preset
from repscape.geometry.published_files import (
    dimensions_of_ratios,
    read_neighbour_files,
    read_published_curve,
    read_published_labels,
    read_published_ratios,
)
from repscape.geometry.published_folder import LayerFiles, find_labels, find_layers
from repscape.geometry.sample import Sample, prepare_sample, sample_of_table
from repscape.measures.base import get_measure
from repscape.profile import Profile, at_scale, common_scales
from repscape.representation import Origin, Representation

if TYPE_CHECKING:
    import numpy.typing as npt

    Labels = npt.NDArray[np.int64] | None

_INDEX = re.compile(r"imagenet_train_nb_index_(?P<size>\w+?)_layer(?P<layer>\d+)_k10_cpt1000\.npy")
_PROTEIN_OVERLAP = {"3B": "no-gt-esm2-3BM.npy"}
"""The published name of the overlap file where it is not `no-gt-esm2-{size}.npy`."""


def published_profile(folder: str | Path, size: str, samples: str | None = None) -> Profile:
    """Redo the profiles of Valeriani et al. (2023) from their files.

    The first of these that the folder holds is read:

    - the published images: the dimension from `imagenet_train_mus_{size}_dec32_cpt1000_rep4.npy`,
      overlaps from `imagenet_train_nb_index_{size}_layer{l}_k10_cpt1000.npy` and
      `imagenet_train_labels.npy`;
    - the published proteins: `id-esm2-{size}.npy` and `no-gt-esm2-{size}.npy`, finished curves;
    - the results folder of the study's code: `imagenet_{size}_layer{l}_{samples}_{kind}.npy` with
      kinds dist and index (neighbours), mus (ratios r₂/r₁, r₄/r₂, …) and act (activations), and
      `imagenet_labels.npy`.

    All is put at depth l / l_last with one l_last (the published figure shifted its panels
    against each other).

    Parameters
    ----------
    folder
        Where the files are.
    size
        As it stands in the names: "S", "M", "L" (images), "35M", "650M", "3B" (proteins),
        "small", … (results).
    samples
        Which images and weights of a results folder: "train", "train_cpt1000", ….

    Raises
    ------
    UnreadableFileError
        If a file is missing or not what its name says; the message names it.
    """
    here = Path(folder)
    ratios = here / f"imagenet_train_mus_{size}_dec32_cpt1000_rep4.npy"
    curve = here / f"id-esm2-{size}.npy"
    if ratios.is_file():
        return _of_images(here, size, ratios)
    if curve.is_file():
        return _of_proteins(here, size, curve)
    try:
        layers = find_layers(here, size, samples)
    except UnreadableFileError as problem:
        raise UnreadableFileError(
            f"{problem}; nor is there {ratios.name} or {curve.name} of the published files"
        ) from None
    return _of_results(here, size, layers)


def _of_images(here: Path, size: str, ratio_file: Path) -> Profile:
    ratios = read_published_ratios(ratio_file)
    preset = get_preset("valeriani2023")
    twonn, overlap = map(get_descriptor, preset.descriptors)
    made = _Rows(f"imagegpt-{size}", "imagenet", 0, len(ratios) - 1)
    for layer, reading in enumerate(dimensions_of_ratios(ratios)):
        made.add_curve(layer, twonn, Curve((reading,), notes=("from the published ratios",)))
    labels = read_published_labels(here / "imagenet_train_labels.npy")
    for layer, file in _index_files(here, size):
        if layer > made.last:
            raise InvalidParameterError(f"{file}: layer {layer} is beyond the last, {made.last}")
        table = read_neighbour_files(file)
        _check_count(file, table.n, len(labels), "labels")
        sample = sample_of_table(table, labels)
        made.add(layer, sample, describe_sample(sample, [overlap]))
        made.tables[layer] = table
    return made.profile(preset)


def _of_proteins(here: Path, size: str, curve_file: Path) -> Profile:
    preset = get_preset("valeriani2023_esm")
    twonn, overlap = map(get_descriptor, preset.descriptors)
    dimensions = read_published_curve(curve_file)
    overlap_file = here / _PROTEIN_OVERLAP.get(size, f"no-gt-esm2-{size}.npy")
    shares = read_published_curve(overlap_file, highest=1.0)
    _check_count(overlap_file, len(shares), len(dimensions), f"layers of {curve_file.name}")
    made = _Rows(f"esm2-{size}", "proteins", 0, len(dimensions) - 1)
    for descriptor, readings in ((twonn, dimensions), (overlap, shares)):
        for layer, reading in enumerate(readings):
            made.add_curve(layer, descriptor, Curve((reading,), notes=("as published",)))
    return made.profile(preset)


def _of_results(here: Path, size: str, layers: Sequence[LayerFiles]) -> Profile:
    preset = get_preset("valeriani2023")
    label_file = find_labels(here, size)
    labels = None if label_file is None else read_published_labels(label_file)
    made = _Rows(f"imagegpt-{size}", "imagenet", layers[0].layer, layers[-1].layer)
    count = None
    for files in layers:
        sample = _layer_sample(files, labels)
        count = count or sample.n
        anyone = next(iter(files.paths.values()))
        _check_count(anyone, sample.n, count, f"samples of layer {layers[0].layer}")
        if labels is not None:
            _check_count(anyone, sample.n, len(labels), f"labels in {label_file}")
        made.add(files.layer, sample, _describe_layer(files, sample, preset))
        if files.has_neighbours:
            made.tables[files.layer] = sample.neighbours("euclidean", _most_neighbours(preset))
    return made.profile(preset)


def _layer_sample(files: LayerFiles, labels: Labels) -> Sample:
    """What is known of the samples of a layer: values, neighbours, or only how many there are."""
    table, values = files.table(), files.values()
    if values is None and table is None:
        curve = files.dimension_curve()
        assert curve is not None
        n = curve.reading.samples
        assert n is not None
        return prepare_sample(torch.arange(n).double()[:, None], labels)
    if values is None:
        assert table is not None
        return sample_of_table(table, labels)
    sample = prepare_sample(values, labels, duplicates="keep")
    if table is not None:
        _check_count(files.paths["act"], sample.n, table.n, "rows of its neighbour files")
        sample.tables["euclidean"] = table
    return sample


def _describe_layer(
    files: LayerFiles, sample: Sample, preset: Preset
) -> list[tuple[Descriptor, Described]]:
    """The dimension by what the files allow, and the label overlap."""
    decimated, overlap = map(get_descriptor, preset.descriptors)
    curve = files.dimension_curve()
    results: list[tuple[Descriptor, Described]] = []
    if files.has_neighbours:
        # Decimation needs the values; the neighbours alone give TwoNN of all samples.
        whole = get_descriptor("twonn[method=linear,fraction=0.98]")
        results += describe_sample(sample, [decimated if "act" in files.paths else whole, overlap])
    if curve is not None:
        largest = 2 ** len(curve.readings)
        results.append((get_descriptor(f"gride[largest={largest},outliers=keep]"), curve))
    elif "index" in files.paths:
        largest = 2 ** int(np.log2(sample.tables["euclidean"].k))
        results += describe_sample(sample, [get_descriptor(f"gride[largest={largest}]")])
    return results


class _Rows:
    """The rows of the profile as they are made, and what the measures between layers need."""

    def __init__(self, model: str, data: str, first: int, last: int) -> None:
        self.model, self.data = model, data
        self.first, self.last = first, last
        self.tables: dict[int, NeighbourTable] = {}
        self._done: list[tuple[int, Sample, list[tuple[Descriptor, Described]], bool]] = []

    def add(
        self, layer: int, sample: Sample, results: Sequence[tuple[Descriptor, Described]]
    ) -> None:
        self._done.append((layer, sample, list(results), True))

    def add_curve(self, layer: int, descriptor: Descriptor, curve: Curve) -> None:
        """Add what was published without its samples."""
        self._done.append((layer, sample_of_table(_no_table()), [(descriptor, curve)], False))

    def profile(self, preset: Preset) -> Profile:
        """The whole profile, one scale for each descriptor."""
        scales = self._scales()
        rows: list[dict[str, Any]] = []
        for layer, sample, results, counted in self._done:
            rep = self._placeholder(layer, 1)
            place: dict[str, Any] = {
                "rep": rep.name,
                "depth": (layer - self.first) / max(1, self.last - self.first),
                "sample_digest": None,
            }
            if not counted:
                place["n"] = None
            placed = [(d, at_scale(result, scales.get(d.name))) for d, result in results]
            rows += records(rep, sample, placed, place)
        named = {layer: self._placeholder(layer, table.n) for layer, table in self.tables.items()}
        between = between_layers(
            {rep.name: rep for rep in named.values()},
            [get_measure(name) for name in preset.measures],
            {(named[i].name, "euclidean"): table for i, table in self.tables.items()},
            _no_values,
            "1GiB",
        )
        table = frame(rows)
        n = max((t.n for t in self.tables.values()), default=0)
        return Profile(table, marks_of(table), between, np.ones(n, dtype=np.bool_))

    def _scales(self) -> dict[str, Any]:
        by_name: dict[str, list[tuple[Descriptor, Described]]] = {}
        for _, _, results, _ in self._done:
            for descriptor, result in results:
                by_name.setdefault(descriptor.name, []).append((descriptor, result))
        scales: dict[str, Any] = {}
        for column in by_name.values():
            scales |= common_scales([[entry] for entry in column])
        return scales

    def _placeholder(self, layer: int, n: int) -> Representation:
        """Stands for a layer whose values are not here."""
        origin = Origin(model=self.model, layer=str(layer), data=self.data, split="train")
        return Representation(np.zeros((n, 1), dtype=np.float32), origin=origin)


def _most_neighbours(preset: Preset) -> int:
    return max(int(getattr(get_measure(name), "k", 1)) for name in preset.measures)


def _check_count(file: str | Path, found: int, expected: int, what: str) -> None:
    if found != expected:
        raise UnreadableFileError(f"{file} has {found} rows, but there are {expected} {what}")


def _no_table() -> NeighbourTable:
    nothing = torch.zeros(1, 1)
    return NeighbourTable(nothing.int(), nothing.double(), "euclidean")


def _no_values(rep: Representation) -> torch.Tensor:
    raise InvalidParameterError(f"{rep.name}: the values of the layers were not published")


def _index_files(folder: Path, size: str) -> list[tuple[int, Path]]:
    found = []
    for file in folder.glob("*.npy"):
        match = _INDEX.fullmatch(file.name)
        if match and match["size"] == size:
            found.append((int(match["layer"]), file))
    if not found:
        raise UnreadableFileError(
            f"{folder}: there is no imagenet_train_nb_index_{size}_layer…_k10_cpt1000.npy"
        )
    return sorted(found)
