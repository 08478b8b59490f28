"""The settings of published studies of geometry, by name."""

from __future__ import annotations

from dataclasses import dataclass

from repscape.errors import UnknownNameError, did_you_mean
from repscape.registry import Citation


@dataclass(frozen=True)
class Preset:
    """What a study computed: descriptors of every layer, measures between layers, and remarks."""

    name: str
    descriptors: tuple[str, ...]
    measures: tuple[str, ...]
    remarks: str
    citation: Citation


_VALERIANI = Citation(
    "Valeriani et al. 2023",
    "@inproceedings{valeriani2023geometry,\n"
    "  title={The geometry of hidden representations of large transformer models},\n"
    "  author={Valeriani, Lucrezia and Doimo, Diego and Cuturello, Francesca and "
    "Laio, Alessandro and Ansuini, Alessio and Cazzaniga, Alberto},\n"
    "  booktitle={NeurIPS},\n  year={2023}\n}",
)

PRESETS = {
    preset.name: preset
    for preset in (
        Preset(
            name="valeriani2023",
            descriptors=(
                "twonn[method=linear,fraction=0.98,decimation=32,subsets=4,disjoint=false]",
                "label_overlap[k=10]",
            ),
            measures=("mutual_knn[k=10,metric=euclidean]",),
            remarks=(
                "Images: 300 classes of 300, mean over the 1024 positions of the first layer norm "
                "of every block. Layers are drawn at depth l / l_last; the published figure drew "
                "its two panels at l / number of points, which shifts them against each other."
            ),
            citation=_VALERIANI,
        ),
        Preset(
            name="valeriani2023_esm",
            descriptors=(
                "twonn_blocks[blocks=20,fraction=0.9]",
                "label_overlap[k=10]",
            ),
            measures=("mutual_knn[k=10,metric=euclidean]",),
            remarks=(
                "Proteins, ESM-2: mean over the residues of the output of every block, without "
                "the special tokens at both ends; the last layer after the final norm. Dimension "
                "and overlaps of layers on ProteinNet, label overlap with the superfamilies of "
                "SCOPe. Layers are drawn at depth l / l_last."
            ),
            citation=_VALERIANI,
        ),
    )
}
"""Every preset by its name."""


def get_preset(name: str) -> Preset:
    """Return the preset of this name; raise `UnknownNameError` with near matches otherwise."""
    if name not in PRESETS:
        raise UnknownNameError(f"no preset is called {name!r}: {did_you_mean(name, PRESETS)}")
    return PRESETS[name]
