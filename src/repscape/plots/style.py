"""The look of the printed figures: fonts, sizes, lines, and what a file must not depend on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colorbar import Colorbar
from matplotlib.colors import Colormap, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.transforms import ScaledTranslation
from numpy.typing import NDArray

from repscape.plots.palette import (
    CHANCE_COLOUR,
    CHANCE_LABEL,
    MISSING_COLOUR,
    MISSING_LINE,
    UNDECIDED_LABEL,
    direction,
    score_colours,
    wrapped,
)

BASE_SIZE = 8.0
SMALL_SIZE = 6.5
TEXT_COLOUR = "#1a1a1a"
QUIET_COLOUR = "#6b6b6b"
_LEGEND_LINE = 0.155  # inches from one line of a legend to the next

_SETTINGS: dict[Any, Any] = {
    # DejaVu Sans ships with matplotlib, so a figure does not depend on the machine's fonts.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": BASE_SIZE,
    "text.usetex": False,
    # Names are the user's: a dollar sign in one is a dollar sign.
    "text.parse_math": False,
    "mathtext.fontset": "dejavusans",
    "axes.titlesize": BASE_SIZE,
    "axes.titlelocation": "left",
    "axes.labelsize": BASE_SIZE,
    "axes.labelcolor": TEXT_COLOUR,
    "axes.edgecolor": QUIET_COLOUR,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "axes.axisbelow": True,
    "text.color": TEXT_COLOUR,
    "xtick.color": QUIET_COLOUR,
    "ytick.color": QUIET_COLOUR,
    "xtick.labelcolor": TEXT_COLOUR,
    "ytick.labelcolor": TEXT_COLOUR,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7.0,
    "legend.title_fontsize": 7.0,
    "legend.frameon": False,
    "hatch.linewidth": 0.6,
    "figure.facecolor": "white",
    "figure.dpi": 100,
    "savefig.dpi": 300,
    "savefig.facecolor": "white",
    "savefig.bbox": None,
    "pdf.fonttype": 42,
    "pdf.compression": 6,
    "svg.hashsalt": "repscape",
    "axes.unicode_minus": True,
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in this style, whatever the user's own settings are, and put theirs back after."""
    with mpl.rc_context():
        mpl.rcdefaults()
        for name, value in _SETTINGS.items():
            mpl.rcParams[name] = value
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure (inches) that no global figure manager holds."""
    return Figure(figsize=(width, height), layout="constrained")


def score_map(kind: str) -> Colormap:
    """Return the colour map of scores: brighter = more alike; missing scores stay transparent."""
    return mpl.colormaps[score_colours(kind)].with_extremes(bad=(0, 0, 0, 0))


def label_scores(
    bar: Colorbar, measure: str, kind: str, inches: float, size: float = BASE_SIZE
) -> None:
    """Label a colour bar of this length with the measure's full name and its direction."""
    signs = int(inches / (0.0085 * size))
    label = f"{wrapped(measure, signs)}\n{direction(kind)}"
    bar.set_label(label, linespacing=1.5, fontsize=size)
    bar.outline.set_visible(False)


def text_colour_on(colour: Any) -> str:
    """Return black or white, whichever reads better on a colour (relative luminance, sRGB)."""
    channels = np.asarray(to_rgb(colour))
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return "black" if float(linear @ np.array([0.2126, 0.7152, 0.0722])) > 0.179 else "white"


def stack_legends(axes: Axes, groups: Sequence[tuple[str, Sequence[Artist]]]) -> None:
    """Empty the axes and stack legends, each with its title (or none), from the top left down."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    axes.set_axis_off()
    lines = 0.0
    for title, handles in groups:
        legend = axes.legend(
            handles=list(handles),
            title=title or None,
            loc="upper left",
            alignment="left",
            borderaxespad=0,
            borderpad=0,
            handlelength=1.2,
            handleheight=0.9,
        )
        down = ScaledTranslation(0, -lines * _LEGEND_LINE, figure.dpi_scale_trans)
        legend.set_bbox_to_anchor((0, 1), transform=axes.transAxes + down)
        axes.add_artist(legend)
        lines += sum(1 + str(handle.get_label()).count("\n") for handle in handles)
        lines += bool(title) + 0.7


def hatch_cells(axes: Axes, missing: NDArray[np.bool_]) -> None:
    """Mark the cells of a heat map that have no score."""
    corners = np.array([(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)])
    # Cells are (row, column), points are (x, y).
    cells = [corners + cell[::-1] for cell in np.argwhere(missing)]
    if cells:
        axes.add_collection(
            PolyCollection(
                cells,
                facecolor=MISSING_COLOUR,
                edgecolor=MISSING_LINE,
                hatch="/////",
                linewidth=0,
            )
        )


def mark_cells(axes: Axes, marked: NDArray[np.bool_]) -> None:
    """Mark, by a corner, the cells of a heat map whose score cannot be told from chance."""
    corner = np.array([(-0.5, 0.5), (-0.5, 0.14), (-0.14, 0.5)])
    if axes.yaxis_inverted() is False:
        corner = corner * (1, -1)
    cells = [corner + cell[::-1] for cell in np.argwhere(marked)]
    if cells:
        axes.add_collection(PolyCollection(cells, facecolor=CHANCE_COLOUR, linewidth=0))


def chance_patch(undecided: bool) -> Patch:
    """Return the legend entry for cells with a marked corner; some may be undecided."""
    return Patch(facecolor=CHANCE_COLOUR, label=UNDECIDED_LABEL if undecided else CHANCE_LABEL)


def missing_patch() -> Patch:
    """Return the legend entry for cells without a score."""
    return Patch(facecolor=MISSING_COLOUR, edgecolor=MISSING_LINE, hatch="/////", label="no score")


def tick_step(count: int, most: int) -> int:
    """Return the step that thins ``count`` labels to at most ``most``."""
    return max(1, -(-count // most))
