"""Labels from a file of their own: one for each sample, in the order of the samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from repscape.errors import UnreadableFileError

_TEXT = (".txt", ".csv", ".tsv", ".labels")


def load_labels(path: str | Path) -> npt.NDArray[Any]:
    """Read labels: a `.npy` file of one dimension, or a text file with one label on each line.

    Raises
    ------
    UnreadableFileError
        If the file is missing or of another kind; pickles are refused.
    """
    file = Path(path)
    if not file.is_file():
        raise UnreadableFileError(f"{file}: there is no such file")
    if file.suffix.lower() in _TEXT:
        return np.asarray(file.read_text(encoding="utf-8").splitlines())
    if file.suffix.lower() != ".npy":
        raise UnreadableFileError(
            f"{file}: labels are read from .npy files and, one per line, from {', '.join(_TEXT)}"
        )
    try:
        labels: npt.NDArray[Any] = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as problem:
        raise UnreadableFileError(f"{file}: not a .npy file of labels ({problem})") from None
    if labels.ndim != 1:
        raise UnreadableFileError(
            f"{file}: labels have one dimension, but these have shape {labels.shape}"
        )
    return labels
