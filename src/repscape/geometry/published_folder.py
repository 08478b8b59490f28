"""The folder that the code of Valeriani et al. (2023) writes: which files of which layers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from repscape.compute.neighbours import NeighbourTable
from repscape.errors import InvalidParameterError, UnreadableFileError
from repscape.geometry.base import Curve, Reading
from repscape.geometry.gride import fit_gride
from repscape.geometry.published_files import read_neighbour_files, read_published_array
from repscape.geometry.scales import choose_scale

if TYPE_CHECKING:
    import numpy.typing as npt

_LAYER = re.compile(
    r"imagenet_(?P<size>[^_]+)_layer(?P<layer>-?\d+)_(?P<set>\w+)_(?P<kind>dist|index|mus|act)\.npy"
)
_FOLDERS = (
    "",
    "{size}",
    "distance_matrices",
    "activations",
    "{size}/distance_matrices",
    "{size}/activations",
)


@dataclass(frozen=True)
class LayerFiles:
    """The files of one layer: `paths` by kind, "dist", "index", "mus" or "act"."""

    layer: int
    paths: Mapping[str, Path]

    @property
    def has_neighbours(self) -> bool:
        """Whether neighbours are there or can be computed."""
        return bool({"index", "dist", "act"} & set(self.paths))

    def table(self) -> NeighbourTable | None:
        """The neighbours with their distances; None if there are no such files.

        Raises `UnreadableFileError` if one of the two files is missing.
        """
        has = {kind: kind in self.paths for kind in ("index", "dist")}
        if not any(has.values()):
            return None
        if not all(has.values()):
            there, missing = ("index", "dist") if has["index"] else ("dist", "index")
            lacking = self.paths[there].name.replace(f"_{there}.npy", f"_{missing}.npy")
            raise UnreadableFileError(
                f"{self.paths[there]} is there, but {lacking} is not: both are needed"
            )
        return read_neighbour_files(self.paths["index"], self.paths["dist"])

    def values(self) -> npt.NDArray[np.floating] | None:
        """The activations (n, width), mapped; None if there are none."""
        if "act" not in self.paths:
            return None
        array = read_published_array(self.paths["act"], (2,), mapped=True)
        if array.dtype.kind != "f":
            raise UnreadableFileError(
                f"{self.paths['act']}: found {array.dtype}, but activations are floating-point"
            )
        return array

    def dimension_curve(self) -> Curve | None:
        """The dimension at every scale from the ratios; None if there are none."""
        if "mus" not in self.paths:
            return None
        return curve_of_doubling_ratios(read_doubling_ratios(self.paths["mus"]))


def find_layers(folder: str | Path, size: str, samples: str | None = None) -> list[LayerFiles]:
    """Find `imagenet_{size}_layer{l}_{samples}_{dist,index,mus,act}.npy` in a results folder.

    Parameters
    ----------
    folder
        The results folder, the folder of the size in it, or the folder of the files themselves.
    size
        As it stands in the names.
    samples
        The part of the names that says which images and which weights ("train",
        "train_untrained", "train_cpt1000"); may be left out where all files agree.

    Raises
    ------
    UnreadableFileError
        No such file.
    InvalidParameterError
        Files of several sets of samples, and none was chosen.
    """
    found: dict[str, dict[int, dict[str, Path]]] = {}
    for place in dict.fromkeys(Path(folder) / part.format(size=size) for part in _FOLDERS):
        for path in sorted(place.glob("imagenet_*.npy")):
            match = _LAYER.fullmatch(path.name)
            if match and match["size"] == size:
                layers = found.setdefault(match["set"], {})
                layers.setdefault(int(match["layer"]), {})[match["kind"]] = path
    wanted = samples if samples is not None else next(iter(found), "train")
    if samples is None and len(found) > 1:
        raise InvalidParameterError(
            f"{folder} has files of {', '.join(sorted(found))}: choose one with samples="
        )
    if wanted not in found:
        raise UnreadableFileError(
            f"{folder}: there is no imagenet_{size}_layer…_{wanted}_{{dist,index,mus,act}}.npy "
            f"in it, in {size}/distance_matrices or in {size}/activations"
        )
    return [LayerFiles(layer, paths) for layer, paths in sorted(found[wanted].items())]


def find_labels(folder: str | Path, size: str) -> Path | None:
    """The file of the labels, `<size>/imagenet_labels.npy` or beside the other files."""
    here = Path(folder)
    names = ("imagenet_labels.npy", f"{size}/imagenet_labels.npy", "../imagenet_labels.npy")
    return next((here / name for name in names if (here / name).is_file()), None)


def read_doubling_ratios(path: str | Path) -> npt.NDArray[np.float64]:
    """Read the ratios r₂/r₁, r₄/r₂, … of one layer, (n, scales).

    Raises `UnreadableFileError` if a ratio is below 1 or not finite, or n is too small for the
    largest rank.
    """
    ratios = read_published_array(path, (2,)).astype(np.float64)
    n, scales = ratios.shape
    if 2**scales >= n:
        raise UnreadableFileError(
            f"{path} has shape {ratios.shape}: column {scales} is the ratio of the neighbours "
            f"{2**scales} and {2 ** (scales - 1)}, which {n} samples do not have; rows are samples"
        )
    if not np.isfinite(ratios).all() or (ratios < 1).any():
        raise UnreadableFileError(f"{path}: ratios of distances are finite and at least 1")
    return ratios


def curve_of_doubling_ratios(ratios: npt.NDArray[np.float64]) -> Curve:
    """Gride at the ranks (1, 2), (2, 4), … from `read_doubling_ratios`; no ratio is left out.

    Without the neighbours only the errors for independent ratios are known.
    """
    logs = torch.from_numpy(np.log(ratios))
    high = 2 ** torch.arange(1, logs.shape[1] + 1)
    fits = fit_gride(logs, high // 2, high)
    readings = tuple(
        Reading(float(value), float(rank), independent_error=float(error), samples=len(logs))
        for value, rank, error in zip(fits.dimensions, high, fits.independent_errors, strict=True)
    )
    chosen = choose_scale([readings])
    return Curve(readings, chosen.position, chosen.reason, ("from the published ratios",))
