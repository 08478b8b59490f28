"""Readers for the files that the study of Valeriani et al. (2023) published.

Distance files (`…_dist.npy`, `…_index.npy`) list every sample itself among its neighbours, in the
first column unless it has duplicates; ratio files (`…_mus…npy`) hold r₂/r₁ of every layer and
random subset, or r₂/r₁, r₄/r₂, … of one layer.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from repscape.compute.neighbours import NeighbourTable
from repscape.errors import UnreadableFileError
from repscape.geometry.base import Reading
from repscape.geometry.twonn import Method, fit_twonn

if TYPE_CHECKING:
    import numpy.typing as npt


def read_published_array(
    path: str | Path, dimensions: tuple[int, ...], mapped: bool = False
) -> npt.NDArray[Any]:
    """Read a `.npy` file of numbers with one of the numbers of dimensions; pickles are refused.

    `mapped` leaves the numbers on the disk until they are read.

    Raises `UnreadableFileError` that says what was found instead.
    """
    file = Path(path)
    try:
        array: npt.NDArray[Any] = np.load(
            file, mmap_mode="r" if mapped else None, allow_pickle=False
        )
    except (OSError, ValueError, EOFError) as problem:
        raise UnreadableFileError(f"{file}: not a .npy file of numbers ({problem})") from None
    if array.ndim not in dimensions or array.dtype.kind not in "iuf" or array.size == 0:
        raise UnreadableFileError(
            f"{file}: found {array.dtype} of shape {array.shape}, but expected numbers with "
            f"{' or '.join(map(str, dimensions))} dimensions"
        )
    return array


def read_neighbour_files(index: str | Path, distances: str | Path | None = None) -> NeighbourTable:
    """Read a pair of `_index` and `_dist` files as a table of neighbours without the samples.

    Every sample is taken out of its own row by its number; a row that does not list it loses its
    last neighbour. Without a distance file the distances are the ranks, which is all that
    overlaps need.

    Raises
    ------
    UnreadableFileError
        Files of other shapes, numbers outside 0 … n−1, or distances that do not ascend.
    """
    indices = torch.from_numpy(read_published_array(index, (2,)).astype(np.int64))
    n, columns = indices.shape
    if int(indices.min()) < 0 or int(indices.max()) >= n:
        raise UnreadableFileError(f"{index}: lists samples outside 0 … {n - 1}")
    if distances is None:
        d = torch.arange(columns, dtype=torch.float64).expand(n, -1)
    else:
        d = torch.from_numpy(read_published_array(distances, (2,)).astype(np.float64))
    if d.shape != indices.shape:
        raise UnreadableFileError(
            f"{distances} has shape {tuple(d.shape)}, but {index} has {tuple(indices.shape)}"
        )
    if bool((d[:, 1:] < d[:, :-1]).any()):
        raise UnreadableFileError(f"{distances}: the distances of a row do not ascend")
    own = indices == torch.arange(n)[:, None]
    # A row without its own sample drops its last column instead, so that all have equal lengths.
    own[~own.any(dim=1), -1] = True
    keep = ~own
    return NeighbourTable(
        indices[keep].view(n, columns - 1).int(), d[keep].view(n, columns - 1), "euclidean"
    )


def read_published_labels(path: str | Path) -> npt.NDArray[np.int64]:
    """Read the labels, (n,); one-hot rows become class numbers."""
    labels = read_published_array(path, (1, 2))
    return (labels.argmax(axis=1) if labels.ndim == 2 else labels).astype(np.int64)


def read_published_ratios(path: str | Path) -> npt.NDArray[np.float64]:
    """Read the ratios μ = r₂/r₁ of `_mus_…_dec…_rep…` files, (layers, subsets, samples).

    Raises `UnreadableFileError` if a ratio is below 1 or not finite.
    """
    ratios = read_published_array(path, (3,)).astype(np.float64)
    if not np.isfinite(ratios).all() or (ratios < 1).any():
        raise UnreadableFileError(f"{path}: ratios of distances are finite and at least 1")
    return ratios


def dimensions_of_ratios(
    ratios: npt.NDArray[np.float64], method: Method = "linear", fraction: float = 0.98
) -> list[Reading]:
    """TwoNN for every layer of `read_published_ratios`: the mean over its subsets.

    The standard error is the standard deviation over subsets (n, not n − 1, as published) over
    the square root of their number.
    """
    readings = []
    for layer in ratios:
        logs = torch.from_numpy(np.log(layer))
        values = np.array([fit_twonn(each, method, fraction).dimension for each in logs])
        readings.append(
            Reading(
                value=float(values.mean()),
                scale=float(layer.shape[1]),
                standard_error=float(values.std() / np.sqrt(len(values))),
                samples=int(layer.size),
                spread=float(values.std()),
            )
        )
    return readings


def read_published_curve(path: str | Path, highest: float = np.inf) -> list[Reading]:
    """Read one finished value per layer, (layers,).

    Raises `UnreadableFileError` if a value is not finite, not above 0 or above `highest`.
    """
    values = np.squeeze(read_published_array(path, (1, 2))).astype(np.float64)
    if values.ndim != 1:
        raise UnreadableFileError(
            f"{path}: found shape {values.shape}, but expected one value per layer"
        )
    if not (np.isfinite(values) & (values > 0) & (values <= highest)).all():
        raise UnreadableFileError(f"{path}: values are finite, above 0 and at most {highest:g}")
    return [Reading(float(value)) for value in values]
