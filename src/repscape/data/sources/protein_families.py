"""`protein-families`: synthetic families of related sequences, labelled by family."""

from __future__ import annotations

import numpy as np

from repscape.data.digests import value_revision
from repscape.data.load_data import data_scheme
from repscape.data.protein_families import protein_families
from repscape.data.source import DataSource


@data_scheme("protein-families", "protein-families", "synthetic families of proteins, built in")
def open_protein_families(
    location: str = "",
    *,
    families: int = 20,
    members: int = 15,
    divergence: float = 0.5,
    seed: int = 0,
) -> DataSource:
    """Sequences of residues; options as in `repscape.data.protein_families`."""
    found = protein_families(families, members, divergence=divergence, seed=seed)
    return DataSource(
        name="protein-families",
        ids=np.asarray([protein.id for protein in found]),
        readers={"protein": [protein.sequence for protein in found]},
        find_revision=lambda: value_revision([f"{p.id} {p.sequence}" for p in found]),
        labels=np.asarray([protein.family for protein in found]),
    )
