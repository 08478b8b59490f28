"""The profile of a published study, from the files that it published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from repscape.between_layers import between_layers
from repscape.compute.neighbours import NeighbourTable
from repscape.describe import describe_sample, frame, records
from repscape.errors import InvalidParameterError, UnreadableFileError
from repscape.geometry.base import Curve, get_descriptor
from repscape.geometry.marks import marks_of
from repscape.geometry.presets import get_preset
from repscape.geometry.published_files import (
    dimensions_of_ratios,
    read_neighbour_files,
    read_published_labels,
    read_published_ratios,
)
from repscape.geometry.sample import sample_of_table
from repscape.measures.base import get_measure
from repscape.profile import Profile
from repscape.representation import Origin, Representation

_INDEX = re.compile(r"imagenet_train_nb_index_(?P<size>\w+?)_layer(?P<layer>\d+)_k10_cpt1000\.npy")


def published_profile(folder: str | Path, size: str) -> Profile:
    """Redo the image profiles of Valeriani et al. (2023) from their published files.

    The intrinsic dimension comes from `imagenet_train_mus_{size}_dec32_cpt1000_rep4.npy`, the
    label overlap and the neighbourhood overlap from `imagenet_train_nb_index_{size}_layer{l}_
    k10_cpt1000.npy` and `imagenet_train_labels.npy`. All are put at depth l / l_last with one
    l_last, that of the dimensions (the published figure shifted its panels against each other).

    Parameters
    ----------
    folder
        Where the files are.
    size
        "S", "M" or "L", as it stands in the names of the files.

    Raises
    ------
    UnreadableFileError
        If a file is missing or not what its name says; the message names it.
    """
    here = Path(folder)
    ratios = read_published_ratios(here / f"imagenet_train_mus_{size}_dec32_cpt1000_rep4.npy")
    twonn, overlap = map(get_descriptor, get_preset("valeriani2023").descriptors)
    last = len(ratios) - 1
    rows: list[dict[str, Any]] = []
    for layer, reading in enumerate(dimensions_of_ratios(ratios)):
        rep = _placeholder(size, layer, 1)
        curve = Curve((reading,), notes=("from the published ratios",))
        place = {"rep": rep.name, "depth": layer / last, "sample_digest": None, "n": None}
        rows += records(rep, sample_of_table(_no_table()), [(twonn, curve)], place)
    tables, named = {}, {}
    labels = read_published_labels(here / "imagenet_train_labels.npy")
    for layer, file in _index_files(here, size):
        table = read_neighbour_files(file)
        if layer > last:
            raise InvalidParameterError(f"{file}: layer {layer} is beyond the last, {last}")
        rep = _placeholder(size, layer, table.n)
        sample = sample_of_table(table, labels)
        results = describe_sample(sample, [overlap])
        place = {"rep": rep.name, "depth": layer / last, "sample_digest": None}
        rows += records(rep, sample, results, place)
        named[rep.name] = rep
        tables[rep.name, "euclidean"] = table
    measures = [get_measure(name) for name in get_preset("valeriani2023").measures]
    between = between_layers(named, measures, tables, _no_values, "1GiB")
    profile_table = frame(rows)
    n = max((t.n for t in tables.values()), default=0)
    return Profile(profile_table, marks_of(profile_table), between, np.ones(n, dtype=np.bool_))


def _placeholder(size: str, layer: int, n: int) -> Representation:
    """Stands for a layer whose values were not published."""
    origin = Origin(model=f"imagegpt-{size}", layer=str(layer), data="imagenet", split="train")
    return Representation(np.zeros((n, 1), dtype=np.float32), origin=origin)


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
