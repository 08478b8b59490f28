"""Write a figure so that the same figure gives the same bytes."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from repscape.plots.style import styled

# A creation date or the name of the program that wrote the file would change the bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "ModDate": None, "Creator": None, "Producer": None},
}


def save_figure(figure: Figure, path_without_suffix: str | Path) -> list[Path]:
    """Write a figure as PNG (300 dots per inch) and as PDF, and return the two paths.

    The same figure gives the same bytes whenever it is written: no date, fixed fonts.

    Parameters
    ----------
    figure
        A figure of this package.
    path_without_suffix
        Where to write; ``.png`` and ``.pdf`` are appended. Missing folders are made.
    """
    stem = Path(path_without_suffix)
    stem.parent.mkdir(parents=True, exist_ok=True)
    written = []
    with styled():
        for suffix, metadata in _METADATA.items():
            path = stem.with_name(f"{stem.name}.{suffix}")
            figure.savefig(path, format=suffix, metadata=metadata)
            written.append(path)
    return written
