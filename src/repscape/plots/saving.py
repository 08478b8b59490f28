"""Write a figure so that the same figure gives the same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from matplotlib.figure import Figure

from repscape.plots.style import styled

_TEXT_KEY = {"png": "repscape", "pdf": "Keywords"}
# A creation date or the name of the program that wrote the file would change the bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


def save_figure(
    figure: Figure, path_without_suffix: str | Path, embedded: Mapping[str, str] | None = None
) -> list[Path]:
    """Write a figure as PNG (300 dots per inch) and as PDF, and return the two paths.

    The same figure gives the same bytes whenever it is written: no date, fixed fonts.

    Parameters
    ----------
    figure
        A figure of this package.
    path_without_suffix
        Where to write; ``.png`` and ``.pdf`` are appended. Missing folders are made.
    embedded
        A text that the file carries (where it comes from), by ``"png"`` and ``"pdf"``.
    """
    stem = Path(path_without_suffix)
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with styled():
        for suffix, metadata in _METADATA.items():
            path = stem.with_name(f"{stem.name}.{suffix}")
            text = (embedded or {}).get(suffix)
            extra = {} if text is None else {_TEXT_KEY[suffix]: text}
            figure.savefig(path, format=suffix, metadata={**metadata, **extra})
            written.append(path)
    return written
